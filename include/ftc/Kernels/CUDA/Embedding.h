//===- Embedding.h - rows of a table, and their gradient --------*- C++ -*-===//
// The families embedding, scatter and embedding_grad.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_EMBEDDING_H
#define FTC_KERNELS_CUDA_EMBEDDING_H

#include "ftc/Kernels/CUDA/Arguments.h"

namespace ftc {
namespace detail {

template <int Threads, int Columns, int V, typename From, typename To>
FTC_DEVICE void copyRow(const From *from, To *to) {
  FTC_UNROLL
  for (int column = int(threadIdx.x) * V; column < Columns; column += Threads * V) {
    const Vector<From, V> numbers = loadReadOnlyVector<From, V>(from + column);
    float values[V];
    FTC_UNROLL
    for (int i = 0; i < V; ++i)
      values[i] = toFloat(numbers[i]);
    storeVector<To, V>(to + column, fromFloats<To, V>(values));
  }
}

} // namespace detail

/// out[row] = table[ids[row]], one row per block. `ids` lie in the table.
template <int Threads, int Columns, typename From, typename To>
FTC_DEVICE void embedding(long long block, long long rows, const int *ids, const From *table,
                          To *out) {
  constexpr int V =
      detail::commonDivisor(Columns, 16 / detail::greater(int(sizeof(From)), int(sizeof(To))));
  if (block >= rows)
    return;
  const From *from = table + (long long)load(ids + block) * Columns;
  To *to = out + block * Columns;
  if (isAligned(table, V * int(sizeof(From))) && isAligned(out, V * int(sizeof(To))))
    detail::copyRow<Threads, Columns, V>(from, to);
  else
    detail::copyRow<Threads, Columns, 1>(from, to);
}

/// out[targets[row]] = values[row], one row per block. `targets` are distinct rows of out.
template <int Threads, int Columns, typename From, typename To>
FTC_DEVICE void scatter(long long block, long long rows, const int *targets, const From *values,
                        To *out) {
  constexpr int V =
      detail::commonDivisor(Columns, 16 / detail::greater(int(sizeof(From)), int(sizeof(To))));
  if (block >= rows)
    return;
  const From *from = values + block * Columns;
  To *to = out + (long long)load(targets + block) * Columns;
  if (isAligned(values, V * int(sizeof(From))) && isAligned(out, V * int(sizeof(To))))
    detail::copyRow<Threads, Columns, V>(from, to);
  else
    detail::copyRow<Threads, Columns, 1>(from, to);
}

/// Columns that a block of embeddingGrad does.
FTC_CONSTEXPR int embeddingGradItems(int threads) { return threads; }

namespace detail {

/// The ids of Count tokens, and their gradients of one column.
template <int Count, int Columns, typename From> struct TokenGradients {
  int id[Count];
  float value[Count];

  FTC_DEVICE void load(const int *ids, const From *grad, int first) {
    FTC_UNROLL
    for (int t = 0; t < Count; ++t) {
      id[t] = loadReadOnlyVector<int, 1>(ids + first + t)[0];
      value[t] = toFloat(loadReadOnlyVector<From, 1>(grad + (long long)(first + t) * Columns)[0]);
    }
  }

  /// out[id[t]] += value[t], in order. The old values are loaded together; a token whose id came
  /// before goes on from that sum.
  FTC_DEVICE void addTo(float *out) const {
    float sum[Count];
    FTC_UNROLL
    for (int t = 0; t < Count; ++t)
      sum[t] = ftc::load(out + (long long)id[t] * Columns);
    FTC_UNROLL
    for (int t = 0; t < Count; ++t) {
      FTC_UNROLL
      for (int before = 0; before < t; ++before)
        sum[t] = id[before] == id[t] ? sum[before] : sum[t];
      sum[t] += value[t];
    }
    FTC_UNROLL
    for (int t = 0; t < Count; ++t)
      store(out + (long long)id[t] * Columns, sum[t]);
  }
};

} // namespace detail

/// out[ids[t]] += grad[t] over Tokens tokens in order, from zero on unless Accumulate. `block` does
/// Threads columns, a thread one, so that nobody else writes it.
template <int Threads, int Tokens, int Columns, int Vocabulary, bool Accumulate, typename From>
FTC_DEVICE void embeddingGrad(long long block, const int *ids, const From *grad, float *out) {
  constexpr int Batch = 8, WholeBatches = Tokens / Batch * Batch;
  const long long column = block * Threads + threadIdx.x;
  if (column >= Columns)
    return;
  out += column;
  grad += column;
  if constexpr (!Accumulate) {
    for (long long row = 0; row < Vocabulary; ++row)
      store(out + row * Columns, 0.0f);
  }
  if constexpr (WholeBatches > 0) {
    detail::TokenGradients<Batch, Columns, From> tokens, next;
    tokens.load(ids, grad, 0);
    FTC_ROLLED
    for (int t = Batch; t < WholeBatches; t += Batch) {
      next.load(ids, grad, t); // on its way while the sums wait for memory
      tokens.addTo(out);
      tokens = next;
    }
    tokens.addTo(out);
  }
  FTC_ROLLED
  for (int t = WholeBatches; t < Tokens; ++t) {
    detail::TokenGradients<1, Columns, From> token;
    token.load(ids, grad, t);
    token.addTo(out);
  }
}

} // namespace ftc

#endif // FTC_KERNELS_CUDA_EMBEDDING_H
