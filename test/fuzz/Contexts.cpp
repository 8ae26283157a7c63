//===- Contexts.cpp - MLIR contexts for many inputs -------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Contexts.h"

#include "dialects/FT/IR/FT.h"
#include "dialects/Launch/IR/Launch.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <memory>

using namespace mlir;

MLIRContext &ftc::fuzz::contextForInput() {
  constexpr unsigned inputsOfOne = 2000;
  static std::unique_ptr<MLIRContext> context;
  static unsigned inputs = 0;
  if (inputs++ % inputsOfOne != 0)
    return *context;
  DialectRegistry registry;
  registry.insert<ft::FTDialect, launch::LaunchDialect, arith::ArithDialect, func::FuncDialect,
                  math::MathDialect, memref::MemRefDialect>();
  context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  context->printOpOnDiagnostic(false);
  return *context;
}
