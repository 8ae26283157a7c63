//===- Kernels.h - attention kernels of one size, for tests -----*- C++ -*-===//
// Launchers of all attention families for given template arguments.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_ATTENTION_KERNELS_H
#define FTC_TEST_CUDA_ATTENTION_KERNELS_H

#include "CudaOnCpu.h"

#include "ftc/Kernels/CUDA/Attention.h"
#include "ftc/Kernels/CUDA/AttentionGrad.h"

#include <ostream>
#include <vector>

namespace ftc::testing {
/// Device memory of one attention; elements are of the kernels' type.
struct AttentionBuffers {
  const void *q, *k, *v, *grad;
  const int *begins, *ends;
  void *out, *dq, *dk, *dv;
  float *lse, *delta;
};

/// The kernels of one size. Launchers return 0 or an error number.
struct AttentionKernels {
  const char *name;
  bool isBf16, isMma; // isMma: all of them
  int tokens, heads, keyHeads, headDim;
  int (*forward)(const AttentionBuffers &, float scale);
  int (*delta)(const AttentionBuffers &);
  int (*gradQuery)(const AttentionBuffers &, float scale);
  int (*gradKeyValue)(const AttentionBuffers &, float scale);
  int (*gradKey)(const AttentionBuffers &, float scale);
  int (*gradValue)(const AttentionBuffers &, float scale);
};

/// How GoogleTest names a parameter.
inline void PrintTo(const AttentionKernels &kernels, std::ostream *stream) {
  *stream << kernels.name;
}

std::vector<AttentionKernels> floatKernels();
std::vector<AttentionKernels> bf16Kernels();

/// Launches a kernel that has no FTC_KERNEL, since it is a template's.
template <auto Function, typename... Arguments>
int launchFunction(long long blocks, int threads, long long sharedBytes, Arguments... arguments) {
  static const ftc_on_cpu::Kernel kernel = {
      "attention",
      [](void **values) { ftc_on_cpu::call(Function, values); },
      static_cast<unsigned>(threads),
      ftc_on_cpu::countArguments(Function),
      __FILE__,
      __LINE__};
  return ftc_on_cpu::launchTyped(kernel, Function, static_cast<unsigned>(blocks),
                                 static_cast<unsigned>(threads), static_cast<size_t>(sharedBytes),
                                 arguments...);
}

template <typename T, int Heads, int KvHeads, int HeadDim, int QueryTile, int KeyTile, int Tokens>
struct KernelsOf {
  static constexpr AttentionShape shape(AttentionFamily family) {
    return {family, IsBf16<T>::value, HeadDim, QueryTile, KeyTile};
  }
  static constexpr long long queryBlocks = (Tokens + QueryTile - 1LL) / QueryTile * Heads;
  static constexpr long long keyBlocks = (Tokens + KeyTile - 1LL) / KeyTile * KvHeads;
  static const T *in(const void *data) { return static_cast<const T *>(data); }
  static T *to(void *data) { return static_cast<T *>(data); }

  static void forwardKernel(const T *q, const T *k, const T *v, const int *begins, T *out,
                            float *lse, float scale) {
    attention<T, Heads, KvHeads, HeadDim, QueryTile, KeyTile, Tokens>(blockIdx.x, scale, q, k, v,
                                                                      begins, out, lse);
  }
  static int forward(const AttentionBuffers &b, float scale) {
    constexpr AttentionShape s = shape(AttentionFamily::forward);
    return launchFunction<&forwardKernel>(queryBlocks, s.threads(), s.sharedBytes(), in(b.q),
                                          in(b.k), in(b.v), b.begins, to(b.out), b.lse, scale);
  }

  static void deltaKernel(const T *out, const T *grad, float *delta) {
    attentionDelta<T, Heads, HeadDim>(blockIdx.x, Tokens, out, grad, delta);
  }
  static int delta(const AttentionBuffers &b) {
    constexpr AttentionDeltaShape s{IsBf16<T>::value, Heads, HeadDim};
    return launchFunction<&deltaKernel>((Tokens + s.rows() - 1) / s.rows(), s.threads(), 0LL,
                                        in(b.out), in(b.grad), b.delta);
  }

  static void gradQueryKernel(const T *q, const T *k, const T *v, const T *grad, const float *lse,
                              const float *delta, const int *begins, T *dq, float scale) {
    attentionGradQuery<T, Heads, KvHeads, HeadDim, QueryTile, KeyTile, Tokens>(
        blockIdx.x, scale, q, k, v, grad, lse, delta, begins, dq);
  }
  static int gradQuery(const AttentionBuffers &b, float scale) {
    constexpr AttentionShape s = shape(AttentionFamily::gradQuery);
    return launchFunction<&gradQueryKernel>(queryBlocks, s.threads(), s.sharedBytes(), in(b.q),
                                            in(b.k), in(b.v), in(b.grad), b.lse, b.delta, b.begins,
                                            to(b.dq), scale);
  }

  template <bool HasKey, bool HasValue, typename... Gradients>
  static void gradKeyValueKernel(const T *q, const T *k, const T *v, const T *grad,
                                 const float *lse, const float *delta, const int *begins,
                                 const int *ends, float scale, Gradients... gradients) {
    attentionGradKeyValue<T, Heads, KvHeads, HeadDim, QueryTile, KeyTile, Tokens, HasKey, HasValue>(
        blockIdx.x, scale, q, k, v, grad, lse, delta, begins, ends, gradients...);
  }
  template <bool HasKey, bool HasValue, typename... Gradients>
  static int launchGradKeyValue(const AttentionBuffers &b, float scale, Gradients... gradients) {
    constexpr AttentionShape s = shape(AttentionFamily::gradKeyValue);
    return launchFunction<&gradKeyValueKernel<HasKey, HasValue, Gradients...>>(
        keyBlocks, s.threads(), s.sharedBytes(), in(b.q), in(b.k), in(b.v), in(b.grad), b.lse,
        b.delta, b.begins, b.ends, scale, gradients...);
  }
  static int gradKeyValue(const AttentionBuffers &b, float scale) {
    return launchGradKeyValue<true, true>(b, scale, to(b.dk), to(b.dv));
  }
  static int gradKey(const AttentionBuffers &b, float scale) {
    return launchGradKeyValue<true, false>(b, scale, to(b.dk));
  }
  static int gradValue(const AttentionBuffers &b, float scale) {
    return launchGradKeyValue<false, true>(b, scale, to(b.dv));
  }

  static constexpr bool isMma() {
    return shape(AttentionFamily::forward).isMma() && shape(AttentionFamily::gradQuery).isMma() &&
           shape(AttentionFamily::gradKeyValue).isMma();
  }
  static AttentionKernels row(const char *name) {
    return {name,     IsBf16<T>::value, isMma(),    Tokens,        Heads,    KvHeads,   HeadDim,
            &forward, &delta,           &gradQuery, &gradKeyValue, &gradKey, &gradValue};
  }
};
} // namespace ftc::testing

#endif // FTC_TEST_CUDA_ATTENTION_KERNELS_H
