//===- RunPasses.h - passes that may fail or crash --------------*- C++ -*-===//
// Every run of passes leaves a reproducer where it does not end well.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PIPELINES_RUNPASSES_H
#define FTC_PIPELINES_RUNPASSES_H

#include "ftc/Support/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <functional>
#include <memory>
#include <string>

namespace ftc {

/// The reproducer of a compilation: beside its output, or in the working directory where that is
/// standard output.
std::string reproducerPath(const std::string &output);

/// How a run of passes ended.
struct PassRun {
  Status status;
  /// A pass crashed: the module, and all else in its context, must not be touched any more, nor
  /// destroyed.
  bool crashed = false;
};

/// Runs the passes; the context must have its threads off. When one fails or crashes, the error
/// names it, the file `reproducer` (empty: none; a crash then ends the program) gets the IR as it
/// is now, with the passes, and a note says how to run them again.
/// `takeError` gives what the pass itself said, on failure; its place and first line are kept. The
/// manager is leaked after a crash.
PassRun runPasses(std::unique_ptr<mlir::PassManager> manager, mlir::ModuleOp module,
                  const std::string &reproducer, const std::function<Error()> &takeError);

/// How MLIR begins the diagnostic that it adds when it has written a reproducer.
inline constexpr llvm::StringLiteral kReproducerDiagnostic =
    "Failures have been detected while processing an MLIR pass pipeline";

} // namespace ftc

#endif
