//===- Rope.h - rotary position embedding ----------------------*- C++ -*-===//
// The family rope: rotates the pairs (i, R + i) of each head by the angle of the token's position.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_ROPE_H
#define FTC_KERNELS_CUDA_ROPE_H

#include "ftc/Kernels/CUDA/Arguments.h"

namespace ftc {
namespace detail {

/// V pairs of a head, rotated: `x` and `y` point to the first of each pair.
template <int V, int Rotary, bool Transposed, typename In, typename Out>
FTC_DEVICE void rotate(const In &x, const Out &y, long long element, const float *cos,
                       const float *sin) {
  using T = typename Out::Type;
  const auto first = x.template loadFrom<V>(element);
  const auto second = x.template loadFrom<V>(element + Rotary);
  float rotatedFirst[V], rotatedSecond[V];
  FTC_UNROLL
  for (int part = 0; part < V; part += lesser(V, 4)) {
    const auto c = loadReadOnlyVector<float, lesser(V, 4)>(cos + part);
    const auto s = loadReadOnlyVector<float, lesser(V, 4)>(sin + part);
    FTC_UNROLL
    for (int i = 0; i < lesser(V, 4); ++i) {
      const float a = toFloat(first[part + i]), b = toFloat(second[part + i]);
      const float sine = Transposed ? -s[i] : s[i];
      rotatedFirst[part + i] = a * c[i] - b * sine;
      rotatedSecond[part + i] = b * c[i] + a * sine;
    }
  }
  storeVector<T, V>(y.p + element, fromFloats<T, V>(rotatedFirst));
  storeVector<T, V>(y.p + element + Rotary, fromFloats<T, V>(rotatedSecond));
}

template <int Threads, int HeadDim, int Rotary, int Columns, bool Transposed, int V, typename In,
          typename Out>
FTC_DEVICE void ropeRow(long long row, const In &x, const Out &y, const float *cos,
                        const float *sin) {
  constexpr int PerHead = Rotary / V, Heads = Columns / HeadDim, Rest = HeadDim - 2 * Rotary;
  FTC_UNROLL
  for (int index = threadIdx.x; index < Heads * PerHead; index += Threads) {
    const int i = index % PerHead * V;
    rotate<V, Rotary, Transposed>(x, y, row * Columns + index / PerHead * HeadDim + i, cos + i,
                                  sin + i);
  }
  if constexpr (Rest > 0 && !In::isWritten) {
    FTC_ROLLED
    for (int index = threadIdx.x; index < Heads * Rest; index += Threads) {
      const long long element = row * Columns + index / Rest * HeadDim + 2 * Rotary + index % Rest;
      store(y.p + element, fromFloat<typename Out::Type>(x.loadScalar(element)));
    }
  }
}

template <int Threads, int HeadDim, int Rotary, int Columns, bool Transposed, typename In,
          typename Out>
FTC_DEVICE void ropeAny(long long row, long long rows, const In &x, const Out &y, const float *cos,
                        const float *sin, const int *positions) {
  static_assert(Columns % HeadDim == 0 && 2 * Rotary <= HeadDim, "whole heads of enough columns");
  constexpr int Size = greater(int(sizeof(typename In::Type)), int(sizeof(typename Out::Type)));
  constexpr int V = commonDivisor(commonDivisor(Rotary, HeadDim), 16 / Size);
  if (row >= rows)
    return;
  const long long angles = (long long)load(positions + row) * Rotary;
  cos += angles;
  sin += angles;
  const int table = lesser(V, 4) * int(sizeof(float));
  if (isAligned(x.p, V * int(sizeof(typename In::Type))) &&
      isAligned(y.p, V * int(sizeof(typename Out::Type))) && isAligned(cos, table) &&
      isAligned(sin, table))
    ropeRow<Threads, HeadDim, Rotary, Columns, Transposed, V>(row, x, y, cos, sin);
  else
    ropeRow<Threads, HeadDim, Rotary, Columns, Transposed, 1>(row, x, y, cos, sin);
}

} // namespace detail

/// Rotates one row per block: `rows` rows of Columns / HeadDim heads; cos and sin are tables of
/// Rotary columns, `positions` says their row. Transposed turns backwards. Columns behind 2 *
/// Rotary of a head pass through.
template <int Threads, int HeadDim, int Rotary, int Columns, bool Transposed, typename T,
          typename Out>
FTC_DEVICE void rope(long long block, long long rows, Arg<Access::Read, Indexing::Element, T> x,
                     Arg<Access::Write, Indexing::Element, Out> y, const float *cos,
                     const float *sin, const int *positions) {
  detail::ropeAny<Threads, HeadDim, Rotary, Columns, Transposed>(block, rows, x, y, cos, sin,
                                                                 positions);
}
template <int Threads, int HeadDim, int Rotary, int Columns, bool Transposed, typename T>
FTC_DEVICE void rope(long long block, long long rows, Arg<Access::Update, Indexing::Element, T> x,
                     const float *cos, const float *sin, const int *positions) {
  detail::ropeAny<Threads, HeadDim, Rotary, Columns, Transposed>(block, rows, x, x, cos, sin,
                                                                 positions);
}

} // namespace ftc

#endif // FTC_KERNELS_CUDA_ROPE_H
