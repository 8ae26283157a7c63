//===- Mappings.h - the files that are mapped now --------------------------===//
// A list that threads change without locks and that a signal handler may read.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_SUPPORT_MAPPINGS_H
#define FTC_LIB_SUPPORT_MAPPINGS_H

#include <atomic>
#include <cstdint>
#include <string>

namespace ftc {

/// One entry. Entries are used again but never freed, so that a reader never meets freed memory.
struct Mapping {
  std::atomic<bool> isTaken{false};
  std::atomic<uintptr_t> begin{0}; ///< 0 while the other fields are not to be read
  uint64_t bytes = 0;
  int descriptor = -1;
  std::string path;
  Mapping *next = nullptr;
};

void addMapping(const void *begin, uint64_t bytes, int descriptor, const std::string &path);
/// Before the addresses are unmapped.
void removeMapping(const void *begin);
/// The mapping that holds an address, or null. Safe in signal handlers.
const Mapping *findMapping(const void *address);

} // namespace ftc

#endif // FTC_LIB_SUPPORT_MAPPINGS_H
