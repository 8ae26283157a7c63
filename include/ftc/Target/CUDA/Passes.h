//===- Passes.h - debugging passes of the CUDA target -----------*- C++ -*-===//
// Declarations generated from Passes.td.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TARGET_CUDA_PASSES_H
#define FTC_TARGET_CUDA_PASSES_H

#include "mlir/Pass/Pass.h"

namespace ftc::cuda {

#define GEN_PASS_DECL
#include "ftc/Target/CUDA/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "ftc/Target/CUDA/Passes.h.inc"

} // namespace ftc::cuda

#endif
