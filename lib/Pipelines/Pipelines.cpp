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
/// The optional work that is switched on.
class Switches {
public:
  Switches(const PipelineOptions &options, ModuleOp module) : options(options) {
    auto compute = module->getAttrOfType<TypeAttr>(ft::kComputeAttr);
    checkpoints = module->hasAttr(ft::kCheckpointingAttr);
    inBf16 = options.computeDType.empty() ? compute && compute.getValue().isBF16()
                                          : options.computeDType == "bf16";
  }
  bool has(llvm::StringRef name) const { return !llvm::is_contained(options.disabled, name); }
  const PipelineOptions &options;
  bool inBf16 = false;      ///< what the program computes in
  bool checkpoints = false; ///< recomputes blocks from their inputs
};

/// One pass that leaves a report, what cleans up behind it, and the phase that then holds.
struct Step {
  llvm::StringLiteral flag;
  std::unique_ptr<Pass> (*create)(const Switches &); ///< null where the target has no such step
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

constexpr llvm::StringLiteral kCanonicalize = "canonicalize", kCSE = "cse",
                              kPrune = "ft-prune-graph", kPrecision = "ft-lower-precision",
                              kRematerialize = "ft-rematerialize",
                              kFusion = "ft-form-kernels.fusion",
                              kInPlace = "convert-ft-to-launch.in-place",
                              kReuse = "launch-plan-arena.reuse", kBatch = "launch-batch";

std::unique_ptr<Pass> createConversion(const Switches &on) {
  ConvertFTToLaunchOptions options;
  options.inPlace = on.has(kInPlace);
  if (on.options.target == "cuda") {
    options.logitsBytes = int64_t(256) << 20;
    // Rows of f32 take twice the shared memory, and their kernels have no use for larger tiles.
    options.attentionTile = on.inBf16 ? 64 : 32;
  }
  options.sameTypeProducts = on.options.sameTypeProducts || on.options.target == "cuda";
  if (on.options.attentionTile)
    options.attentionTile = on.options.attentionTile;
  if (on.options.logitsBytes)
    options.logitsBytes = on.options.logitsBytes;
  return createConvertFTToLaunch(options);
}

std::unique_ptr<Pass> createRematerialization(const Switches &on) {
  ft::RematerializeOptions options;
  options.off = !on.has(kRematerialize);
  options.savedBytes = on.options.savedBytes;
  options.segments = on.options.segments;
  if (on.checkpoints && options.savedBytes < 0)
    options.savedBytes = 0;
  return ft::createRematerialize(options);
}

// Adapters are attached and inlined on the clean forward graph; the backward comes from the ops'
// own rules and is complete; pruning follows since frozen weights are what makes gradients dead.
constexpr Step steps[] = {
    {"ft-attach-adapters", [](const Switches &) { return ft::createAttachAdapters(); }, false,
     "bypasses", verifyFt},
    {"ft-lower-bypasses", [](const Switches &) { return ft::createLowerBypasses(); }, true,
     "lowered", verifyFt},
    {"ft-build-backward", [](const Switches &) { return ft::createBuildBackward(); }, false,
     "backward", verifyFt},
    {kPrune, [](const Switches &on) { return ft::createPruneGraph({/*off=*/!on.has(kPrune)}); },
     true, "backward", verifyFt},
    // Behind the cleanup: a later CSE would share the casts that frozen weights have at each use.
    {kPrecision,
     [](const Switches &on) { return ft::createLowerPrecision({on.options.computeDType}); }, false,
     "precision", verifyFt},
    // Behind the last CSE, which would merge each copy with its original.
    {kRematerialize, createRematerialization, false, "precision", verifyFt},
    {"ft-form-kernels",
     [](const Switches &on) { return ft::createFormKernels({/*fusion=*/on.has(kFusion)}); }, false,
     "kernels", verifyFt},
    {"convert-ft-to-launch", createConversion, false, "launched", verifyLaunch},
    {kBatch,
     [](const Switches &on) {
       return on.options.target == "cuda" ? createBatchLaunches({/*off=*/!on.has(kBatch)})
                                          : std::unique_ptr<Pass>();
     },
     false, "launched", verifyLaunch},
    {"launch-plan-arena",
     [](const Switches &on) { return createPlanArena({/*reuse=*/on.has(kReuse)}); }, false,
     "planned", verifyLaunch},
};

void finishStep(OpPassManager &manager, const Step &step, const Switches &on) {
  if (step.cleanup && on.has(kCanonicalize))
    manager.addPass(createCanonicalizerPass());
  if (step.cleanup && on.has(kCSE))
    manager.addPass(createCSEPass());
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

Status checkDisabled(const std::vector<std::string> &disabled) {
  const std::vector<std::string> optional = optionalPasses();
  for (const std::string &name : disabled)
    if (!llvm::is_contained(optional, name))
      return makeError("--disable-pass",
                       quoted(name) +
                           (llvm::is_contained(pipelineSteps(), name)
                                ? " is needed for a program to run; what can be left out is "
                                : " is nothing that can be left out; expected ") +
                           llvm::join(optional, ", "));
  return Status::ok();
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

std::vector<std::string> ftc::optionalPasses() {
  std::vector<std::string> names;
  for (llvm::StringRef name :
       {kCanonicalize, kCSE, kPrune, kRematerialize, kFusion, kInPlace, kBatch, kReuse})
    names.push_back(name.str());
  return names;
}

Status ftc::buildPipeline(OpPassManager &manager, ModuleOp module, const std::string &stopAfter) {
  PipelineOptions options;
  options.stopAfter = stopAfter;
  return buildPipeline(manager, module, options);
}

Status ftc::buildPipeline(OpPassManager &manager, ModuleOp module, const PipelineOptions &options) {
  if (Status status = checkDisabled(options.disabled); !status)
    return status;
  const Switches on(options, module);
  const std::string &stopAfter = options.stopAfter;
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
    finishStep(manager, steps[begin - 1], on);
  for (size_t i = begin; i < end; ++i) {
    std::unique_ptr<Pass> pass = steps[i].create(on);
    if (!pass)
      continue;
    manager.addPass(std::move(pass));
    if (i + 1 < end || stopAfter.empty())
      finishStep(manager, steps[i], on);
  }
  return Status::ok();
}
