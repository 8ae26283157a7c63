//===- main.cpp - ft-test -------------------------------------------------===//
// ft-test ARG...: ft-opt with the test passes.
// ft-test --as-ftc PIPELINE IN.mlir OUT: runs the pipeline as `ftc compile -o OUT` runs its own.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TestPasses.h"
#include "ftc/Pipelines/OptMain.h"
#include "ftc/Pipelines/RegisterAll.h"
#include "ftc/Pipelines/RunPasses.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;
using namespace ftc;

static int runAsFtc(const char *pipeline, const char *input, const char *output) {
  registerAllPasses();
  DialectRegistry registry;
  registerAllDialects(registry);
  // Left alone at the end, as ftc leaves what a crash has spoiled.
  auto *context = new MLIRContext(registry, MLIRContext::Threading::DISABLED);
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) { return success(); });
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(input, ParserConfig(context));
  FailureOr<OpPassManager> passes = parsePassPipeline(pipeline);
  if (!module || failed(passes))
    return 2;
  auto manager = std::make_unique<PassManager>(context);
  static_cast<OpPassManager &>(*manager) = std::move(*passes);
  PassRun run = runPasses(std::move(manager), *module, reproducerPath(output),
                          [] { return makeError("ft-test", "a pass failed"); });
  (void)module.release();
  if (run.status)
    return 0;
  printError(run.status.error());
  return 1;
}

int main(int argc, char **argv) {
  test::registerTestPasses();
  if (argc == 5 && llvm::StringRef(argv[1]) == "--as-ftc")
    return runAsFtc(argv[2], argv[3], argv[4]);
  return optMain(argc, argv);
}
