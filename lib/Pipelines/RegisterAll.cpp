//===- RegisterAll.cpp - our dialects and passes --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Pipelines/RegisterAll.h"

#include "ftc/Conversion/Passes.h"
#include "ftc/Interpreter/Interpreter.h"
#include "ftc/Target/CPU/Passes.h"
#include "ftc/Target/CUDA/Passes.h"
#include "ftc/Transforms/Passes.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Transforms/Passes.h"

void ftc::registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<ft::FTDialect, launch::LaunchDialect, mlir::arith::ArithDialect,
                  mlir::func::FuncDialect, mlir::math::MathDialect, mlir::memref::MemRefDialect>();
  ft::registerEvaluationModels(registry);
}

void ftc::registerAllPasses() {
  ft::registerFTTransformsPasses();
  registerFTConversionPasses();
  cpu::registerCPUPasses();
  cuda::registerCUDAPasses();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
}
