//===- Passes.td - debugging passes of the CUDA target --------*- tablegen -*-===//
// What ft-opt shows of the CUDA target.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_TARGET_CUDA_PASSES_TD
#define FTC_TARGET_CUDA_PASSES_TD

include "mlir/Pass/PassBase.td"

def PrintKernels : Pass<"launch-print-cuda-kernels", "::mlir::ModuleOp"> {
  let summary = "Print the kernels of a launch module as CUDA C++ on standard output";
  let description = [{
    For debugging: prints what `ftc compile --target=cuda --emit=cuda` writes to kernels.cu, and leaves
    each kernel's launch shape on it (`cuda.threads`, `cuda.items`, `cuda.shared_bytes`). A kernel
    whose arguments or params are not its family's is an error, as is one with an op in a scalar
    region that has no form in C++.
  }];
}

#endif
