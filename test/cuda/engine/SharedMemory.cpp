//===- SharedMemory.cpp - the dynamic shared memory of a block -------------===//
// One mapping with an untouchable page on each side, and patterns around what a block may use.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/SharedMemory.h"

#include <sys/mman.h>

#ifdef FTC_ON_CPU_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace ftc_on_cpu {

namespace {
constexpr size_t pageBytes = 4096;
constexpr size_t alignment = 128;
constexpr size_t before = 128; // checked bytes before the start
constexpr size_t usable = (SharedMemory::most + before + pageBytes - 1) / pageBytes * pageBytes;
constexpr unsigned char pattern = 0xfd;
} // namespace

SharedMemory::SharedMemory() {
  void *memory = mmap(nullptr, usable + 2 * pageBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return;
  mapped = static_cast<unsigned char *>(memory);
  end = mapped + pageBytes + usable;
  start = end;
  mprotect(mapped, pageBytes, PROT_NONE);
  mprotect(end, pageBytes, PROT_NONE);
}

SharedMemory::~SharedMemory() {
  if (!mapped)
    return;
#ifdef FTC_ON_CPU_ASAN
  __asan_unpoison_memory_region(mapped, usable + 2 * pageBytes);
#endif
  munmap(mapped, usable + 2 * pageBytes);
}

void SharedMemory::resize(size_t count) {
#ifdef FTC_ON_CPU_ASAN
  __asan_unpoison_memory_region(mapped + pageBytes, usable);
#endif
  bytes = count;
  start = end - (count + alignment - 1) / alignment * alignment;
  memset(start - before, pattern, before);
  memset(start + bytes, pattern, static_cast<size_t>(end - start) - bytes);
#ifdef FTC_ON_CPU_ASAN
  __asan_poison_memory_region(mapped + pageBytes, static_cast<size_t>(start - mapped) - pageBytes);
  __asan_poison_memory_region(start + bytes, static_cast<size_t>(end - start) - bytes);
#endif
}

void SharedMemory::reset(unsigned char fill) { memset(start, fill, bytes); }

// AddressSanitizer has found a write to poisoned bytes when it happened.
ptrdiff_t SharedMemory::overwritten() const {
#ifndef FTC_ON_CPU_ASAN
  for (const unsigned char *byte = start + bytes; byte < end; ++byte)
    if (*byte != pattern)
      return byte - start;
  for (const unsigned char *byte = start - before; byte < start; ++byte)
    if (*byte != pattern)
      return byte - start;
#endif
  return 0;
}

bool SharedMemory::contains(const void *address, size_t count) const {
  uintptr_t first = reinterpret_cast<uintptr_t>(start);
  uintptr_t begin = reinterpret_cast<uintptr_t>(address);
  return begin >= first && begin - first <= bytes && count <= bytes - (begin - first);
}

bool SharedMemory::isAround(const void *address) const {
  const unsigned char *byte = static_cast<const unsigned char *>(address);
  return byte >= mapped && byte < end + pageBytes;
}

} // namespace ftc_on_cpu
