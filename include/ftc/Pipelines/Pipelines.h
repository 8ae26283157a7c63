//===- Pipelines.h - the order of passes ------------------------*- C++ -*-===//
// From a forward step to a planned program, by named steps.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PIPELINES_PIPELINES_H
#define FTC_PIPELINES_PIPELINES_H

#include "ftc/Support/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <string>
#include <vector>

namespace ftc {

/// The name of the level that the frontend leaves, where `--stop-after` may stop too.
inline constexpr llvm::StringLiteral kFrontendStep = "frontend";

/// The passes by their flags, in order; each is a step at which a compilation can stop and go on.
std::vector<std::string> pipelineSteps();

/// The phases, in order: `forward`, then what holds behind each step, once each. `ft-verify-phase`
/// checks those of the ft dialect, `launch-verify-phase` the others.
std::vector<std::string> pipelinePhases();

/// The steps that a module has still to go through, by the reports that it carries: empty when it
/// is planned, all when it comes from the frontend.
std::vector<std::string> remainingSteps(mlir::ModuleOp module);

/// Adds the passes from behind the module's last step up to and with `stopAfter` (empty: all).
/// Cleanup between steps (canonicalization, CSE) and the checks of each phase are included. An
/// unknown step, or one that the module has already passed, is an error.
Status buildPipeline(mlir::OpPassManager &manager, mlir::ModuleOp module,
                     const std::string &stopAfter);

} // namespace ftc

#endif
