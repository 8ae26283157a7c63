//===- ValidatePasses.cpp - passes run before and after -------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Pipelines/ValidatePasses.h"

#include "ftc/Interpreter/Interpreter.h"
#include "ftc/Pipelines/Pipelines.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Philox.h"

#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace ftc;

namespace {
constexpr uint64_t kSeeds[] = {1, 2};
/// Everything is computed in double; passes only reorder sums.
constexpr double kTolerance = 1e-9;
/// Central differences in double: the length of the step through parameter space, and what the
/// truncation (of the second order) and the rounding of the loss then leave.
constexpr double kStep = 3e-5, kDifferenceTolerance = 1e-6;

/// The loss that the `gradients` entry point returns: there once a backward is.
constexpr StringLiteral kGradientsRun = "loss of gradients";

/// Runs one module on inputs that depend on the seed and on symbols alone, so that they are the
/// same at every level.
class Evaluation {
public:
  Evaluation(ModuleOp module, uint64_t seed)
      : module(module), seed(seed), interpreter(module), state(ft::initState(module, seed)) {
    tokens = module->getAttrOfType<IntegerAttr>(ft::kTokensAttr).getInt();
    for (auto parameter : module.getOps<ft::ParameterOp>())
      randomize(parameter);
  }

  /// Sets parameters that `old` has not to zero: a bypass then adds nothing.
  void clearNew(const std::set<std::string> &old) {
    for (const std::string &symbol : trainables(module))
      if (!old.count(symbol))
        std::fill(state[symbol].data.begin(), state[symbol].data.end(), 0.0);
  }

  static std::set<std::string> trainables(ModuleOp module) {
    std::set<std::string> symbols;
    for (auto parameter : module.getOps<ft::ParameterOp>())
      if (parameter.getRole() == ft::Role::trainable)
        symbols.insert(parameter.getSymName().str());
    return symbols;
  }

  /// Nothing, after a diagnostic, where a function cannot be run.
  std::optional<Outcome> run() {
    Outcome outcome;
    if (auto forward = module.lookupSymbol<func::FuncOp>("forward")) {
      ft::State scratch = state;
      FailureOr<SmallVector<ft::HostValue>> results = call(forward, scratch);
      if (failed(results))
        return std::nullopt;
      outcome["loss"] = results->front().data;
      return outcome;
    }
    for (StringRef name : {"evaluate", "gradients", "train_step"}) {
      auto function = module.lookupSymbol<func::FuncOp>(name);
      if (!function)
        continue;
      ft::State after = state;
      FailureOr<SmallVector<ft::HostValue>> results = call(function, after);
      if (failed(results))
        return std::nullopt;
      outcome[name == "evaluate" ? "loss" : "loss of " + name.str()] = results->front().data;
      if (results->size() > 1)
        outcome["gradient norm"] = (*results)[1].data;
      for (auto parameter : module.getOps<ft::ParameterOp>()) {
        std::string symbol = parameter.getSymName().str();
        if (name == "gradients" && parameter.getRole() == ft::Role::accumulator)
          outcome["gradient of " + StringRef(symbol).drop_back(5).str()] = after[symbol].data;
        else if (name == "train_step" && parameter.getRole() != ft::Role::base &&
                 parameter.getRole() != ft::Role::table)
          outcome[symbol + " after a step"] = after[symbol].data;
      }
    }
    return outcome;
  }

  /// The slope of the loss along a random direction over all trainable parameters: by differences,
  /// and by the gradients of `outcome`.
  std::optional<std::pair<double, double>> slopes(const Outcome &outcome) {
    auto evaluate = module.lookupSymbol<func::FuncOp>("evaluate");
    ft::State up = state, down = state;
    double byGradient = 0, elements = 0;
    for (const std::string &symbol : trainables(module))
      elements += state[symbol].data.size();
    double step = kStep / std::sqrt(elements);
    for (auto parameter : module.getOps<ft::ParameterOp>()) {
      if (parameter.getRole() != ft::Role::trainable)
        continue;
      std::string symbol = parameter.getSymName().str();
      auto gradient = outcome.find("gradient of " + symbol);
      if (gradient == outcome.end())
        return std::nullopt;
      for (size_t i = 0; i < gradient->second.size(); ++i) {
        double direction = draw(symbol, i, /*stream=*/1);
        byGradient += gradient->second[i] * direction;
        up[symbol].data[i] += step * direction;
        down[symbol].data[i] -= step * direction;
      }
    }
    auto above = call(evaluate, up), below = call(evaluate, down);
    if (failed(above) || failed(below))
      return std::nullopt;
    double difference = above->front().data[0] - below->front().data[0];
    return std::make_pair(difference / (2 * step), byGradient);
  }

private:
  double draw(StringRef symbol, uint64_t element, uint64_t stream) const {
    return normal(seed, siteHash(std::string_view(symbol.data(), symbol.size())), stream, element);
  }

  /// What starts at zero would hide mistakes: LoRA's B, moments, accumulators.
  void randomize(ft::ParameterOp parameter) {
    std::string symbol = parameter.getSymName().str();
    std::vector<double> &data = state[symbol].data;
    double scale = 0;
    switch (parameter.getRole()) {
    case ft::Role::trainable:
      scale = 0.3;
      break;
    case ft::Role::moment1:
    case ft::Role::moment2:
    case ft::Role::accumulator:
      scale = 0.01;
      break;
    default:
      return;
    }
    for (size_t i = 0; i < data.size(); ++i) {
      double value = scale * draw(symbol, i, /*stream=*/0);
      data[i] = parameter.getRole() == ft::Role::moment2 ? std::abs(value) : value;
    }
  }

  FailureOr<SmallVector<ft::HostValue>> call(func::FuncOp function, ft::State &values) {
    SmallVector<ft::HostValue> arguments;
    unsigned integers = 0;
    for (Type type : function.getArgumentTypes()) {
      if (isa<ft::RunType>(type)) {
        arguments.push_back(ft::makeRun({{ft::RunField::learning_rate, 0.01},
                                         {ft::RunField::one_minus_beta1, 0.1},
                                         {ft::RunField::one_minus_beta2, 0.01},
                                         {ft::RunField::epsilon, 1e-8},
                                         {ft::RunField::weight_decay, 0.1},
                                         {ft::RunField::bias_correction1, 0.19},
                                         {ft::RunField::bias_correction2_sqrt, 0.14},
                                         {ft::RunField::max_grad_norm, 0.5},
                                         {ft::RunField::inv_items, 1.0 / 8}}));
      } else if (isa<ft::SegmentsType>(type)) {
        // A sequence, one token alone, another sequence, and dead tokens.
        int64_t first = tokens / 2 - 1;
        arguments.push_back(*ft::makeSegments(tokens, {0, first, first + 1, tokens - 2}));
      } else {
        ft::HostValue ids;
        ids.shape = {tokens};
        for (int64_t t = 0; t < tokens; ++t) {
          double id = double(philoxBits(seed, 99, integers, t) % vocabulary());
          ids.data.push_back(integers && t % 4 == 3 ? -100 : id);
        }
        arguments.push_back(std::move(ids));
        ++integers;
      }
    }
    return interpreter.runFunction(function, arguments, values);
  }

  /// Rows of the embedding: the smallest vocabulary that any id must stay in.
  uint64_t vocabulary() {
    int64_t rows = INT64_MAX;
    module.walk(
        [&](ft::EmbeddingOp op) { rows = std::min(rows, op.getTable().getType().getDimSize(0)); });
    return rows == INT64_MAX ? 2 : rows;
  }

  ModuleOp module;
  uint64_t seed;
  ft::Interpreter interpreter;
  ft::State state;
  int64_t tokens = 0;
};

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.10g", value);
  return buffer;
}

double norm(const std::vector<double> &values) {
  double sum = 0;
  for (double value : values)
    sum += value * value;
  return std::sqrt(sum);
}

/// The first value of `before` that `after` lacks or has otherwise, as a sentence; empty when none.
std::string firstDifference(const Outcome &before, const Outcome &after) {
  for (const auto &[name, values] : before) {
    auto found = after.find(name);
    if (found == after.end())
      return name + " is gone";
    if (found->second.size() != values.size())
      return name + " has another size";
    std::vector<double> difference(values.size());
    size_t worst = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      difference[i] = found->second[i] - values[i];
      if (!(std::abs(difference[i]) <= std::abs(difference[worst])))
        worst = i;
    }
    if (!(norm(difference) <= kTolerance * norm(values)))
      return llvm::formatv("{0}: element {1} was {2} and is {3}", name, worst, text(values[worst]),
                           text(found->second[worst]));
  }
  return "";
}

std::string checkSlopes(Evaluation &evaluation, const Outcome &now) {
  auto slopes = evaluation.slopes(now);
  if (!slopes)
    return "a trainable parameter has no gradient";
  auto [difference, gradient] = *slopes;
  if (std::abs(difference - gradient) <=
      kDifferenceTolerance * (std::abs(difference) + std::abs(gradient) + 1e-3))
    return "";
  return llvm::formatv("the gradients say a slope of {0}, differences of the loss say {1}",
                       text(gradient), text(difference));
}
} // namespace

PassValidator::PassValidator(ModuleOp module)
    : module(module), trainables(Evaluation::trainables(module)) {
  for (uint64_t seed : kSeeds)
    known.push_back(Evaluation(module, seed).run().value_or(Outcome()));
}

void PassValidator::runBeforePass(Pass *, Operation *op) {
  if (finding.empty() && isa<ModuleOp>(op)) {
    before.clear();
    llvm::raw_string_ostream os(before);
    op->print(os);
  }
}

void PassValidator::runAfterPass(Pass *pass, Operation *op) {
  StringRef flag = pass->getArgument();
  if (!finding.empty() || !isa<ModuleOp>(op) || flag.starts_with("ft-verify"))
    return;
  std::set<std::string> current = Evaluation::trainables(module);
  bool grew = current != trainables;
  for (auto [seed, outcome] : llvm::zip(kSeeds, known)) {
    Evaluation evaluation(module, seed);
    // Adapters that have just been attached change the function, unless they are zero.
    if (grew)
      evaluation.clearNew(trainables);
    std::optional<Outcome> now = evaluation.run();
    std::string what = now ? firstDifference(outcome, *now) : "it cannot be evaluated any more";
    bool isNew = now && !outcome.count(kGradientsRun.str()) && now->count(kGradientsRun.str());
    if (what.empty() && isNew)
      what = checkSlopes(evaluation, *now);
    if (!what.empty()) {
      culprit = flag.str();
      finding =
          llvm::formatv("{0} changed what the step computes: {1} (seed {2})", culprit, what, seed);
      return;
    }
    outcome = grew ? Evaluation(module, seed).run().value_or(Outcome()) : std::move(*now);
  }
  trainables = std::move(current);
  ++checked;
}

std::string PassValidator::reproducer() const {
  return before + llvm::formatv(R"mlir(
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
                                culprit)
                      .str();
}

Result<unsigned> ftc::validatePasses(ModuleOp module, const std::string &reproducer) {
  PassManager manager(module.getContext(), ModuleOp::getOperationName());
  // The last step that leaves ft: what comes behind it is checked by executing packages.
  if (Status status = buildPipeline(manager, module, "ft-form-kernels"); !status)
    return status.takeError();
  auto instrumentation = std::make_unique<PassValidator>(module);
  PassValidator &validator = *instrumentation;
  manager.addInstrumentation(std::move(instrumentation));
  LogicalResult ran = manager.run(module);
  if (!validator.finding.empty()) {
    Error error = makeError("--validate-passes", validator.finding);
    if (Status status = writeFileAtomically(reproducer, validator.reproducer()); !status)
      return std::move(error).note(status.error().str());
    return std::move(error).note("the IR before the pass is in " + reproducer +
                                 "; ft-opt --run-reproducer runs the pass on it");
  }
  if (failed(ran))
    return makeError("--validate-passes", "a pass fails on a small program of the same kind");
  return validator.checked;
}
