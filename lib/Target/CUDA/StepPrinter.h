//===- StepPrinter.h - entry points as host code ----------------*- C++ -*-===//
// step.cu, and what step.h says of its kernels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TARGET_CUDA_STEPPRINTER_H
#define FTC_LIB_TARGET_CUDA_STEPPRINTER_H

#include "dialects/Launch/IR/Launch.h"

#include <string>
#include <vector>

namespace ftc::cuda {

/// A kernel that can be launched by name, from C.
struct KernelSignature {
  std::string name;
  std::string parameters; ///< "const void *a0, void *a1, long long grid, void *stream"
  std::string arguments;  ///< of the kernel, cast to its types: "static_cast<float *>(a0), "
  int64_t threads = 0, items = 1, sharedBytes = 0;
};
std::vector<KernelSignature> kernelSignatures(mlir::ModuleOp module);

/// The text of step.cu; the kernels must have been printed.
mlir::FailureOr<std::string> printStepSource(mlir::ModuleOp module);

} // namespace ftc::cuda

#endif
