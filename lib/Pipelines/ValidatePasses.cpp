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

namespace {
/// A module before and after a pass, run on one seed after the other.
class Comparison {
public:
  Comparison(ModuleOp before, ModuleOp after, const Runnable &runsBefore, const Runnable &runsAfter,
             const Inputs &inputs, const ValueChanges &changes)
      : before(before), after(after), runsBefore(runsBefore), runsAfter(runsAfter), inputs(inputs),
        changes(changes) {}

  /// Fills in what a seed says; `known`, where it is not null, is what it came to before the pass.
  void run(uint64_t seed, Outcome *known, Verdict &verdict) {
    Evaluation evaluation = evaluate(after, seed);
    Outcome old = known ? std::move(*known) : evaluate(before, seed).run(runsBefore);
    if (!old.failure.empty())
      return leave(verdict, Verdict::notRun, "on random inputs " + old.failure);
    if (old.values.empty())
      return leave(verdict, Verdict::nothing, "");
    outcome = evaluation.run(runsAfter);
    Difference difference = differenceOf(old, evaluation);
    if (!difference.what.empty())
      return tell(difference, seed, evaluation, verdict);
    if (std::string name = withoutNumbers(outcome); !name.empty())
      leave(verdict, Verdict::notRun, "on random inputs " + name + " is no number");
  }

  Outcome outcome; ///< behind the pass, on the last seed

private:
  Evaluation evaluate(ModuleOp module, uint64_t seed) {
    Evaluation evaluation(module, inputs, seed);
    applyChanges(changes, evaluation.state());
    return evaluation;
  }

  static void leave(Verdict &verdict, Verdict::Kind kind, const std::string &why) {
    verdict.kind = kind;
    if (!why.empty())
      verdict.text = verdict.pass + " is not validated: " + why;
  }

  Difference differenceOf(const Outcome &old, Evaluation &evaluation) {
    if (!outcome.failure.empty())
      return {"it cannot be evaluated any more: " + outcome.failure, outcome.failed,
              outcome.failed};
    Difference difference = firstDifference(old, outcome);
    bool backwardIsNew = !old.values.count(kGradientsRun.str()) && old.functions.count("forward") &&
                         outcome.values.count(kGradientsRun.str());
    if (difference.what.empty() && backwardIsNew)
      return {checkSlopes(evaluation, outcome), "evaluate", "evaluate"};
    return difference;
  }

  void tell(const Difference &difference, uint64_t seed, Evaluation &evaluation, Verdict &verdict) {
    verdict.kind = Verdict::differs;
    bool isStep = after->hasAttr(ft::kTokensAttr) || after->hasAttr(launch::kTokensAttr);
    std::string who = isStep || difference.before.empty() ? "the step" : "@" + difference.before;
    verdict.text = llvm::formatv("{0} changed what {1} computes: {2} (seed {3})", verdict.pass, who,
                                 difference.what, seed);
    if (Operation *function = after.lookupSymbol(difference.after))
      verdict.location = function->getLoc();
    if (!difference.traceable)
      return;
    FirstSite site = firstSite(evaluate(before, seed).trace(difference.before),
                               evaluation.trace(difference.after));
    verdict.text += site.text;
    if (site.op)
      verdict.location = site.op->getLoc();
  }

  ModuleOp before, after;
  const Runnable &runsBefore, &runsAfter;
  const Inputs &inputs;
  const ValueChanges &changes;
};
} // namespace

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
  Comparison comparison(*frame.before, module, frame.runnable, now, state->inputs, changes);
  // What is known holds for state as it was before the changes.
  std::vector<Outcome> next, known;
  if (changes.empty())
    known = std::move(state->known);
  for (auto [index, seed] : llvm::enumerate(kSeeds)) {
    comparison.run(seed, index < known.size() ? &known[index] : nullptr, verdict);
    if (verdict.kind != Verdict::agrees)
      return verdict;
    if (changes.empty())
      next.push_back(std::move(comparison.outcome));
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

PassRun ftc::validatePasses(ModuleOp module, const PipelineOptions &pipeline,
                            const std::string &reproducer, unsigned &checked) {
  auto manager = std::make_unique<PassManager>(module.getContext(), ModuleOp::getOperationName());
  if (Status status = buildPipeline(*manager, module, pipeline); !status)
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
