//===- MlirFuzz.cpp - IR from a file ----------------------------------------===//
// `ftc compile --from`: MLIR's parser behind our bounds, and the verifiers of our dialects.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Contexts.h"
#include "FuzzTarget.h"
#include "lib/Pipelines/ReadDump.h"

#include "mlir/IR/Verifier.h"
#include "llvm/Support/raw_ostream.h"

using namespace ftc;

void fuzz::readInput(std::string_view input) {
  static ScratchFile scratch("input.mlir");
  mlir::MLIRContext &context = contextForInput();
  DiagnosticCollector diagnostics(&context);
  Result<mlir::OwningOpRef<mlir::ModuleOp>> module =
      readDump(context, scratch.write(input), diagnostics);
  if (!module)
    return checkError(module.error(), scratch.path());
  std::string text;
  llvm::raw_string_ostream stream(text);
  (**module)->print(stream);
}
