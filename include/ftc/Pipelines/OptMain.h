//===- OptMain.h - ft-opt as a function -------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PIPELINES_OPTMAIN_H
#define FTC_PIPELINES_OPTMAIN_H

#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace ftc {

/// MLIR's pass driver with our dialects and passes, and with --validate-passes: runs each module in
/// the interpreter around each pass, whatever way the passes come. A finding is one error, no
/// output and exit status 1. A program may register passes of its own first, and dialects in
/// `extend`. Returns the exit status.
int optMain(int argc, char **argv,
            llvm::function_ref<void(mlir::DialectRegistry &)> extend = nullptr);

} // namespace ftc

#endif
