//===- Shadow.h - who has written and read what of a memory ----------------===//
// Finds reads of bytes nobody wrote, and accesses that no barrier orders, in every thread order.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// An earlier access of another thread is ordered before this one where it belongs to an earlier
// launch; where a __syncthreads lies between, that is where the block's epoch has grown since; or,
// inside a warp, a __syncwarp. A shuffle orders nothing, and nothing orders two blocks of a launch.
// Two accesses to one element of which one is a write must be ordered. The unit is two bytes, the
// smallest element of ftc's kernels: threads that share such a unit byte by byte look like a race.
//
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_ENGINE_SHADOW_H
#define FTC_TEST_CUDA_ENGINE_SHADOW_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace ftc_on_cpu {

/// Who accesses, and when. Epochs count the barriers and blocks of an engine and never come again.
struct Moment {
  uint32_t thread;
  uint32_t epoch;
  uint32_t warpEpoch;   // of the thread's warp
  uint32_t blockStart;  // epochs of the block's and the launch's begin
  uint32_t launchStart; // of shared memory: the block's, since no other block sees it
};

struct Finding {
  enum Kind { None, Unwritten, InFlight, WriteAfterWrite, WriteAfterRead, ReadAfterWrite };
  Kind kind = None;
  bool otherBlock = false; // the earlier access was one of another block
  uint32_t other = 0;      // the thread of the earlier access
  size_t byte = 0;
};

/// Two bytes: the last writer, and the readers since, as far as they matter.
class ShadowCell {
public:
  static constexpr size_t bytes = 2;

  Finding read(const Moment &now, bool mustBeWritten);
  Finding write(const Moment &now);
  void fly() { writeEpoch = inFlight; }
  void land(const Moment &now);

private:
  static constexpr uint32_t inFlight = 0xffffffff;
  static constexpr uint32_t several = 0x8000; // readers: a whole warp, its number beside this bit
  static constexpr uint32_t anybody = 0xffff; // readers of more than one warp

  static bool isOtherBlock(uint32_t epoch, const Moment &now) {
    return epoch >= now.launchStart && epoch < now.blockStart;
  }
  static bool isOrdered(uint32_t thread, uint32_t epoch, uint32_t warpEpoch, const Moment &now);
  void noteReader(const Moment &now);

  uint32_t writeEpoch = 0, writeWarpEpoch = 0;
  uint32_t readEpoch = 0, readWarpEpoch = 0;
  uint32_t earlierReadEpoch = 0; // of a reader in an earlier block
  uint16_t writer = 0, reader = 0;
};

/// Of a block's shared memory.
class SharedShadow {
public:
  void resize(size_t bytes);

  /// The first thing that is wrong with an access to these bytes.
  Finding access(size_t begin, size_t bytes, bool writes, const Moment &now);
  /// A cp.async is issued: until it is done nobody may touch these bytes.
  Finding issue(size_t begin, size_t bytes, const Moment &now);
  void complete(size_t begin, size_t bytes, const Moment &now);

private:
  std::vector<ShadowCell> cells;
};

/// Of device memory, as far as it is touched.
class DeviceShadow {
public:
  /// Before a launch; what it holds is of no use any more.
  void begin();
  Finding access(uintptr_t address, size_t bytes, bool writes, const Moment &now);

private:
  static constexpr size_t pageBytes = 4096, mostPages = 10000;
  struct Page {
    ShadowCell cells[pageBytes / ShadowCell::bytes];
  };

  Page &pageOf(uintptr_t address);

  std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages;
  uintptr_t lastNumber = 0;
  Page *last = nullptr;
};

} // namespace ftc_on_cpu

#endif // FTC_TEST_CUDA_ENGINE_SHADOW_H
