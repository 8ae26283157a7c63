//===- ColReduce.h - sums over the rows ------------------------*- C++ -*-===//
// The family col_reduce: gradients of biases and of norm weights.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
//   struct Body {
//     static FTC_DEVICE float term(const float *in);
//   };
//
// `term` makes of all scalars that are read one number, which is summed over the rows of a column.
//
// A block does 32 columns. Its threads lie side by side over V columns each, and behind each other
// over the rows; a sum goes over the rows of a thread in order, then over the lanes of a warp that
// have the same columns, then over the warps in order.
//
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_COLREDUCE_H
#define FTC_KERNELS_CUDA_COLREDUCE_H

#include "ftc/Kernels/CUDA/Arguments.h"

namespace ftc {

/// Columns that a block sums.
FTC_CONSTEXPR int colReduceItems() { return 32; }

/// Bytes of dynamic shared memory of a column reduction: 32 floats per warp.
FTC_CONSTEXPR unsigned colReduceShared(int threads) { return unsigned(threads) * 4; }

namespace detail {

/// Adds `count` sums of each warp over the lanes that are a multiple of Distance apart.
template <int Distance, int Count> FTC_DEVICE void sumLanesApart(float *sums) {
  FTC_UNROLL
  for (int distance = 16; distance >= Distance; distance /= 2) {
    FTC_UNROLL
    for (int i = 0; i < Count; ++i)
      sums[i] += __shfl_xor_sync(wholeWarp, sums[i], distance);
  }
}

/// Stores the sum of a column where the last argument says.
template <typename Last>
FTC_DEVICE void storeColumn(const Args<Last> &args, int column, float sum) {
  static_assert(Last::isColumnOutput, "the last argument is written by columns");
  if constexpr (Last::isRead)
    sum += args.first.loadScalar(column);
  store(args.first.p + column, fromFloat<typename Last::Type>(sum));
}
template <typename First, typename Second, typename... Rest>
FTC_DEVICE void storeColumn(const Args<First, Second, Rest...> &args, int column, float sum) {
  storeColumn(args.rest, column, sum);
}

/// Sums of V columns over the rows slot, slot + Slots, ..., accessed W columns at once.
template <typename Body, int Rows, int Columns, int Slots, int V, int W, typename List>
FTC_DEVICE void sumOverRows(int slot, int column, const List &args, float *sums) {
  constexpr int Batch = W == V ? 4 : 1;
  FTC_ROLLED
  for (int first = slot; first < Rows; first += Slots * Batch) {
    FTC_UNROLL
    for (int part = 0; part < V; part += W) {
      Tile<W, List> tiles[Batch];
      float in[Batch][atLeastOne(List::reads)];
      FTC_UNROLL
      for (int b = 0; b < Batch; ++b)
        if (const int row = first + b * Slots; row < Rows) {
          args.loadFixed(row, in[b]);
          tiles[b].load(args, (long long)row * Columns + column + part, column + part);
        }
      FTC_UNROLL
      for (int b = 0; b < Batch; ++b)
        if (first + b * Slots < Rows) {
          FTC_UNROLL
          for (int i = 0; i < W; ++i) {
            tiles[b].get(i, in[b]);
            sums[part + i] += Body::term(in[b]);
          }
        }
    }
  }
}

template <typename Body, int Threads, int Rows, int Columns, typename List>
FTC_DEVICE void colReduceList(long long block, const List &args) {
  static_assert(Threads % 32 == 0, "a block is whole warps");
  constexpr int V = columnsAtOnce(Columns, List::largest);
  constexpr int Across = 32 / V, Warps = Threads / 32;
  FTC_SHARED(memory);
  float *shared = reinterpret_cast<float *>(memory);
  const int thread = threadIdx.x, firstColumn = int(block) * 32;
  const int column = firstColumn + thread % Across * V;

  float sums[V] = {};
  if (column < Columns) {
    if (args.template areAligned<V>())
      sumOverRows<Body, Rows, Columns, Threads / Across, V, V>(thread / Across, column, args, sums);
    else
      sumOverRows<Body, Rows, Columns, Threads / Across, V, 1>(thread / Across, column, args, sums);
  }
  sumLanesApart<Across, V>(sums);
  if (thread % 32 < Across) {
    FTC_UNROLL
    for (int i = 0; i < V; ++i)
      shared[thread / 32 * 32 + thread % 32 * V + i] = sums[i];
  }
  __syncthreads();
  if (thread < 32 && firstColumn + thread < Columns) {
    float sum = 0.0f;
    FTC_UNROLL
    for (int w = 0; w < Warps; ++w)
      sum += shared[w * 32 + thread];
    storeColumn(args, firstColumn + thread, sum);
  }
}

} // namespace detail

/// Sums Rows rows of Columns elements; `block` does columns [block, block + 1) * colReduceItems().
/// Arguments: read, readRow, readColumn, readScalar, and last writeColumn or updateColumn, which
/// starts from the old value. Needs colReduceShared(Threads) bytes of shared memory.
template <typename Body, int Threads, int Rows, int Columns, typename... Arguments>
FTC_DEVICE void colReduce(long long block, Arguments... arguments) {
  detail::colReduceList<Body, Threads, Rows, Columns>(block,
                                                      detail::Args<Arguments...>(arguments...));
}

} // namespace ftc

#endif // FTC_KERNELS_CUDA_COLREDUCE_H
