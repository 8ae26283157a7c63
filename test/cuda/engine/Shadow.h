//===- Shadow.h - who has written and read what of shared memory ----------===//
// Finds reads of bytes nobody wrote, and accesses that no barrier orders, in every thread order.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// An earlier access of another thread is ordered before this one where a __syncthreads lies
// between, that is where the block's epoch has grown since; or, inside a warp, a __syncwarp. A
// shuffle orders nothing. Two accesses to one byte of which one is a write must be ordered.
//
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_ENGINE_SHADOW_H
#define FTC_TEST_CUDA_ENGINE_SHADOW_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ftc_on_cpu {

/// Who accesses, and when.
struct Moment {
  unsigned thread;
  unsigned epoch;     // of the block, never the same again in this engine
  unsigned warpEpoch; // of the thread's warp
};

struct Finding {
  enum Kind { None, Unwritten, InFlight, WriteAfterWrite, WriteAfterRead, ReadAfterWrite };
  Kind kind = None;
  size_t byte = 0;
  unsigned other = 0; // the thread of the earlier access
};

class Shadow {
public:
  /// Before a block of `bytes`, which begins with this epoch. A block that failed may have left
  /// copies in flight: its shadow is not used again.
  void reset(size_t bytes, unsigned epoch);

  Finding read(size_t begin, size_t bytes, const Moment &now);
  Finding write(size_t begin, size_t bytes, const Moment &now);
  /// A cp.async is issued: from now on until its write nobody may touch these bytes.
  Finding issue(size_t begin, size_t bytes, const Moment &now);
  /// The cp.async is done.
  void complete(size_t begin, size_t bytes, const Moment &now);

private:
  static constexpr size_t unit = 2; // bytes a cell stands for
  static constexpr uint32_t inFlight = 0xffffffff;
  static constexpr uint32_t several = 0x8000; // readers: a whole warp, its number beside this bit
  static constexpr uint32_t anybody = 0xffff; // readers of more than one warp

  struct Cell {
    uint32_t writeEpoch = 0, writeWarpEpoch = 0;
    uint32_t readEpoch = 0, readWarpEpoch = 0;
    uint16_t writer = 0, reader = 0;
  };

  /// The cells [first, last) of bytes.
  struct Cells {
    size_t first, last;
    Cells(size_t begin, size_t bytes)
        : first(begin / unit), last((begin + bytes + unit - 1) / unit) {}
  };

  static bool isOrdered(uint32_t thread, uint32_t epoch, uint32_t warpEpoch, const Moment &now);
  static void noteReader(Cell &cell, const Moment &now);

  std::vector<Cell> cells;
  uint32_t start = 0; // epoch of the block
};

} // namespace ftc_on_cpu

#endif // FTC_TEST_CUDA_ENGINE_SHADOW_H
