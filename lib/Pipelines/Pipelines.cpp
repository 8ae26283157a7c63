//===- Pipelines.cpp - the order of passes --------------------------------===//
// The one place that knows the order.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Pipelines/Pipelines.h"

#include "ftc/Analysis/Report.h"
#include "ftc/Conversion/Passes.h"
#include "ftc/Transforms/Passes.h"

#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ftc;

namespace {
/// One pass that leaves a report, what cleans up behind it, and the phase that then holds.
struct Step {
  llvm::StringLiteral flag;
  std::unique_ptr<Pass> (*create)();
  bool cleanup;
  llvm::StringLiteral phase; ///< that then holds, of ft-verify-phase or launch-verify-phase
  std::unique_ptr<Pass> (*verify)(const std::string &phase);
};

std::unique_ptr<Pass> verifyFt(const std::string &phase) { return ft::createVerifyPhase({phase}); }
std::unique_ptr<Pass> verifyLaunch(const std::string &phase) {
  return createVerifyLaunchPhase({phase});
}

/// What holds of a module that the frontend has made.
constexpr llvm::StringLiteral kForwardPhase = "forward";

// Adapters are attached and inlined on the clean forward graph; the backward comes from the ops'
// own rules and is complete; pruning follows since frozen weights are what makes gradients dead.
constexpr Step steps[] = {
    {"ft-attach-adapters", [] { return ft::createAttachAdapters(); }, false, "bypasses", verifyFt},
    {"ft-lower-bypasses", [] { return ft::createLowerBypasses(); }, true, "lowered", verifyFt},
    {"ft-build-backward", [] { return ft::createBuildBackward(); }, false, "backward", verifyFt},
    {"ft-prune-graph", [] { return ft::createPruneGraph(); }, true, "backward", verifyFt},
    {"ft-form-kernels", [] { return ft::createFormKernels(); }, false, "kernels", verifyFt},
    {"convert-ft-to-launch", [] { return createConvertFTToLaunch(); }, false, "launched",
     verifyLaunch},
    {"launch-plan-arena", [] { return createPlanArena(); }, false, "planned", verifyLaunch},
};

void finishStep(OpPassManager &manager, const Step &step) {
  if (step.cleanup) {
    manager.addPass(createCanonicalizerPass());
    manager.addPass(createCSEPass());
  }
  manager.addPass(step.verify(step.phase.str()));
}

/// The number of steps behind the module: those up to the last that left a report.
size_t stepsDone(ModuleOp module) {
  size_t done = 0;
  for (const PassReport &report : getReports(module))
    for (size_t i = 0; i < std::size(steps); ++i)
      if (steps[i].flag == report.pass)
        done = std::max(done, i + 1);
  return done;
}
} // namespace

std::vector<std::string> ftc::pipelineSteps() {
  std::vector<std::string> names;
  for (const Step &step : steps)
    names.push_back(step.flag.str());
  return names;
}

std::vector<std::string> ftc::pipelinePhases() {
  std::vector<std::string> names = {kForwardPhase.str()};
  for (const Step &step : steps)
    if (step.phase != names.back())
      names.push_back(step.phase.str());
  return names;
}

std::vector<std::string> ftc::remainingSteps(ModuleOp module) {
  std::vector<std::string> names = pipelineSteps();
  names.erase(names.begin(), names.begin() + stepsDone(module));
  return names;
}

Status ftc::buildPipeline(OpPassManager &manager, ModuleOp module, const std::string &stopAfter) {
  size_t begin = stepsDone(module), end = std::size(steps);
  if (!stopAfter.empty() && stopAfter != kFrontendStep) {
    for (end = 0; end < std::size(steps) && steps[end].flag != stopAfter; ++end)
      ;
    if (end == std::size(steps))
      return makeError("--stop-after", quoted(stopAfter) + " is no step; expected " +
                                           kFrontendStep.str() + ", " +
                                           llvm::join(pipelineSteps(), ", ") +
                                           didYouMean(stopAfter, pipelineSteps()));
    ++end;
  } else if (stopAfter == kFrontendStep) {
    end = 0;
  }
  if (end < begin)
    return makeError(
        "--stop-after",
        "the IR has already been through " + quoted(stopAfter) + "; its next step is " +
            (begin < std::size(steps) ? steps[begin].flag.str() : std::string("none")));
  if (begin == 0)
    manager.addPass(verifyFt(kForwardPhase.str()));
  // What a dump right behind a pass has not been through yet.
  else if (end > begin || stopAfter.empty())
    finishStep(manager, steps[begin - 1]);
  for (size_t i = begin; i < end; ++i) {
    manager.addPass(steps[i].create());
    if (i + 1 < end || stopAfter.empty())
      finishStep(manager, steps[i]);
  }
  return Status::ok();
}
