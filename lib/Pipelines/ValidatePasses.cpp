//===- ValidatePasses.cpp - passes run before and after -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Pipelines/ValidatePasses.h"

#include "Evaluation.h"
#include "OutcomeDifference.h"
#include "ftc/Analysis/ValueChanges.h"
#include "ftc/Pipelines/Pipelines.h"
#include "ftc/Support/AtomicFile.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace ftc;

static constexpr uint64_t kSeeds[] = {1, 2};

/// The loss that the `gradients` entry point returns: there once a backward is.
static constexpr StringLiteral kGradientsRun = "loss of gradients";

//===-- Passes ------------------------------------------------------------===//

/// With its options, as `--pass-pipeline` takes it.
static std::string pipelineOf(Pass *pass) {
  std::string text;
  llvm::raw_string_ostream os(text);
  pass->printAsTextualPipeline(os);
  return text;
}

static std::string flagOf(Pass *pass) {
  return pass->getArgument().empty() ? pipelineOf(pass) : pass->getArgument().str();
}

/// Whether a pass is one of ours that looks and changes nothing.
static bool onlyVerifies(Pass *pass) { return pass->getArgument().contains("-verify-"); }

static bool standsAlone(Operation *op) { return isa<ModuleOp>(op) && !op->getParentOp(); }

static std::string reproducerOf(ModuleOp module, Pass *pass) {
  std::string text, pipeline;
  llvm::raw_string_ostream os(text), escaped(pipeline);
  module->print(os, OpPrintingFlags().assumeVerified());
  llvm::printEscapedString(pipelineOf(pass), escaped);
  os << llvm::formatv(R"mlir(
{{-#
  external_resources: {{
    mlir_reproducer: {{
      pipeline: "builtin.module({0})",
      disable_threading: true,
      verify_each: true
    }
  }
#-}
)mlir",
                      pipeline);
  return text;
}

StringRef ftc::stringify(Verdict::Kind kind) {
  switch (kind) {
  case Verdict::agrees:
    return "agrees";
  case Verdict::differs:
    return "differs";
  case Verdict::tooLarge:
    return "too-large";
  case Verdict::notRun:
    return "not-run";
  case Verdict::nothing:
    return "nothing";
  }
  llvm_unreachable("a kind without a name");
}

//===-- Frames ------------------------------------------------------------===//

/// A module as it was before the pass that is running, or why it is not looked at.
struct PassValidator::Frame {
  OwningOpRef<ModuleOp> before;
  Runnable runnable;
  Verdict verdict;
};

struct PassValidator::State {
  Inputs inputs;
  std::vector<Frame> frames; ///< a pass may run a pipeline of its own
  /// What the module computes now, one per seed; empty where that is not known.
  std::vector<Outcome> known;
};

PassValidator::PassValidator(ValidationOptions options)
    : options(std::move(options)), state(std::make_unique<State>()) {}
PassValidator::~PassValidator() = default;

/// Whether a module can be run; otherwise `verdict` says why not.
static bool canRun(const Runnable &runnable, double limit, Verdict &verdict) {
  if (runnable.empty()) {
    verdict.kind =
        runnable.obstacles.empty() || runnable.launches ? Verdict::nothing : Verdict::notRun;
    if (verdict.kind == Verdict::notRun)
      verdict.text = verdict.pass + " is not validated: " + runnable.obstacles.front();
    return false;
  }
  if (runnable.work > limit) {
    verdict.kind = Verdict::tooLarge;
    verdict.text = llvm::formatv("{0} is not validated: a run of the module takes {1:e2} "
                                 "operations and bytes, and the limit is {2:e2}",
                                 verdict.pass, runnable.work, limit);
    return false;
  }
  return true;
}

void PassValidator::runBeforePipeline(std::optional<OperationName>, const PipelineParentInfo &) {
  state->known.clear();
}

void PassValidator::runBeforePass(Pass *pass, Operation *op) {
  if (found || !standsAlone(op) || onlyVerifies(pass))
    return;
  auto module = cast<ModuleOp>(op);
  if (!state->frames.empty())
    state->known.clear();
  Frame frame{{}, Runnable(), {Verdict::agrees, flagOf(pass), "", module.getLoc(), ""}};
  if (canRun(Runnable::of(module, state->inputs), options.limit, frame.verdict)) {
    frame.before = module.clone();
    frame.runnable = Runnable::of(*frame.before, state->inputs);
    state->inputs.learn(frame.runnable);
  }
  state->frames.push_back(std::move(frame));
}

void PassValidator::runAfterPassFailed(Pass *pass, Operation *op) {
  if (!standsAlone(op) || onlyVerifies(pass))
    return;
  if (!state->frames.empty())
    state->frames.pop_back();
  state->known.clear();
}

void PassValidator::runAfterPass(Pass *pass, Operation *op) {
  if (!standsAlone(op) || onlyVerifies(pass) || state->frames.empty())
    return;
  Frame frame = std::move(state->frames.back());
  state->frames.pop_back();
  if (found)
    return;
  Verdict verdict = frame.before ? compare(pass, frame, cast<ModuleOp>(op)) : frame.verdict;
  if (verdict.kind != Verdict::agrees)
    state->known.clear();
  if (verdict.kind == Verdict::differs) {
    verdict.reproducer = reproducerOf(*frame.before, pass);
    found = verdict;
  }
  if (options.tell)
    options.tell(verdict);
}

//===-- Comparison --------------------------------------------------------===//

/// A function that could be run and cannot any more, though it is there.
static std::string newObstacle(const Runnable &before, const Runnable &now, ModuleOp module) {
  std::set<std::string> runs = now.names();
  for (const std::string &name : before.names())
    if (!runs.count(name) && module.lookupSymbol(name))
      return now.obstacles.empty() ? "@" + name + " takes or returns what it did not"
                                   : now.obstacles.front();
  return "";
}

static void applyChanges(const ValueChanges &changes, ft::State &state) {
  for (const auto &[symbol, change] : changes)
    if (auto found = state.find(symbol); found != state.end())
      change(found->second);
}

/// A function whose results are all not numbers, which would agree with anything; empty: none.
static std::string withoutNumbers(const Outcome &outcome) {
  for (const auto &[name, measured] : outcome.values)
    if (llvm::none_of(measured.values, [](double value) { return std::isfinite(value); }))
      return name;
  return "";
}

static std::string checkSlopes(Evaluation &evaluation, const Outcome &now) {
  // What the truncation of central differences (of the second order) and the rounding of the loss
  // leave.
  constexpr double kTolerance = 1e-6;
  auto slopes = evaluation.slopes(now);
  if (!slopes)
    return "a trainable parameter has no gradient";
  auto [difference, gradient] = *slopes;
  if (std::abs(difference - gradient) <=
      kTolerance * (std::abs(difference) + std::abs(gradient) + 1e-3))
    return "";
  return llvm::formatv("the gradients say a slope of {0}, differences of the loss say {1}",
                       shortText(gradient), shortText(difference));
}

Verdict PassValidator::compare(Pass *pass, Frame &frame, ModuleOp module) {
  Verdict verdict = frame.verdict;
  Runnable now = Runnable::of(module, state->inputs);
  // At the launch level anything may be left beside what can be run.
  if (now.launches && now.empty()) {
    verdict.kind = Verdict::nothing;
    return verdict;
  }
  std::string obstacle = newObstacle(frame.runnable, now, module);
  if (!obstacle.empty()) {
    verdict.kind = Verdict::notRun;
    verdict.text = verdict.pass + " is not validated: behind it " + obstacle;
    return verdict;
  }
  if (!now.empty() && !canRun(now, options.limit, verdict))
    return verdict;

  ValueChanges changes;
  if (auto *declared = dynamic_cast<ChangesValues *>(pass))
    changes = declared->valueChanges();
  bool isStep = module->hasAttr(ft::kTokensAttr) || module->hasAttr(launch::kTokensAttr);
  std::vector<Outcome> next;
  for (auto [index, seed] : llvm::enumerate(kSeeds)) {
    Evaluation evaluation(module, state->inputs, seed);
    applyChanges(changes, evaluation.state());
    // Of the module before the pass, where it is needed.
    std::optional<Evaluation> made;
    auto old = [&, seed = seed]() -> Evaluation & {
      if (!made) {
        made.emplace(*frame.before, state->inputs, seed);
        applyChanges(changes, made->state());
      }
      return *made;
    };
    Outcome before = changes.empty() && index < state->known.size() ? std::move(state->known[index])
                                                                    : old().run(frame.runnable);
    if (!before.failure.empty()) {
      verdict.kind = Verdict::notRun;
      verdict.text = verdict.pass + " is not validated: on random inputs " + before.failure;
      return verdict;
    }
    if (before.values.empty()) {
      verdict.kind = Verdict::nothing;
      return verdict;
    }
    Outcome after = evaluation.run(now);
    Difference difference;
    if (!after.failure.empty())
      difference.what = "it cannot be evaluated any more: " + after.failure;
    else
      difference = firstDifference(before, after);
    if (difference.what.empty() && !before.values.count(kGradientsRun.str()) &&
        before.functions.count("forward") && after.values.count(kGradientsRun.str()))
      difference = {checkSlopes(evaluation, after), "evaluate", "evaluate"};
    if (!difference.what.empty()) {
      verdict.kind = Verdict::differs;
      std::string who = isStep || difference.before.empty() ? "the step" : "@" + difference.before;
      verdict.text = llvm::formatv("{0} changed what {1} computes: {2} (seed {3})", verdict.pass,
                                   who, difference.what, seed);
      if (difference.traceable) {
        FirstSite site =
            firstSite(old().trace(difference.before), evaluation.trace(difference.after));
        verdict.text += site.text;
        if (site.op)
          verdict.location = site.op->getLoc();
      }
      return verdict;
    }
    if (std::string name = withoutNumbers(after); !name.empty()) {
      verdict.kind = Verdict::notRun;
      verdict.text = verdict.pass + " is not validated: on random inputs " + name + " is no number";
      return verdict;
    }
    if (changes.empty())
      next.push_back(std::move(after));
  }
  state->known = std::move(next);
  return verdict;
}

double ftc::validationWork(ModuleOp module) {
  Runnable runnable = Runnable::of(module, Inputs());
  if (runnable.empty())
    return 0;
  // The entry points that the pipeline makes of @forward: it alone once, and thrice with a backward
  // of twice its work.
  return module.lookupSymbol("forward") ? 10 * runnable.work : runnable.work;
}

//===-- A twin ------------------------------------------------------------===//

Error ftc::findingError(const Verdict &finding, const std::string &reproducer) {
  Error error = makeError("--validate-passes", finding.text);
  if (Status status = writeFileAtomically(reproducer, finding.reproducer); !status)
    return std::move(error).note(status.error().str());
  error.note("the IR before the pass is in " + reproducer + "; to validate the pass on it again:");
  return std::move(error).note("ft-opt --validate-passes --run-reproducer " + reproducer);
}

PassRun ftc::validatePasses(ModuleOp module, const std::string &reproducer, unsigned &checked) {
  auto manager = std::make_unique<PassManager>(module.getContext(), ModuleOp::getOperationName());
  if (Status status = buildPipeline(*manager, module, ""); !status)
    return {std::move(status)};
  std::string skipped;
  std::optional<Verdict> finding;
  ValidationOptions options;
  options.tell = [&](const Verdict &verdict) {
    checked += verdict.kind == Verdict::agrees;
    if (verdict.kind == Verdict::differs)
      finding = verdict;
    else if (verdict.kind != Verdict::agrees && skipped.empty())
      skipped = verdict.text.empty() ? verdict.pass + " left nothing to run" : verdict.text;
  };
  options.limit = HUGE_VAL; // a twin is small by its making
  manager->addInstrumentation(std::make_unique<PassValidator>(options));
  PassRun run = runPasses(std::move(manager), module, reproducer, [] {
    return makeError("--validate-passes", "a pass fails on a small program of the same kind");
  });
  if (run.crashed)
    return run;
  if (finding)
    return {findingError(*finding, reproducer)};
  if (run.status && !skipped.empty())
    return {makeError("--validate-passes", skipped)};
  return run;
}
