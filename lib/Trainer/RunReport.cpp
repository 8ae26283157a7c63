//===- RunReport.cpp - what a run says of itself ---------------------------===//
// The plan before the first step and the sum after the last one.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainingRun.h"

#include "ftc/Trainer/Format.h"

#include <algorithm>
#include <cmath>

namespace ftc::trainer {

void TrainingRun::printPlan() const {
  const Package &package = parts.package;
  const TrainConfig &config = parts.config;
  const Dataset &data = parts.data;
  const TrainingPlan &plan = parts.plan;
  const ftc_package_info &info = package.info();
  int64_t trainable = package.elements(FTC_TRAINABLE);
  int64_t parameters = trainable + package.elements(FTC_BASE);
  uint64_t mapped = package.bytes(FTC_BASE);
  double share =
      100 * static_cast<double>(trainable) / static_cast<double>(std::max<int64_t>(parameters, 1));

  std::string dataLine = data.path() + ": " +
                         formatPlural(static_cast<int64_t>(data.size()), "sequence") + ", " +
                         formatPlural(data.tokens(), "token") + ", " +
                         formatCount(data.predictedTokens()) + " predicted";
  if (data.splits() > 0)
    dataLine += "; cut " + formatPlural(data.splits(), "time") + " at " +
                formatPlural(info.max_length, "token");
  if (data.leftOut() > 0)
    dataLine += "; left out " + formatPlural(data.leftOut(), "piece") + " that predict nothing";
  std::string optimizer = config.optim + ", learning rate " + formatNumber(config.learningRate, 6) +
                          ' ' + config.lrSchedulerType;
  if (parts.schedule.warmupSteps() > 0 && config.lrSchedulerType != "constant")
    optimizer += " after " + formatPlural(parts.schedule.warmupSteps(), "warmup step");
  optimizer += ", weight decay " + formatNumber(config.weightDecay, 6);
  optimizer += config.maxGradNorm > 0
                   ? ", gradient norm at most " + formatNumber(config.maxGradNorm, 6)
                   : ", no clipping";

  std::printf("ftc train %s: %s %s, %s\n", package.path().c_str(), info.target, info.arch,
              formatPlural(effectiveThreads(parts.options.threads), "thread").c_str());
  std::printf("  trainable  %s of %s parameters (%s%%)\n", formatCount(trainable).c_str(),
              formatCount(parameters).c_str(), formatNumber(share, 3).c_str());
  std::printf("  data       %s\n", dataLine.c_str());
  std::printf("  step       %s (%lld x %lld) in at most %s, %s\n",
              formatPlural(info.tokens * config.gradientAccumulationSteps, "token").c_str(),
              static_cast<long long>(info.batch), static_cast<long long>(info.max_length),
              formatPlural(info.max_segments, "segment").c_str(),
              formatPlural(config.gradientAccumulationSteps, "micro-batch").c_str());
  std::printf("  steps      %s, %s an epoch\n", formatCount(plan.totalSteps).c_str(),
              formatCount(plan.stepsInFirstEpoch).c_str());
  std::printf("  optimizer  %s\n", optimizer.c_str());
  std::printf("  memory     %s planned%s, %s of it %s weights\n",
              formatBytes(parts.instance.bytes() + (onGpu() ? 0 : mapped)).c_str(),
              onGpu() ? " on the GPU" : "", formatBytes(mapped).c_str(),
              onGpu() ? "copied" : "mapped");
  if (counters.step > 0)
    std::printf("  resume     %s: %s of %s done\n",
                parts.directory.checkpointPath(counters.step).c_str(),
                formatCount(counters.step).c_str(), formatPlural(plan.totalSteps, "step").c_str());
  std::fflush(stdout);
}

void TrainingRun::beginState() {
  const TrainConfig &config = parts.config;
  const TrainingPlan &plan = parts.plan;
  state.maxSteps = plan.totalSteps;
  state.numTrainEpochs = config.maxSteps > 0
                             ? std::ceil(static_cast<double>(plan.totalSteps) /
                                         static_cast<double>(plan.stepsInFirstEpoch))
                             : config.numTrainEpochs;
  state.trainBatchSize = config.perDeviceTrainBatchSize;
  state.loggingSteps = config.loggingSteps.resolve(plan.totalSteps);
  state.evalSteps =
      (config.evalSteps ? *config.evalSteps : config.loggingSteps).resolve(plan.totalSteps);
  state.saveSteps = config.saveSteps.resolve(plan.totalSteps);
  state.parameters = parts.package.elements(FTC_TRAINABLE) + parts.package.elements(FTC_BASE);
}

void TrainingRun::printEnd() const {
  if ((terminal || parts.options.plot) && !losses.empty())
    std::printf("\n%s\n", plotCurve("training loss", losses).c_str());
  if (losses.empty())
    std::printf("nothing was left to train");
  else
    std::printf("%s in %s", formatPlural(parts.plan.totalSteps - firstStep + 1, "step").c_str(),
                formatDuration(stepSeconds).c_str());
  if (stepSeconds > 0)
    std::printf(", %s tokens/s",
                formatCount(std::llround(static_cast<double>(tokensHere) / stepSeconds)).c_str());
  if (peak && *peak > 0)
    std::printf(", mfu %.0f%% of %s measured", 100 * flopsHere / stepSeconds / *peak,
                formatRate(*peak).c_str());
  if (!losses.empty())
    std::printf(" | loss %.4f -> %.4f", counters.firstLoss, losses.back().value);
  if (counters.evalLoss)
    std::printf(" | eval loss %.4f", *counters.evalLoss);
  const char *what = parts.package.info().writes_model ? "model" : "adapter";
  if (parts.config.loadBestModelAtEnd && counters.savedBest)
    std::printf("\nsaved the %s of step %s, with the least eval loss, to %s\n", what,
                formatCount(*counters.savedBest).c_str(), parts.options.output.c_str());
  else
    std::printf("\nsaved the %s to %s\n", what, parts.options.output.c_str());
}

} // namespace ftc::trainer
