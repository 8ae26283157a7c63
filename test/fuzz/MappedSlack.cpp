//===- MappedSlack.cpp - the bytes behind a mapped file ---------------------===//
// A mapping ends with its page, the file before that: the sanitizer is told where.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include <cstddef>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define FTC_FUZZ_SANITIZED 1
#endif
#endif

// The linker puts these in front of the C library's (--wrap).
extern "C" {
void *__real_mmap(void *, size_t, int, int, int, off_t);
int __real_munmap(void *, size_t);

#ifdef FTC_FUZZ_SANITIZED
static size_t wholePages(size_t bytes) {
  auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}
#endif

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
  void *result = __real_mmap(address, bytes, protection, flags, file, offset);
#ifdef FTC_FUZZ_SANITIZED
  if (result != MAP_FAILED && file >= 0)
    __asan_poison_memory_region(static_cast<char *>(result) + bytes, wholePages(bytes) - bytes);
#endif
  return result;
}

int __wrap_munmap(void *address, size_t bytes) {
#ifdef FTC_FUZZ_SANITIZED
  __asan_unpoison_memory_region(address, wholePages(bytes));
#endif
  return __real_munmap(address, bytes);
}
}
