//===- AttentionShape.h - threads and shared memory of attention -- C++ -*-===//
// What a block of each kernel needs, in plain C++: for the kernels and for who launches them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_ATTENTIONSHAPE_H
#define FTC_KERNELS_CUDA_ATTENTIONSHAPE_H

// NVRTC takes a function without an annotation for a host function, and has no host.
#ifdef __CUDACC_RTC__
#define FTC_SHAPE __host__ __device__ constexpr
#else
#define FTC_SHAPE constexpr
#endif

namespace ftc {
/// The families whose blocks own a tile of rows: queries in the first two, keys in the last.
enum class AttentionFamily { forward, gradQuery, gradKeyValue };

/// One kernel's sizes. There are two bodies: `mma`, bf16 products on tensor cores, and `plain`, any
/// element and head size in f32. A warp owns `rowsPerWarp` rows of the block's tile in either.
struct AttentionShape {
  AttentionFamily family;
  bool isBf16;
  int headDim, queryTile, keyTile;

  /// Rows of the tile that a block owns, and of the tiles that it visits.
  FTC_SHAPE int ownRows() const {
    return family == AttentionFamily::gradKeyValue ? keyTile : queryTile;
  }
  FTC_SHAPE int visitedRows() const {
    return family == AttentionFamily::gradKeyValue ? queryTile : keyTile;
  }

  FTC_SHAPE bool isMma() const {
    return isBf16 && headDim % 16 == 0 && headDim <= 128 && queryTile % 16 == 0 &&
           keyTile % 16 == 0 && ownRows() <= 256 && visitedRows() <= 128;
  }

  /// Elements from row to row of a tile in shared memory: bf16 in `mma`, f32 in `plain`. Rows are
  /// 16 bytes longer than the data, so that a column of 16-byte units falls into distinct banks.
  FTC_SHAPE int pitch() const { return isMma() ? headDim + 8 : (headDim + 3) / 4 * 4 + 4; }

  /// In `plain` a warp's sums live in registers: fewer rows for larger heads.
  FTC_SHAPE int rowsPerWarp() const {
    if (isMma())
      return 16;
    int rows = headDim <= 128 ? 8 : headDim <= 256 ? 4 : headDim <= 512 ? 2 : 1;
    while (ownRows() % rows)
      --rows;
    return rows;
  }

  FTC_SHAPE int threads() const { return ownRows() / rowsPerWarp() * 32; }

  /// Dynamic shared memory of a block, in bytes.
  FTC_SHAPE long long sharedBytes() const {
    const long long row = static_cast<long long>(pitch()) * (isMma() ? 2 : 4);
    const bool isForward = family == AttentionFamily::forward;
    if (!isMma()) {
      const long long tiles = isForward ? queryTile + 2 * keyTile : 2 * (queryTile + keyTile);
      return tiles * row + 4LL * queryTile * keyTile;
    }
    // Visited tiles lie in shared memory twice: one is read while the next arrives.
    if (isForward) // The queries move to registers; the second tile of values takes their place.
      return (3LL * keyTile + (keyTile > queryTile ? keyTile : queryTile)) * row;
    const long long statistics = family == AttentionFamily::gradKeyValue ? 4LL * 4 * queryTile : 0;
    return (2LL * ownRows() + 4LL * visitedRows()) * row + statistics;
  }

  /// Whether the kernels can be compiled for these sizes at all.
  FTC_SHAPE bool isValid() const {
    return headDim >= 1 && queryTile >= 1 && keyTile >= 1 && visitedRows() % 4 == 0 &&
           threads() <= 1024;
  }
};

/// `attention_delta`: `delta` of a token and head is a sum by `lanes` neighbours, each of which
/// reads 16 bytes at a time where the rows are aligned.
struct AttentionDeltaShape {
  bool isBf16;
  int heads, headDim;

  FTC_SHAPE int elements() const {
    const int vector = isBf16 ? 8 : 4;
    return headDim % vector == 0 ? vector : 1;
  }
  FTC_SHAPE int lanes() const {
    int count = 1;
    while (count < 32 && count * elements() < headDim)
      count *= 2;
    return count;
  }
  FTC_SHAPE int threads() const { return 256; }
  /// Tokens of a block.
  FTC_SHAPE int rows() const {
    const int sums = threads() / lanes();
    return sums > heads ? sums / heads : 1;
  }
};
} // namespace ftc

#endif // FTC_KERNELS_CUDA_ATTENTIONSHAPE_H
