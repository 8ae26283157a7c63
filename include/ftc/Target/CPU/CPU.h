//===- CPU.h - kernels to a native shared object ----------------*- C++ -*-===//
// What the CPU target does with the kernels of a launch module.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TARGET_CPU_CPU_H
#define FTC_TARGET_CPU_CPU_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace ftc::cpu {

/// What compileKernels leaves on each launch.kernel with code.
inline constexpr llvm::StringLiteral kSymbolAttr = "cpu.symbol";              // string
inline constexpr llvm::StringLiteral kScratchBytesAttr = "cpu.scratch_bytes"; // i64
inline constexpr llvm::StringLiteral kGrainAttr = "cpu.grain";                // i64, in items

/// What a thread's share of a launch must cost at least, in nanoseconds, by the estimate behind
/// `cpu.grain`. Two threads gain where a launch costs about twice this.
inline constexpr double kGrainNanoseconds = 1000;

struct CpuOptions {
  /// An x86-64 processor name of LLVM's with AVX2, FMA and F16C. Never the host's features: the
  /// same input gives the same bytes on every machine.
  std::string arch = "x86-64-v3";
};

struct CompiledKernels {
  /// An ELF shared object that imports nothing; exports an `ftc_cpu_kernel` (Package/CpuAbi.h) per
  /// kernel with code.
  std::vector<char> image;
};

/// Compiles every launch.kernel of `module` (family gemm has no code) into one shared object and
/// sets the attributes above. A kernel's results are the same bits for every cut of its grid and
/// on every `arch`. Errors are diagnostics, on the kernel where one is to blame; then no attribute
/// has been set. Loads dialects into the context, so it must not run inside a pass. One call links
/// at a time, the others wait.
mlir::FailureOr<CompiledKernels> compileKernels(mlir::ModuleOp module,
                                                const CpuOptions &options = {});

/// The kernels of `module` as functions of func, scf, memref, vector, arith and math, before
/// functions of math are expanded; null after an error. For debugging and for tests.
mlir::OwningOpRef<mlir::ModuleOp> lowerToLoops(mlir::ModuleOp module,
                                               const CpuOptions &options = {});

} // namespace ftc::cpu

#endif
