//===- Parts.h - parts of matrices, and their signs -------------*- C++ -*-===//
// The families columns, sign_bits and masked.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_PARTS_H
#define FTC_KERNELS_CUDA_PARTS_H

#include "ftc/Kernels/CUDA/Arguments.h"

namespace ftc {
namespace detail {

/// Count columns of rows InPitch and OutPitch numbers apart.
template <int Threads, int RowsPerBlock, int Count, int InPitch, int OutPitch, int V, typename From,
          typename To>
FTC_DEVICE void copyColumns(long long first, long long rows, const From *in, To *out) {
  constexpr int PerRow = Count / V;
  FTC_ROLLED
  for (int index = threadIdx.x; index < RowsPerBlock * PerRow; index += Threads) {
    const long long row = first + index / PerRow;
    const int column = index % PerRow * V;
    if (row >= rows)
      return;
    const Vector<From, V> numbers = loadReadOnlyVector<From, V>(in + row * InPitch + column);
    float values[V];
    FTC_UNROLL
    for (int i = 0; i < V; ++i)
      values[i] = toFloat(numbers[i]);
    storeVector<To, V>(out + row * OutPitch + column, fromFloats<To, V>(values));
  }
}

} // namespace detail

/// out[row, OutFirst + j] = in[row, InFirst + j] for j < Count; `block` does RowsPerBlock rows.
template <int Threads, int RowsPerBlock, int Count, int InFirst, int InPitch, int OutFirst,
          int OutPitch, typename From, typename To>
FTC_DEVICE void columns(long long block, long long rows, const From *in, To *out) {
  constexpr int FromSize = sizeof(From), ToSize = sizeof(To);
  constexpr int V =
      detail::commonDivisor(detail::commonDivisor(detail::commonDivisor(InFirst, OutFirst),
                                                  detail::commonDivisor(InPitch, OutPitch)),
                            detail::commonDivisor(Count, 16 / detail::greater(FromSize, ToSize)));
  const long long first = block * RowsPerBlock;
  if (isAligned(in, V * FromSize) && isAligned(out, V * ToSize))
    detail::copyColumns<Threads, RowsPerBlock, Count, InPitch, OutPitch, V>(
        first, rows, in + InFirst, out + OutFirst);
  else
    detail::copyColumns<Threads, RowsPerBlock, Count, InPitch, OutPitch, 1>(
        first, rows, in + InFirst, out + OutFirst);
}

/// Columns of a word of bits.
constexpr int columnsOfWord = 32;

namespace detail {

/// The signs of 32 columns, or of as many as are left, V at a time.
template <int V, typename T> FTC_DEVICE unsigned signsOf(const T *x, int columns) {
  unsigned bits = 0;
  FTC_ROLLED
  for (int column = 0; column < columns; column += V) {
    const Vector<T, V> numbers = loadReadOnlyVector<T, V>(x + column);
    FTC_UNROLL
    for (int i = 0; i < V; ++i)
      bits |= unsigned(toFloat(numbers[i]) > 0.0f) << (column + i);
  }
  return bits;
}

} // namespace detail

/// Bit c mod 32 of word c / 32 of a row says whether its element c is above 0. A thread makes a
/// word; `block` does RowsPerBlock rows.
template <int Threads, int RowsPerBlock, int Columns, typename T>
FTC_DEVICE void signBits(long long block, long long rows, const T *x, int *bits) {
  constexpr int Words = detail::divideUp(Columns, columnsOfWord), Size = sizeof(T);
  constexpr int V = detail::commonDivisor(Columns, 16 / Size);
  const bool aligned = isAligned(x, V * Size);
  FTC_ROLLED
  for (int index = threadIdx.x; index < RowsPerBlock * Words; index += Threads) {
    const long long row = block * RowsPerBlock + index / Words;
    const int word = index % Words, column = word * columnsOfWord;
    if (row >= rows)
      return;
    const T *from = x + row * Columns + column;
    const int columns = detail::lesser(columnsOfWord, Columns - column);
    const unsigned signs =
        aligned ? detail::signsOf<V>(from, columns) : detail::signsOf<1>(from, columns);
    store(bits + row * Words + word, int(signs));
  }
}

namespace detail {

/// V columns at a time: they lie in one word, since V is a power of two.
template <int Threads, int RowsPerBlock, int Columns, int V, typename In, typename Out>
FTC_DEVICE void maskRows(long long block, long long rows, const In &x, const int *bits,
                         const Out &y) {
  constexpr int Words = divideUp(Columns, columnsOfWord), PerRow = Columns / V;
  FTC_ROLLED
  for (int index = threadIdx.x; index < RowsPerBlock * PerRow; index += Threads) {
    const long long row = block * RowsPerBlock + index / PerRow;
    const int column = index % PerRow * V;
    if (row >= rows)
      return;
    const int *word = bits + row * Words + column / columnsOfWord;
    const unsigned mask = unsigned(loadReadOnlyVector<int, 1>(word)[0]) >> column % columnsOfWord;
    const auto numbers = x.template loadFrom<V>(row * Columns + column);
    float values[V];
    FTC_UNROLL
    for (int i = 0; i < V; ++i)
      values[i] = mask >> i & 1 ? toFloat(numbers[i]) : 0.0f;
    storeVector<typename Out::Type, V>(y.p + row * Columns + column,
                                       fromFloats<typename Out::Type, V>(values));
  }
}

template <int Threads, int RowsPerBlock, int Columns, typename In, typename Out>
FTC_DEVICE void mask(long long block, long long rows, const In &x, const int *bits, const Out &y) {
  constexpr int InSize = sizeof(typename In::Type), OutSize = sizeof(typename Out::Type);
  constexpr int V = commonDivisor(Columns, 16 / greater(InSize, OutSize));
  if (isAligned(x.p, V * InSize) && isAligned(y.p, V * OutSize))
    maskRows<Threads, RowsPerBlock, Columns, V>(block, rows, x, bits, y);
  else
    maskRows<Threads, RowsPerBlock, Columns, 1>(block, rows, x, bits, y);
}

} // namespace detail

/// y = x where its bit is set, as signBits has packed them, and 0 elsewhere; `block` does
/// RowsPerBlock rows.
template <int Threads, int RowsPerBlock, int Columns, typename T, typename Out>
FTC_DEVICE void masked(long long block, long long rows, Arg<Access::Read, Indexing::Element, T> x,
                       const int *bits, Arg<Access::Write, Indexing::Element, Out> y) {
  detail::mask<Threads, RowsPerBlock, Columns>(block, rows, x, bits, y);
}
/// The same in place.
template <int Threads, int RowsPerBlock, int Columns, typename T>
FTC_DEVICE void masked(long long block, long long rows, Arg<Access::Update, Indexing::Element, T> x,
                       const int *bits) {
  detail::mask<Threads, RowsPerBlock, Columns>(block, rows, x, bits, x);
}

} // namespace ftc

#endif // FTC_KERNELS_CUDA_PARTS_H
