//===- SharedMemory.h - the dynamic shared memory of a block ---------------===//
// Exactly as large as requested: what lies beyond is unmapped, poisoned or checked.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_ENGINE_SHAREDMEMORY_H
#define FTC_TEST_CUDA_ENGINE_SHAREDMEMORY_H

#include "engine/Stack.h"

namespace ftc_on_cpu {

/// The memory ends (but for less than 128 bytes, which the start's alignment needs) at a page that
/// nobody may touch. Those bytes, and 128 before the start, hold a pattern that is checked.
class SharedMemory {
public:
  static constexpr size_t most = 227 * 1024; // of sm_90 and sm_100, the largest there is

  SharedMemory();
  ~SharedMemory();
  SharedMemory(const SharedMemory &) = delete;

  bool isMapped() const { return mapped; }
  /// Lays out `bytes` (at most `most`).
  void resize(size_t bytes);
  /// Before a block: everything is `fill`, nothing has been written.
  void reset(unsigned char fill);
  /// After a block: the offset from begin() of the first byte outside that was written; 0 where
  /// none.
  ptrdiff_t overwritten() const;

  unsigned char *begin() const { return start; }
  size_t size() const { return bytes; }
  bool contains(const void *address, size_t count) const;
  /// Near enough that an address must have been meant for it.
  bool isAround(const void *address) const;

private:
  unsigned char *mapped = nullptr;
  unsigned char *end = nullptr; // of what may be touched
  unsigned char *start = nullptr;
  size_t bytes = 0;
};

} // namespace ftc_on_cpu

#endif // FTC_TEST_CUDA_ENGINE_SHAREDMEMORY_H
