//===- Limits.cpp - time and memory that reading an input may take ----------===//
// Every malloc of the process is counted: by the sanitizer's hooks, or by malloc itself.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Limits.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FTC_FUZZ_SANITIZED 1
#endif
#endif

namespace {

constexpr double kMostSeconds = 1;
constexpr size_t kFreeBytes = size_t{64} << 20;

bool counting = false;
int64_t held = 0, limit = 0, most = 0;
int64_t mostBeyondInput = 0;
double longest = 0;

/// Without allocating: this is called from malloc.
void fail(const char *what) {
  counting = false;
  ssize_t ignored = ::write(2, what, std::strlen(what));
  static_cast<void>(ignored);
  std::abort();
}

void allocated(size_t bytes) {
  if (!counting)
    return;
  held += static_cast<int64_t>(bytes);
  most = std::max(most, held);
  if (held > limit)
    fail("fuzz: more than ten times the input and 64 MiB is allocated\n");
}

void freed(size_t bytes) {
  if (counting)
    held -= static_cast<int64_t>(bytes);
}

} // namespace

#ifdef FTC_FUZZ_SANITIZED

extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                              void (*)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *);
}

namespace {

const bool installed = __sanitizer_install_malloc_and_free_hooks(
                           [](const volatile void *, size_t bytes) { allocated(bytes); },
                           [](const volatile void *pointer) {
                             if (counting && pointer)
                               freed(__sanitizer_get_allocated_size(pointer));
                           }) != 0;

} // namespace

#else

// The C library's own, which malloc and its kin here stand in front of.
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static void *counted(void *pointer) {
  if (counting && pointer)
    allocated(malloc_usable_size(pointer));
  return pointer;
}

void *malloc(size_t bytes) { return counted(__libc_malloc(bytes)); }
void *calloc(size_t count, size_t bytes) { return counted(__libc_calloc(count, bytes)); }
void *realloc(void *old, size_t bytes) {
  size_t before = counting && old ? malloc_usable_size(old) : 0;
  void *pointer = __libc_realloc(old, bytes);
  if (pointer || bytes == 0)
    freed(before);
  return counted(pointer);
}
void *memalign(size_t alignment, size_t bytes) {
  return counted(__libc_memalign(alignment, bytes));
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  return counted(__libc_memalign(alignment, bytes));
}
int posix_memalign(void **result, size_t alignment, size_t bytes) {
  void *pointer = counted(__libc_memalign(alignment, bytes));
  if (pointer)
    *result = pointer;
  return pointer ? 0 : ENOMEM;
}
void free(void *pointer) {
  if (counting && pointer)
    freed(malloc_usable_size(pointer));
  __libc_free(pointer);
}
}

#endif

namespace ftc::fuzz {

Limits::Limits(size_t inputBytes) : inputBytes(inputBytes) {
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
  held = most = 0;
  limit = static_cast<int64_t>(10 * inputBytes + kFreeBytes);
  counting = true;
}

Limits::~Limits() {
  counting = false;
  mostBeyondInput = std::max(mostBeyondInput, most - static_cast<int64_t>(10 * inputBytes));
}

void Limits::check() const {
  timespec end;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
  double seconds = static_cast<double>(end.tv_sec - begin.tv_sec) +
                   1e-9 * static_cast<double>(end.tv_nsec - begin.tv_nsec);
  longest = std::max(longest, seconds);
  if (seconds > kMostSeconds)
    fail("fuzz: reading took more than a second\n");
}

size_t mostBytesBeyondInput() { return static_cast<size_t>(mostBeyondInput); }
double mostSeconds() { return longest; }

} // namespace ftc::fuzz
