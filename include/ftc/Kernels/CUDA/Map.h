//===- Map.h - out = f(in) --------------------------------------*- C++ -*-===//
// The family map: flat, and by rows where arguments have one number per row or per column.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
//   struct Body {
//     static FTC_DEVICE void element(const float *in, float *out);
//   };
//
// `in` has one number per argument that is read, `out` one per argument that is written, in order.
//
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_MAP_H
#define FTC_KERNELS_CUDA_MAP_H

#include "ftc/Kernels/CUDA/Arguments.h"

namespace ftc {

/// Elements that a block of a flat map computes.
FTC_CONSTEXPR long long mapItems(int threads) { return threads * 8LL; }

namespace detail {

/// In a flat map an argument by rows is one by elements.
template <Access access, Indexing indexing, typename T>
FTC_DEVICE Arg<access, indexing, T> flatten(Arg<access, indexing, T> arg) {
  return arg;
}
template <Access access, typename T>
FTC_DEVICE Arg<access, Indexing::Element, T> flatten(Arg<access, Indexing::Row, T> arg) {
  return {arg.p};
}

/// Computes the V columns in `tile` and stores them from `element` on. `in` holds the scalars that
/// are the same along the row.
template <typename Body, int V, typename List>
FTC_DEVICE void mapTile(const Tile<V, List> &tile, float *in, const List &args, long long element) {
  float out[atLeastOne(List::writes)][V];
  FTC_UNROLL
  for (int i = 0; i < V; ++i) {
    float values[atLeastOne(List::writes)];
    tile.get(i, in);
    Body::element(in, values);
    FTC_UNROLL
    for (int k = 0; k < List::writes; ++k)
      out[k][i] = values[k];
  }
  args.template storeElements<V>(element, out);
}

template <typename Body, int Threads, typename List>
FTC_DEVICE void mapFlat(long long block, long long n, const List &args) {
  constexpr int V = lesser(16 / List::largest, 8), Groups = 8 / V;
  const long long begin = block * mapItems(Threads), end = begin + mapItems(Threads);
  float in[atLeastOne(List::reads)];
  args.loadFixed(0, in);

  if (end <= n && args.template areAligned<V>()) {
    const long long first = begin + int(threadIdx.x) * V;
    Tile<V, List> tiles[Groups];
    FTC_UNROLL
    for (int g = 0; g < Groups; ++g)
      tiles[g].load(args, first + g * Threads * V, 0);
    FTC_UNROLL
    for (int g = 0; g < Groups; ++g)
      mapTile<Body>(tiles[g], in, args, first + g * Threads * V);
    return;
  }
  FTC_ROLLED
  for (long long i = begin + threadIdx.x; i < end && i < n; i += Threads) {
    Tile<1, List> tile;
    tile.load(args, i, 0);
    mapTile<Body>(tile, in, args, i);
  }
}

template <typename Body, int Threads, int Columns, int RowsPerBlock, int V, typename List>
FTC_DEVICE void mapRowTiles(long long block, long long rows, const List &args) {
  constexpr int PerRow = Columns / V, Tiles = RowsPerBlock * PerRow;
  constexpr int Groups = lesser(lesser(8 / V, 4), divideUp(Tiles, Threads));
  FTC_ROLLED
  for (int start = threadIdx.x; start < Tiles; start += Threads * Groups) {
    Tile<V, List> tiles[Groups];
    float in[Groups][atLeastOne(List::reads)];
    FTC_UNROLL
    for (int g = 0; g < Groups; ++g) {
      const int index = start + g * Threads, column = index % PerRow * V;
      const long long row = block * RowsPerBlock + index / PerRow;
      if (index < Tiles && row < rows) {
        args.loadFixed(row, in[g]);
        tiles[g].load(args, row * Columns + column, column);
      }
    }
    FTC_UNROLL
    for (int g = 0; g < Groups; ++g) {
      const int index = start + g * Threads, column = index % PerRow * V;
      const long long row = block * RowsPerBlock + index / PerRow;
      if (index < Tiles && row < rows)
        mapTile<Body>(tiles[g], in[g], args, row * Columns + column);
    }
  }
}

template <typename Body, int Threads, int Columns, int RowsPerBlock, typename List>
FTC_DEVICE void mapByRows(long long block, long long rows, const List &args) {
  constexpr int V = columnsAtOnce(Columns, List::largest);
  if (args.template areAligned<V>())
    mapRowTiles<Body, Threads, Columns, RowsPerBlock, V>(block, rows, args);
  else
    mapRowTiles<Body, Threads, Columns, RowsPerBlock, 1>(block, rows, args);
}

} // namespace detail

/// A flat map over n elements; `block` does elements [block, block + 1) * mapItems(Threads).
/// Arguments: read, readScalar, write, update; by rows means by elements.
template <typename Body, int Threads, typename... Arguments>
FTC_DEVICE void map(long long block, long long n, Arguments... arguments) {
  using List = detail::Args<decltype(detail::flatten(arguments))...>;
  detail::mapFlat<Body, Threads>(block, n, List(detail::flatten(arguments)...));
}

/// A map over `rows` rows of Columns elements; `block` does RowsPerBlock of them. Arguments: also
/// readRow and readColumn.
template <typename Body, int Threads, int Columns, int RowsPerBlock, typename... Arguments>
FTC_DEVICE void mapRows(long long block, long long rows, Arguments... arguments) {
  detail::mapByRows<Body, Threads, Columns, RowsPerBlock>(block, rows,
                                                          detail::Args<Arguments...>(arguments...));
}

} // namespace ftc

#endif // FTC_KERNELS_CUDA_MAP_H
