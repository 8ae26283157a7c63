//===- AttentionMma.h - tiles of attention on tensor cores ----*- C++ -*-===//
// Products of bf16 tiles in shared memory; a warp makes 16 rows.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_ATTENTIONMMA_H
#define FTC_KERNELS_CUDA_ATTENTIONMMA_H

#include "ftc/Kernels/CUDA/AttentionTiles.h"
#include "ftc/Kernels/CUDA/Mma.h"

namespace ftc {
constexpr float log2OfE = 1.4426950408889634f, lnOf2 = 0.6931471805599453f;

/// A warp's rows: accumulators [columns / 8][4] in the order of Mma.h. This lane holds rows `row`
/// and `row` + 8, of every eight columns `column` and `column` + 1.
struct MmaLane {
  int row, column;
};
FTC_DEVICE MmaLane mmaLane() {
  const int lane = threadIdx.x % 32;
  return {lane / 4, lane % 4 * 2};
}

/// Starts to copy rows [first, first + Rows) of one head, zeros beyond the last token. `tensor`
/// points at the head's columns of token 0, its rows are aligned to 16 bytes.
template <typename S, int Rows>
FTC_DEVICE void copyTileAsync(bf16 *tile, const bf16 *tensor, long long stride, int first) {
  constexpr int units = S::headDim / 8, count = Rows * units;
  FTC_UNROLL
  for (int i = 0; i < (count + S::threads - 1) / S::threads; ++i) {
    const int unit = threadIdx.x + i * S::threads, row = unit / units, column = unit % units * 8;
    if (count % S::threads == 0 || unit < count)
      copyAsync<16>(tile + row * S::pitch + column, tensor + (first + row) * stride + column,
                    first + row < S::tokens);
  }
}

/// The 16 rows at `rows`, columns [16 k, 16 k + 16), as A.
template <typename S> FTC_DEVICE void loadRows(unsigned (&a)[4], const bf16 *rows, int k) {
  const int lane = threadIdx.x % 32;
  loadMatrices<false>(a, rows + lane % 16 * S::pitch + lane / 16 * 8 + 16 * k);
}

/// sums += A B^T for columns [16 k, 16 k + 16) of both; B are N rows at `rows`.
template <typename S, int N>
FTC_DEVICE void addProductOfRows(float (&sums)[N / 8][4], const unsigned (&a)[4], const bf16 *rows,
                                 int k) {
  const int lane = threadIdx.x % 32;
  FTC_UNROLL
  for (int n = 0; n < N / 16; ++n) {
    unsigned b[4];
    loadMatrices<false>(b, rows + (16 * n + lane % 8 + lane / 16 * 8) * S::pitch +
                               lane / 8 % 2 * 8 + 16 * k);
    multiplyAdd(sums[2 * n], a, b[0], b[1]);
    multiplyAdd(sums[2 * n + 1], a, b[2], b[3]);
  }
}

/// scores = own rows^T visited rows over a whole head; own are 16 rows, visited N.
template <typename S, int N>
FTC_DEVICE void multiplyRows(float (&scores)[N / 8][4], const bf16 *own, const bf16 *visited) {
  setZero(scores);
  FTC_UNROLL_BY(4)
  for (int k = 0; k < S::headDim / 16; ++k) {
    unsigned a[4];
    loadRows<S>(a, own, k);
    addProductOfRows<S, N>(scores, a, visited, k);
  }
}

/// sums += weights, rounded, times the K visited rows.
template <typename S, int K>
FTC_DEVICE void addWeightedRows(float (&sums)[S::headDim / 8][4], const float (&weights)[K / 8][4],
                                const bf16 *visited) {
  const int lane = threadIdx.x % 32;
  FTC_UNROLL
  for (int k = 0; k < K / 16; ++k) {
    const unsigned a[4] = {packBf16(weights[2 * k][0], weights[2 * k][1]),
                           packBf16(weights[2 * k][2], weights[2 * k][3]),
                           packBf16(weights[2 * k + 1][0], weights[2 * k + 1][1]),
                           packBf16(weights[2 * k + 1][2], weights[2 * k + 1][3])};
    FTC_UNROLL
    for (int n = 0; n < S::headDim / 16; ++n) {
      unsigned b[4];
      loadMatrices<true>(b, visited + (16 * k + lane % 16) * S::pitch + lane / 16 * 8 + 16 * n);
      multiplyAdd(sums[2 * n], a, b[0], b[1]);
      multiplyAdd(sums[2 * n + 1], a, b[2], b[3]);
    }
  }
}

/// Writes factors[i / 2] * sums as the rows of 16 tokens from `first` on, by way of `own`: 16 rows
/// of shared memory that no other warp uses any more.
template <typename S>
FTC_DEVICE void storeRows(bf16 *own, bf16 *tensor, long long stride, int first,
                          const float (&sums)[S::headDim / 8][4], const float (&factors)[2]) {
  const MmaLane at = mmaLane();
  __syncwarp(); // the rows are read
  FTC_UNROLL
  for (int n = 0; n < S::headDim / 8; ++n) {
    FTC_UNROLL
    for (int half = 0; half < 2; ++half) {
      const float pair[2] = {factors[half] * sums[n][2 * half],
                             factors[half] * sums[n][2 * half + 1]};
      storeVector<bf16, 2>(own + (at.row + 8 * half) * S::pitch + 8 * n + at.column,
                           fromFloats<bf16, 2>(pair));
    }
  }
  __syncwarp();
  constexpr int units = S::headDim / 8;
  FTC_UNROLL
  for (int i = 0; i < 16 * units / 32; ++i) {
    const int unit = threadIdx.x % 32 + 32 * i, row = unit / units, column = unit % units * 8;
    if (first + row < S::tokens)
      storeVector<bf16, 8>(tensor + (first + row) * stride + column,
                           loadVector<bf16, 8>(own + row * S::pitch + column));
  }
}
} // namespace ftc

#endif // FTC_KERNELS_CUDA_ATTENTIONMMA_H
