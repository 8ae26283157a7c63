//===- RowReduce.h - sums along rows, and maps that use them ----*- C++ -*-===//
// The family row_reduce: RMS norms and their gradients with the residual sums around them, norms.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
//   struct Body {
//     static constexpr int terms, rows;
//     static FTC_DEVICE void term(const float *in, float *term);
//     static FTC_DEVICE void finish(const float *in, const float *sum, float *row);
//     static FTC_DEVICE void element(const float *in, const float *row, float *out);
//   };
//
// `term` makes of all scalars that are read the `terms` numbers that are summed along the row;
// `finish` makes of the scalars of `row` and `scalar` arguments and of the sums `rows` numbers;
// `element` makes of all scalars and of these one number per written argument. A written `row`
// argument is stored once.
//
// A row is read once where a thread's part of it fits into registers. Its sum goes over the columns
// of a thread in order, then over the lanes of a warp, then over the warps in order.
//
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_ROWREDUCE_H
#define FTC_KERNELS_CUDA_ROWREDUCE_H

#include "ftc/Kernels/CUDA/Arguments.h"

namespace ftc {

/// Bytes of dynamic shared memory of a row reduction.
FTC_CONSTEXPR unsigned rowReduceShared(int threads) { return unsigned(threads); }

namespace detail {

/// Sums that cross warps at once: what rowReduceShared has space for, a float per warp each.
constexpr int sumsAtOnce = 8;

/// Sums over the Lanes threads of each row.
template <int Threads, int Lanes, int Terms> FTC_DEVICE void sumAlongRow(float *sums) {
  constexpr int Warps = Threads / 32, WarpsPerRow = Lanes / 32;
  FTC_UNROLL
  for (int k = 0; k < Terms; ++k)
    sums[k] = warpSum(sums[k]);
  if constexpr (WarpsPerRow > 1) {
    FTC_SHARED(memory);
    float *shared = reinterpret_cast<float *>(memory);
    const int warp = threadIdx.x / 32, firstWarp = warp / WarpsPerRow * WarpsPerRow;
    FTC_UNROLL
    for (int begin = 0; begin < Terms; begin += sumsAtOnce) {
      if (begin > 0)
        __syncthreads();
      FTC_UNROLL
      for (int k = begin; k < Terms && k < begin + sumsAtOnce; ++k)
        if (threadIdx.x % 32 == 0)
          shared[(k - begin) * Warps + warp] = sums[k];
      __syncthreads();
      FTC_UNROLL
      for (int k = begin; k < Terms && k < begin + sumsAtOnce; ++k) {
        const float *partial = shared + (k - begin) * Warps + firstWarp;
        sums[k] = partial[0];
        FTC_UNROLL
        for (int w = 1; w < WarpsPerRow; ++w)
          sums[k] += partial[w];
      }
    }
  }
}

/// The work of one thread on its row: pieces of V columns, Lanes * V apart, which it accesses W
/// columns at once.
template <typename Body, int Threads, int Lanes, int Columns, int V, int W, typename List>
struct RowOfThread {
  static constexpr int PerPiece = V / W, Tiles = divideUp(Columns, Lanes *V) * PerPiece;
  /// Registers for a row that is read once: what leaves enough for the rest under the launch bound.
  static constexpr int Registers = Threads > 512 ? 16 : 64;
  static constexpr int PerTile = greater(List::template registers<W>(), 1);
  static constexpr bool Keep = W == V && Tiles * PerTile <= Registers;
  /// Tiles that are loaded before the first of them is used.
  static constexpr int Several = lesser(lesser(Tiles, 4), greater(Registers / PerTile, 1));
  static constexpr int Batch = Keep ? Tiles : W == V ? Several : 1;

  const List &args;
  const long long row;
  const int lane;
  const bool active;
  Tile<W, List> tiles[Batch];
  float in[atLeastOne(List::reads)] = {};
  float rowScalars[atLeastOne(Body::rows)] = {};

  FTC_DEVICE RowOfThread(const List &args, long long row, int lane, bool active)
      : args(args), row(row), lane(lane), active(active) {
    if (active)
      args.loadFixed(row, in);
    if constexpr (List::updatesRows) { // everyone has read the row's numbers before one is written
      if constexpr (Lanes > 32)
        __syncthreads();
      else
        __syncwarp();
    }
  }

  FTC_DEVICE int columnOf(int tile) const {
    return (tile / PerPiece * Lanes + lane) * V + tile % PerPiece * W;
  }
  FTC_DEVICE bool has(int tile) const {
    const bool everyLaneHas = (tile / PerPiece + 1) * Lanes * V <= Columns;
    return active && (everyLaneHas || columnOf(tile) < Columns);
  }

  FTC_DEVICE void loadBatch(int first) {
    FTC_UNROLL
    for (int b = 0; b < Batch; ++b)
      if (has(first + b)) {
        const int column = columnOf(first + b);
        tiles[b].load(args, row * Columns + column, column);
      }
  }

  FTC_DEVICE void addTerms(const Tile<W, List> &tile, float *sums) {
    FTC_UNROLL
    for (int i = 0; i < W; ++i) {
      float terms[atLeastOne(Body::terms)];
      tile.get(i, in);
      Body::term(in, terms);
      FTC_UNROLL
      for (int k = 0; k < Body::terms; ++k)
        sums[k] += terms[k];
    }
  }

  FTC_DEVICE void reduce() {
    float sums[atLeastOne(Body::terms)] = {};
    if constexpr (Body::terms > 0) {
      FTC_ROLLED
      for (int first = 0; first < Tiles; first += Batch) {
        loadBatch(first);
        FTC_UNROLL
        for (int b = 0; b < Batch; ++b)
          if (has(first + b))
            addTerms(tiles[b], sums);
      }
      sumAlongRow<Threads, Lanes, Body::terms>(sums);
    }
    float fixed[atLeastOne(List::fixedReads)];
    List::selectFixed(in, fixed);
    Body::finish(fixed, sums, rowScalars);
  }

  FTC_DEVICE void writeTile(const Tile<W, List> &tile, int index) {
    float out[atLeastOne(List::writes)][W];
    FTC_UNROLL
    for (int i = 0; i < W; ++i) {
      float values[atLeastOne(List::writes)];
      tile.get(i, in);
      Body::element(in, rowScalars, values);
      FTC_UNROLL
      for (int k = 0; k < List::writes; ++k)
        out[k][i] = values[k];
      if (List::writesRows && i == 0 && index == 0 && lane == 0)
        args.storeRow(row, values);
    }
    args.template storeElements<W>(row * Columns + columnOf(index), out);
  }

  FTC_DEVICE void writeElements() {
    constexpr bool Loaded = Body::terms > 0 && Keep;
    FTC_ROLLED
    for (int first = 0; first < Tiles; first += Batch) {
      if constexpr (!Loaded)
        loadBatch(first);
      FTC_UNROLL
      for (int b = 0; b < Batch; ++b)
        if (has(first + b))
          writeTile(tiles[b], first + b);
    }
  }

  /// Where only `row` arguments are written: one thread, by the first column.
  FTC_DEVICE void writeRow() {
    if (lane != 0 || !active)
      return;
    Tile<1, List> first;
    float values[atLeastOne(List::writes)];
    first.load(args, row * Columns, 0);
    first.get(0, in);
    Body::element(in, rowScalars, values);
    args.storeRow(row, values);
  }
};

template <typename Body, int Threads, int Columns, int RowsPerBlock, int V, int W, typename List>
FTC_DEVICE void reduceRows(long long block, long long rows, const List &args) {
  constexpr int Lanes = Threads / RowsPerBlock;
  const long long row = block * RowsPerBlock + int(threadIdx.x) / Lanes;
  RowOfThread<Body, Threads, Lanes, Columns, V, W, List> work(args, row, int(threadIdx.x) % Lanes,
                                                              RowsPerBlock == 1 || row < rows);
  work.reduce();
  if constexpr (List::writesElements)
    work.writeElements();
  else
    work.writeRow();
}

template <typename Body, int Threads, int Columns, int RowsPerBlock, typename List>
FTC_DEVICE void rowReduceList(long long block, long long rows, const List &args) {
  static_assert(Threads % (32 * RowsPerBlock) == 0, "a row takes whole warps");
  constexpr int V = columnsAtOnce(Columns, List::largest, Threads / RowsPerBlock);
  if (args.template areAligned<V>())
    reduceRows<Body, Threads, Columns, RowsPerBlock, V, V>(block, rows, args);
  else
    reduceRows<Body, Threads, Columns, RowsPerBlock, V, 1>(block, rows, args);
}

} // namespace detail

/// Reduces `rows` rows of Columns elements; `block` does RowsPerBlock of them, each by
/// Threads / RowsPerBlock threads. Needs rowReduceShared(Threads) bytes of shared memory.
template <typename Body, int Threads, int Columns, int RowsPerBlock, typename... Arguments>
FTC_DEVICE void rowReduce(long long block, long long rows, Arguments... arguments) {
  detail::rowReduceList<Body, Threads, Columns, RowsPerBlock>(
      block, rows, detail::Args<Arguments...>(arguments...));
}

} // namespace ftc

#endif // FTC_KERNELS_CUDA_ROWREDUCE_H
