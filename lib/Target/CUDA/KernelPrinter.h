//===- KernelPrinter.h - one kernel as CUDA C++ -----------------*- C++ -*-===//
// A family's template, instantiated with the kernel's sizes and scalar regions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TARGET_CUDA_KERNELPRINTER_H
#define FTC_LIB_TARGET_CUDA_KERNELPRINTER_H

#include "dialects/Launch/IR/Launch.h"

#include <string>

namespace ftc::cuda {

/// A kernel as it is printed: how it is launched, which header it needs, its text.
struct PrintedKernel {
  int64_t threads = 256;   ///< of a block
  int64_t items = 1;       ///< of the grid that a block does
  int64_t sharedBytes = 0; ///< dynamic shared memory of a block
  std::string header;      ///< of include/ftc/Kernels/CUDA, without its folder
  std::string text;
};

/// Prints a kernel of any family but gemm. `batched`: under NAME_batched, with the groups of a
/// batch in device memory (ftc::BatchItem). `comment`: lines in front of it. What the templates do
/// not take (sizes, types) is an error on the kernel.
mlir::FailureOr<PrintedKernel> printKernel(launch::KernelOp kernel, bool batched,
                                           llvm::StringRef comment);

/// The name under which a launch's kernel is printed.
std::string printedName(launch::KernelOp kernel, bool batched);

/// "float", "ftc::bf16", "ftc::f16", "int".
std::string elementName(mlir::Type type);

} // namespace ftc::cuda

#endif
