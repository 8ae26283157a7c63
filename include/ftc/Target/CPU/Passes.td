//===- Passes.td - debugging passes of the CPU target ---------*- tablegen -*-===//
// What ft-opt shows of the CPU target.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_TARGET_CPU_PASSES_TD
#define FTC_TARGET_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerKernelsToLoops : Pass<"launch-lower-kernels-to-loops", "::mlir::ModuleOp"> {
  let summary = "Replace a launch module by the loops of its kernels, as the CPU target makes them";
  let description = [{
    For debugging: the result has one function per kernel with code and nothing else. The CPU target
    goes on from there (math expanded, LLVM, ELF) and does not run this pass. An unknown processor is
    an error, as is a kernel whose arguments or params are not its family's.
  }];
  let options = [Option<"arch", "arch", "std::string", "\"x86-64-v3\"",
                        "processor whose vectors the loops are written for">];
  let statistics = [Statistic<"numKernels", "num-kernels", "kernels lowered">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

#endif
