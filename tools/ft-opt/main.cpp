//===- main.cpp - ft-opt --------------------------------------------------===//
// MLIR's pass driver with our dialects and passes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Pipelines/RegisterAll.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  ftc::registerAllDialects(registry);
  ftc::registerAllPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "ft-opt: passes over the ft and launch dialects\n", registry));
}
