//===- Passes.h - passes over the ft dialect --------------------*- C++ -*-===//
// Declarations generated from Passes.td.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRANSFORMS_PASSES_H
#define FTC_TRANSFORMS_PASSES_H

#include "dialects/FT/IR/FT.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace ftc::ft {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "ftc/Transforms/Passes.h.inc"
} // namespace ftc::ft

#endif
