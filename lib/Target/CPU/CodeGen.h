//===- CodeGen.h - from loops to a shared object ----------------*- C++ -*-===//
// The steps of compileKernels after the loops.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TARGET_CPU_CODEGEN_H
#define FTC_LIB_TARGET_CPU_CODEGEN_H

#include "KernelBuilder.h"

#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>
#include <vector>

namespace ftc::cpu {

/// A target machine for x86-64 Linux and exactly the features of `arch`; null with a diagnostic on
/// `module` where LLVM knows no such processor or it lacks what kernels use.
std::unique_ptr<llvm::TargetMachine> createTargetMachine(mlir::ModuleOp module,
                                                         llvm::StringRef arch);
/// Floats in a vector of the processor.
int64_t getNativeLanes(const llvm::TargetMachine &machine);

void loadDialects(mlir::MLIRContext &context);

/// Kernels with code as functions in `loops`, in the order of `module`.
mlir::FailureOr<std::vector<LoweredKernel>> lowerKernels(mlir::ModuleOp module,
                                                         mlir::ModuleOp loops, int64_t nativeLanes);

/// Lowers `loops` in place to the LLVM dialect and translates it. Each kernel's function becomes
/// internal, behind an exported one of type ftc_cpu_kernel.
std::unique_ptr<llvm::Module> lowerToLLVM(mlir::ModuleOp loops,
                                          llvm::ArrayRef<LoweredKernel> kernels,
                                          llvm::LLVMContext &context);

/// Optimizes `code` and assembles it to an ELF relocatable object; empty with a diagnostic on
/// `module` after an error.
llvm::SmallVector<char, 0> emitObject(mlir::ModuleOp module, llvm::Module &code,
                                      llvm::TargetMachine &machine);

/// Links one object to a shared object without imports. Options of llvm::cl that the process's
/// command line has set keep their values; the linker resets all others to their defaults.
mlir::FailureOr<std::vector<char>> linkSharedObject(mlir::ModuleOp module,
                                                    llvm::ArrayRef<char> object);

} // namespace ftc::cpu

#endif
