//===- Passes.h - debugging passes of the CPU target ------------*- C++ -*-===//
// Declarations generated from Passes.td.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TARGET_CPU_PASSES_H
#define FTC_TARGET_CPU_PASSES_H

#include "mlir/Pass/Pass.h"

namespace ftc::cpu {

#define GEN_PASS_DECL
#include "ftc/Target/CPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "ftc/Target/CPU/Passes.h.inc"

} // namespace ftc::cpu

#endif
