//===- TrainingPlan.cpp - what a run decides before it computes ------------===//
// Overlays configurations and resolves shares of steps.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainingPlan.h"

#include "ftc/Support/Yaml.h"
#include "ftc/Trainer/Format.h"

#include <algorithm>

namespace ftc::trainer {

/// A package without accumulators can neither clip nor take several micro-batches a step.
static Status checkUpdates(const Package &package, const TrainConfig &compiled,
                           const TrainConfig &config) {
  if (package.bytes(FTC_ACCUMULATOR) > 0 || !compiled.updatesInBackward() ||
      config.updatesInBackward())
    return Status::ok();
  const bool clips = config.maxGradNorm != 0;
  const std::string key = clips ? "max_grad_norm" : "gradient_accumulation_steps";
  const std::string value = clips ? formatNumber(config.maxGradNorm, 6)
                                  : std::to_string(config.gradientAccumulationSteps);
  const std::string had = clips ? formatNumber(compiled.maxGradNorm, 6)
                                : std::to_string(compiled.gradientAccumulationSteps);
  std::string where = config.whereOf(key);
  return makeError(where.empty() ? package.path() : where,
                   quoted(key) + " is " + value + ", and " + package.path() +
                       " was compiled with " + had +
                       " to update each parameter as soon as its gradient is known; it cannot "
                       "change without ftc compile");
}

Result<TrainConfig> resolveConfig(const Package &package, const TrainOptions &options,
                                  std::vector<std::string> *warnings) {
  Result<TrainConfig> compiled = package.trainConfig();
  if (!compiled)
    return compiled;
  TrainConfig config = *compiled;
  if (!options.trainFile.empty()) {
    Result<json::Value> value = loadConfigFile(options.trainFile);
    if (!value)
      return value.takeError();
    if (Status s = config.merge(*value, options.trainFile, warnings); !s)
      return s.takeError();
  }
  for (const std::string &assignment : options.sets)
    if (Status s = applySet(config, assignment, warnings); !s)
      return s.takeError();
  if (options.maxSteps)
    config.maxSteps = *options.maxSteps;
  if (std::optional<ConfigDifference> difference = firstCompileTimeDifference(*compiled, config))
    return makeError(config.whereOf(difference->key),
                     quoted(difference->key) + " is " + difference->right + ", and " +
                         package.path() + " was compiled with " + difference->left +
                         "; it cannot change without ftc compile");
  if (Status s = checkUpdates(package, *compiled, config); !s)
    return s.takeError();
  return config;
}

namespace {

Recurrence recurrence(const std::string &strategy, StepCount steps, int64_t totalSteps) {
  if (strategy == "steps")
    return {std::max<int64_t>(1, steps.resolve(totalSteps)), false};
  return {0, strategy == "epoch"};
}

} // namespace

Result<TrainingPlan> makePlan(const TrainConfig &config, const StepSource &source, bool hasEvalData,
                              std::vector<std::string> *warnings) {
  // The stream of shuffles has 24 bits for the epoch.
  constexpr double maxEpochs = 16777215;
  TrainingPlan plan;
  plan.stepsInFirstEpoch = source.stepsOfEpochs(1);
  plan.totalSteps = config.maxSteps;
  if (plan.totalSteps < 1) {
    if (config.numTrainEpochs > maxEpochs)
      return makeError(config.whereOf("num_train_epochs"),
                       "'num_train_epochs' is " + formatNumber(config.numTrainEpochs, 8) +
                           "; at most 16777215 are right, or set max_steps");
    plan.totalSteps = source.stepsOfEpochs(config.numTrainEpochs);
  }
  plan.logging = recurrence(config.loggingStrategy, config.loggingSteps, plan.totalSteps);
  if (hasEvalData)
    plan.evaluation =
        recurrence(config.evalStrategy, config.evalSteps ? *config.evalSteps : config.loggingSteps,
                   plan.totalSteps);
  else if (config.evalStrategy != "no")
    warnings->push_back("'eval_strategy' is " + quoted(config.evalStrategy) +
                        " without --eval-data: nothing is evaluated");
  plan.saving = recurrence(config.saveStrategy, config.saveSteps, plan.totalSteps);
  plan.savesLast = config.saveStrategy == "steps" || config.saveStrategy == "epoch";
  plan.savesBest = config.saveStrategy == "best" || config.loadBestModelAtEnd;
  plan.tracksBest = plan.savesBest || !config.metricForBestModel.empty();
  if (plan.savesBest && !hasEvalData) {
    const char *key = config.loadBestModelAtEnd ? "load_best_model_at_end" : "save_strategy";
    std::string where = config.whereOf(key);
    return makeError(where.empty() ? "--eval-data" : where,
                     quoted(key) + " is " + (config.loadBestModelAtEnd ? "true" : "'best'") +
                         ", which needs the loss of --eval-data");
  }
  return plan;
}

} // namespace ftc::trainer
