//===- Passes.cpp - debugging passes of the CUDA target -------------------===//
// launch-print-cuda-kernels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Target/CUDA/Passes.h"
#include "ftc/Target/CUDA/CUDA.h"

#include "llvm/Support/raw_ostream.h"

namespace ftc::cuda {
#define GEN_PASS_DEF_PRINTKERNELS
#include "ftc/Target/CUDA/Passes.h.inc"
} // namespace ftc::cuda

using namespace mlir;
using namespace ftc;

namespace {
struct PrintKernels : cuda::impl::PrintKernelsBase<PrintKernels> {
  void runOnOperation() override {
    FailureOr<std::vector<cuda::SourceFile>> files = cuda::printKernels(getOperation());
    if (failed(files))
      return signalPassFailure();
    llvm::outs() << files->front().text;
  }
};
} // namespace
