//===- AttentionShape.h - tiles of the CUDA attention kernels ---*- C++ -*-===//
// Which tiles each attention family gets; threads and shared memory follow from them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TARGET_CUDA_ATTENTIONSHAPE_H
#define FTC_LIB_TARGET_CUDA_ATTENTIONSHAPE_H

#include "ftc/Kernels/CUDA/AttentionShape.h"

namespace ftc::cuda {
/// Dynamic shared memory that a block may have on every GPU we name: 99 KiB (sm_86, 89 and 120 have
/// no more).
constexpr long long sharedBytesEverywhere = 99LL * 1024;

/// The shape for a family and a head size. Where even the smallest tiles need more shared memory
/// than sharedBytesEverywhere (heads of thousands of elements), `isValid` or that bound fails, and
/// there is no kernel.
///
/// `mma`: 64 own rows (4 warps) and 64 visited ones; half of these in the gradients of large heads,
/// where the accumulators fill the registers. `plain`: as many rows as fit, 32 x 32 up to heads of
/// 128.
constexpr AttentionShape chooseAttentionShape(AttentionFamily family, bool isBf16, int headDim) {
  const bool isForward = family == AttentionFamily::forward;
  const bool ownsKeys = family == AttentionFamily::gradKeyValue;
  auto shapeOf = [=](int own, int visited) {
    return AttentionShape{family, isBf16, headDim, ownsKeys ? visited : own,
                          ownsKeys ? own : visited};
  };
  if (shapeOf(64, 32).isMma())
    return shapeOf(64, isForward || headDim <= 64 ? 64 : 32);
  int own = 32, visited = 32;
  while (own > 8 && shapeOf(own, visited).sharedBytes() > sharedBytesEverywhere)
    own /= 2;
  while (visited > 4 && shapeOf(own, visited).sharedBytes() > sharedBytesEverywhere)
    visited /= 2;
  while (own > 1 && shapeOf(own, visited).sharedBytes() > sharedBytesEverywhere)
    own /= 2;
  return shapeOf(own, visited);
}
} // namespace ftc::cuda

#endif // FTC_LIB_TARGET_CUDA_ATTENTIONSHAPE_H
