//===- Passes.h - the tutorial's pass ---------------------------*- C++ -*-===//
// Declarations generated from Passes.td.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_TUTORIAL_ADD_A_PASS_PASSES_H
#define FTC_TEST_TUTORIAL_ADD_A_PASS_PASSES_H

#include "dialects/FT/IR/FT.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace tutorial {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "test/tutorial/TutorialPasses.h.inc"
} // namespace tutorial

#endif
