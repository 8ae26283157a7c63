//===- Bf16Kernels.cpp - attention kernels in bf16, for tests -------------===//
// Those that are plain by their head size or tiles.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Kernels.h"

using namespace ftc::testing;
using ftc::bf16;

std::vector<AttentionKernels> ftc::testing::bf16Kernels() {
  return {
      KernelsOf<bf16, 2, 2, 4, 8, 32, 50>::row("bf16_dim4"),
      KernelsOf<bf16, 4, 2, 8, 16, 32, 70>::row("bf16_dim8"),
      KernelsOf<bf16, 3, 1, 24, 32, 16, 70>::row("bf16_dim24"),
      KernelsOf<bf16, 2, 1, 136, 16, 16, 35>::row("bf16_dim136"),
  };
}
