//===- CUDA.h - launches to CUDA C++ ----------------------------*- C++ -*-===//
// What the CUDA target prints from a planned launch module.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TARGET_CUDA_CUDA_H
#define FTC_TARGET_CUDA_CUDA_H

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ftc::cuda {

/// What printKernels leaves on each launch.kernel with code; blocks of a launch = its grid divided
/// by `items`, rounded up.
inline constexpr llvm::StringLiteral kThreadsAttr = "cuda.threads";          // i64, of a block
inline constexpr llvm::StringLiteral kItemsAttr = "cuda.items";              // i64, of the grid
inline constexpr llvm::StringLiteral kSharedBytesAttr = "cuda.shared_bytes"; // i64, dynamic

/// Bytes of workspace that a package's products may use (cuBLASLt; facts for sm_90 and newer).
inline constexpr int64_t kProductWorkspace = 32 << 20;

struct SourceFile {
  std::string name; ///< as it is included, with `/`
  std::string text;
};

/// The architectures that we name: `sm_80`, `sm_90`, ...
std::vector<std::string> gpuArchitectures();

/// The kernels of a planned module: kernels.cu, then the headers that it includes. Freestanding
/// device code: nvcc and NVRTC take it with no include path but these files. Sets the attributes
/// above. The text is the same for every architecture, run and machine. Errors are diagnostics, on
/// the kernel where one is to blame; then no attribute has been set.
mlir::FailureOr<std::vector<SourceFile>> printKernels(mlir::ModuleOp module);

/// The rest of a directory that needs nothing else of ours: step.h (the C interface), step.cu, the
/// host layer, CMakeLists.txt, README.md. The kernels must have been printed.
mlir::FailureOr<std::vector<SourceFile>> printStep(mlir::ModuleOp module);

/// A cubin, or why there is none.
struct Cubin {
  std::string arch;
  std::vector<char> code;
};

/// The nvcc on PATH, of CUDA_HOME or in /usr/local/cuda; empty where there is none.
std::string findNvcc();

/// Compiles the sources for `arch`. The error is the compiler's first line.
mlir::FailureOr<Cubin> compileCubin(const std::string &nvcc, const std::string &arch,
                                    const std::vector<SourceFile> &sources, std::string &error);

} // namespace ftc::cuda

#endif
