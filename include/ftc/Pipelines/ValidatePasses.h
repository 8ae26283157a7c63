//===- ValidatePasses.h - passes run before and after -----------*- C++ -*-===//
// Runs a small program in the interpreter around every pass.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PIPELINES_VALIDATEPASSES_H
#define FTC_PIPELINES_VALIDATEPASSES_H

#include "ftc/Support/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassInstrumentation.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace ftc {

/// What a module computes, by name: "loss", "gradient of W", "W after a step", ...
using Outcome = std::map<std::string, std::vector<double>>;

/// Evaluates a module of the ft dialect in double precision before and after each pass, on several
/// seeds: loss, all gradients, and parameters, moments and accumulators after a step. Where the
/// backward appears, its gradients are held against finite differences of the loss. The first pass
/// after which a value differs is kept.
class PassValidator : public mlir::PassInstrumentation {
public:
  explicit PassValidator(mlir::ModuleOp module);

  void runBeforePass(mlir::Pass *pass, mlir::Operation *op) override;
  void runAfterPass(mlir::Pass *pass, mlir::Operation *op) override;

  std::string finding;  ///< what the culprit changed; empty: nothing so far
  std::string culprit;  ///< its flag
  std::string before;   ///< the IR before it
  unsigned checked = 0; ///< passes that changed nothing

  /// A reproducer of the finding, for `ft-opt --run-reproducer`.
  std::string reproducer() const;

private:
  mlir::ModuleOp module;
  std::vector<Outcome> known;       ///< one per seed
  std::set<std::string> trainables; ///< at the last pass; adapters add to them
};

/// Takes `module` (a forward step, small) through every pass before the launch dialect under a
/// PassValidator. A finding is an error that names the pass, the value and its site, and leaves a
/// reproducer at that path. Returns how many passes were checked.
Result<unsigned> validatePasses(mlir::ModuleOp module, const std::string &reproducer);

} // namespace ftc

#endif
