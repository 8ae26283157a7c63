//===- main.cpp - ft-opt --------------------------------------------------===//
// MLIR's pass driver with our dialects and passes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Pipelines/OptMain.h"

int main(int argc, char **argv) { return ftc::optMain(argc, argv); }
