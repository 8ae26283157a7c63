//===- Memory.cpp - pages of zeros -----------------------------------------===//
// Huge pages where the system offers them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Memory.h"

#include <sys/mman.h>

namespace ftc {

std::optional<Memory> Memory::allocate(uint64_t bytes) {
  Memory memory;
  if (bytes == 0)
    return memory;
  if (bytes > uint64_t{INT64_MAX})
    return std::nullopt;
  void *address =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    return std::nullopt;
  // A step walks through all of it: fewer and larger pages are fewer TLB misses. Advice only.
  (void)::madvise(address, bytes, MADV_HUGEPAGE);
  memory.address = static_cast<unsigned char *>(address);
  memory.length = bytes;
  return memory;
}

Memory::~Memory() {
  if (address)
    ::munmap(address, length);
}

} // namespace ftc
