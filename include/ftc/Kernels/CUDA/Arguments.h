//===- Arguments.h - arguments of kernels with scalar regions ---*- C++ -*-===//
// How an argument is accessed and indexed, and how a thread loads and stores V columns of all.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// The regions of a kernel are a struct of static functions over arrays of float, one number per
// argument that is read or written, in order. All indices are constants after inlining, so the
// arrays live in registers.
//
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_ARGUMENTS_H
#define FTC_KERNELS_CUDA_ARGUMENTS_H

#include "ftc/Kernels/CUDA/Device.h"

namespace ftc {

enum class Access { Read, Write, Update };
/// [row, column] or flat, [row], [column], [].
enum class Indexing { Element, Row, Column, Scalar };

namespace detail {
template <Access access, typename T> struct PointerOf {
  using Type = T *;
};
template <typename T> struct PointerOf<Access::Read, T> {
  using Type = const T *;
};
} // namespace detail

template <Access access, Indexing indexing, typename T> struct Arg {
  using Type = T;
  static constexpr bool isRead = access != Access::Write;
  static constexpr bool isWritten = access != Access::Read;
  static constexpr bool isElement = indexing == Indexing::Element;
  static constexpr bool isRow = indexing == Indexing::Row;
  /// Changes from column to column. A written column is the output of a sum, no scalar of a region.
  static constexpr bool isStreamed =
      isElement || (indexing == Indexing::Column && access == Access::Read);
  static constexpr bool isColumnOutput = indexing == Indexing::Column && access != Access::Read;

  typename detail::PointerOf<access, T>::Type p;

  FTC_DEVICE float loadScalar(long long index) const {
    if constexpr (access == Access::Read)
      return toFloat(loadReadOnlyVector<T, 1>(p + index)[0]);
    else
      return toFloat(load(p + index));
  }

  template <int N> FTC_DEVICE Vector<T, N> loadFrom(long long index) const {
    if constexpr (access == Access::Read)
      return loadReadOnlyVector<T, N>(p + index);
    else
      return loadVector<T, N>(p + index);
  }
};

template <typename T> FTC_DEVICE Arg<Access::Read, Indexing::Element, T> read(const T *p) {
  return {p};
}
template <typename T> FTC_DEVICE Arg<Access::Read, Indexing::Row, T> readRow(const T *p) {
  return {p};
}
template <typename T> FTC_DEVICE Arg<Access::Read, Indexing::Column, T> readColumn(const T *p) {
  return {p};
}
template <typename T> FTC_DEVICE Arg<Access::Read, Indexing::Scalar, T> readScalar(const T *p) {
  return {p};
}
template <typename T> FTC_DEVICE Arg<Access::Write, Indexing::Element, T> write(T *p) {
  return {p};
}
template <typename T> FTC_DEVICE Arg<Access::Write, Indexing::Row, T> writeRow(T *p) { return {p}; }
template <typename T> FTC_DEVICE Arg<Access::Write, Indexing::Column, T> writeColumn(T *p) {
  return {p};
}
template <typename T> FTC_DEVICE Arg<Access::Update, Indexing::Element, T> update(T *p) {
  return {p};
}
template <typename T> FTC_DEVICE Arg<Access::Update, Indexing::Row, T> updateRow(T *p) {
  return {p};
}
template <typename T> FTC_DEVICE Arg<Access::Update, Indexing::Column, T> updateColumn(T *p) {
  return {p};
}

namespace detail {

FTC_CONSTEXPR int greater(int a, int b) { return a > b ? a : b; }
FTC_CONSTEXPR int lesser(int a, int b) { return a < b ? a : b; }
FTC_CONSTEXPR int divideUp(int a, int b) { return (a + b - 1) / b; }
FTC_CONSTEXPR int commonDivisor(int a, int b) { return b == 0 ? a : commonDivisor(b, a % b); }

/// Columns that a thread accesses at once: as many as fit into 16 bytes, divide a row, and leave no
/// thread of `lanes` idle.
FTC_CONSTEXPR int columnsAtOnce(int columns, int largest, int lanes = 1) {
  int v = commonDivisor(columns, lesser(16 / largest, 8));
  while (v > 1 && lanes * (v / 2) >= columns)
    v /= 2;
  return v;
}

/// Sizes of arrays, of which C++ has none that are empty.
FTC_CONSTEXPR int atLeastOne(int n) { return greater(n, 1); }

//===----------------------------------------------------------------------===//
// All arguments of a kernel
//===----------------------------------------------------------------------===//

template <typename... Rest> struct Args {
  static constexpr int reads = 0, writes = 0, fixedReads = 0, largest = 1;
  static constexpr bool writesElements = false, writesRows = false, updatesRows = false;

  template <int V> static FTC_CONSTEXPR int registers() { return 0; }
  template <int V> FTC_DEVICE bool areAligned() const { return true; }
  template <int Next = 0> FTC_DEVICE void loadFixed(long long, float *) const {}
  template <int From = 0, int To = 0> static FTC_DEVICE void selectFixed(const float *, float *) {}
  template <int Next = 0> FTC_DEVICE void storeRow(long long, const float *) const {}
  template <int V, int Next = 0>
  FTC_DEVICE void storeElements(long long, const float (*)[V]) const {}
};

template <typename First, typename... Rest> struct Args<First, Rest...> {
  using Others = Args<Rest...>;
  using T = typename First::Type;
  static constexpr bool isFixed = First::isRead && !First::isStreamed && !First::isColumnOutput;

  /// Scalars of a region.
  static constexpr int reads = First::isRead + Others::reads;
  static constexpr int writes = First::isWritten + Others::writes;
  /// Those of them that are the same along a row.
  static constexpr int fixedReads = isFixed + Others::fixedReads;
  /// The largest number of the arguments by elements, in bytes. Those by columns are read by all
  /// rows, hence from the cache, and may take two accesses.
  static constexpr int largest = greater(First::isElement ? int(sizeof(T)) : 1, Others::largest);
  static constexpr bool writesElements =
      (First::isWritten && First::isElement) || Others::writesElements;
  static constexpr bool writesRows = (First::isWritten && First::isRow) || Others::writesRows;
  static constexpr bool updatesRows =
      (First::isWritten && First::isRead && First::isRow) || Others::updatesRows;

  First first;
  Others rest;

  FTC_DEVICE explicit Args(First first, Rest... rest) : first(first), rest(rest...) {}

  /// Registers for V columns of everything that is read.
  template <int V> static FTC_CONSTEXPR int registers() {
    constexpr int own = First::isRead && First::isStreamed ? divideUp(V * int(sizeof(T)), 4) : 0;
    return own + Others::template registers<V>();
  }

  /// Whether V columns of every argument can be one access, if the column is a multiple of V.
  template <int V> FTC_DEVICE bool areAligned() const {
    bool fits = !First::isStreamed || V == 1 || isAligned(first.p, lesser(V * int(sizeof(T)), 16));
    return fits && rest.template areAligned<V>();
  }

  /// Loads the numbers that are the same along a row to their places among the scalars.
  template <int Next = 0> FTC_DEVICE void loadFixed(long long row, float *in) const {
    if constexpr (isFixed)
      in[Next] = first.loadScalar(First::isRow ? row : 0);
    rest.template loadFixed<Next + First::isRead>(row, in);
  }

  /// The same numbers only, without gaps.
  template <int From = 0, int To = 0>
  static FTC_DEVICE void selectFixed(const float *in, float *fixed) {
    if constexpr (isFixed)
      fixed[To] = in[From];
    Others::template selectFixed<From + First::isRead, To + isFixed>(in, fixed);
  }

  /// Stores the values of written `row` arguments.
  template <int Next = 0> FTC_DEVICE void storeRow(long long row, const float *out) const {
    if constexpr (First::isWritten && First::isRow)
      store(first.p + row, fromFloat<T>(out[Next]));
    rest.template storeRow<Next + First::isWritten>(row, out);
  }

  /// Stores V values of every written element argument.
  template <int V, int Next = 0>
  FTC_DEVICE void storeElements(long long element, const float (*out)[V]) const {
    if constexpr (First::isWritten && First::isElement)
      storeVector<T, V>(first.p + element, fromFloats<T, V>(out[Next]));
    rest.template storeElements<V, Next + First::isWritten>(element, out);
  }
};

//===----------------------------------------------------------------------===//
// What a thread holds of V columns
//===----------------------------------------------------------------------===//

/// The numbers of one argument, in their storage type; nothing of those that are not streamed in.
template <typename Argument, int V, bool Held = Argument::isRead && Argument::isStreamed>
struct Cell {
  Vector<typename Argument::Type, V> numbers;

  FTC_DEVICE void load(const Argument &argument, long long element, int column) {
    numbers = argument.template loadFrom<V>(Argument::isElement ? element : column);
  }
  FTC_DEVICE void get(int i, float *in) const { *in = toFloat(numbers[i]); }
};
template <typename Argument, int V> struct Cell<Argument, V, false> {
  FTC_DEVICE void load(const Argument &, long long, int) {}
  FTC_DEVICE void get(int, float *) const {}
};

template <int V, typename List> struct Tile;

template <int V> struct Tile<V, Args<>> {
  FTC_DEVICE void load(const Args<> &, long long, int) {}
  template <int Next = 0> FTC_DEVICE void get(int, float *) const {}
};

template <int V, typename First, typename... Rest> struct Tile<V, Args<First, Rest...>> {
  Cell<First, V> cell;
  Tile<V, Args<Rest...>> rest;

  /// Loads V columns from `column` on; `element` is the place of the first among all elements.
  FTC_DEVICE void load(const Args<First, Rest...> &args, long long element, int column) {
    cell.load(args.first, element, column);
    rest.load(args.rest, element, column);
  }

  /// Puts the numbers of column i to their places among the scalars.
  template <int Next = 0> FTC_DEVICE void get(int i, float *in) const {
    cell.get(i, in + Next);
    rest.template get<Next + First::isRead>(i, in);
  }
};

} // namespace detail
} // namespace ftc

#endif // FTC_KERNELS_CUDA_ARGUMENTS_H
