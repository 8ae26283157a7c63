//===- Changes.h - forward steps that no config asks for --------*- C++ -*-===//
// What changes a small Llama's forward step, so that ops which no model family has yet go through
// all passes and both targets.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_PIPELINES_CHANGES_H
#define FTC_TEST_UNIT_PIPELINES_CHANGES_H

#include "mlir/IR/BuiltinOps.h"

namespace ftc::test {

/// Changes `module`, a forward step, as `change` says, a list of words:
///   relu    feed-forward networks are down(relu(up(x))), without a gate;
///   sliced  of the weights of up_proj the last rows are trained, of those of down_proj the last
///           columns, and the others are frozen: each is an ft.concat.
/// An unknown word is a failure of the test.
void changeForward(mlir::ModuleOp module, llvm::StringRef change);

} // namespace ftc::test

#endif
