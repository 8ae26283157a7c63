//===- tutorial-opt.cpp - ft-opt with the tutorial's op and pass ----------===//
// One more dialect and one more pass: nothing else has to know them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "add-a-pass/Passes.h"
#include "add-an-op/Tutorial.h"
#include "ftc/Pipelines/OptMain.h"

// DOC: main
int main(int argc, char **argv) {
  tutorial::registerTutorialPasses();
  return ftc::optMain(argc, argv, [](mlir::DialectRegistry &registry) {
    registry.insert<tutorial::TutorialDialect>();
  });
}
// DOC-END
