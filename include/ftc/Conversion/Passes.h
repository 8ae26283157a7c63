//===- Passes.h - ft to launch, and the memory plan -------------*- C++ -*-===//
// Declarations generated from Passes.td.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_CONVERSION_PASSES_H
#define FTC_CONVERSION_PASSES_H

#include "dialects/FT/IR/FT.h"
#include "dialects/Launch/IR/Launch.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace ftc {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "ftc/Conversion/Passes.h.inc"
} // namespace ftc

#endif
