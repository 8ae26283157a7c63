//===- KernelChecks.h - whether a kernel fits its family --------*- C++ -*-===//
// Checks of arguments that every target makes before it prints or lowers a kernel.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_DIALECTS_LAUNCH_IR_KERNELCHECKS_H
#define FTC_DIALECTS_LAUNCH_IR_KERNELCHECKS_H

#include "dialects/Launch/IR/Launch.h"

namespace ftc::launch {

/// Argument `index` has a type `<D0 x ... x element>` with contiguous columns; -1 in `shape` takes
/// any static size, ShapedType::kDynamic the grid. Element types as in "f32" or "float" (f32, bf16,
/// f16) or "i32".
mlir::LogicalResult expectArg(KernelOp kernel, unsigned index, llvm::StringRef what,
                              llvm::StringRef element, llvm::ArrayRef<int64_t> shape,
                              bool written = false);
/// The kernel has `count` arguments; `what` lists them.
mlir::LogicalResult expectArgs(KernelOp kernel, unsigned count, llvm::StringRef what);

} // namespace ftc::launch

#endif
