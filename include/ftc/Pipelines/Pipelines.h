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

/// How a pipeline differs from the whole one.
struct PipelineOptions {
  std::string target = "cpu";        ///< `cpu` or `cuda`: some steps are for one of them
  std::string stopAfter;             ///< the last step; empty: all
  std::vector<std::string> disabled; ///< optional work to leave out, of optionalPasses()
  int64_t attentionTile = 0;         ///< of convert-ft-to-launch; 0: its default
  int64_t logitsBytes = 0;           ///< likewise
  bool sameTypeProducts = false;     ///< likewise: for targets whose products take one dtype
  std::string computeDType;          ///< f32 or bf16; empty: what the module says
  int64_t savedBytes = -1;           ///< of ft-rematerialize; -1: repeat no product, or, where the
                                     ///< module asks for gradient checkpointing, keep the least
  int64_t segments = 2;              ///< likewise
};

/// What `disabled` may name: the cleanups between steps, a step that only makes a program smaller,
/// and, as STEP.PART, the part of a mandatory step that is an optimization.
std::vector<std::string> optionalPasses();

/// Adds the passes from behind the module's last step up to and with `stopAfter`. Cleanup between
/// steps (canonicalization, CSE) and the checks of each phase are included. An unknown step, or one
/// that the module has already passed, is an error, as is disabled work that is not optional. A
/// step that is switched off leaves a report that says so: the module has been through it.
Status buildPipeline(mlir::OpPassManager &manager, mlir::ModuleOp module,
                     const PipelineOptions &options);
/// With nothing disabled.
Status buildPipeline(mlir::OpPassManager &manager, mlir::ModuleOp module,
                     const std::string &stopAfter);

} // namespace ftc

#endif
