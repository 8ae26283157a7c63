//===- Train.cpp - ftc train -----------------------------------------------===//
// The training loop over the runtime's entry points.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainingPlan.h"

#include "ftc/Support/AtomicFile.h"
#include "ftc/Trainer/Evaluation.h"
#include "ftc/Trainer/Format.h"
#include "ftc/Trainer/Plot.h"
#include "ftc/Trainer/Progress.h"
#include "ftc/Trainer/Save.h"
#include "ftc/Trainer/Schedule.h"
#include "ftc/Trainer/TrainerState.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string_view>

#include <unistd.h>

namespace ftc::trainer {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void printWarnings(std::vector<std::string> &warnings) {
  for (const std::string &warning : warnings)
    std::fputs(formatWarning(warning).c_str(), stderr);
  warnings.clear();
}

/// What one optimizer step gives.
struct StepOutcome {
  double loss = 0;
  double gradNorm = 0;
  int64_t tokens = 0;
};

/// One run, from the first step to the saved weights.
class TrainingRun {
public:
  TrainingRun(const TrainOptions &options, const Package &package, TrainConfig config, Dataset data,
              StepSource source, TrainingPlan plan, Schedule schedule, Instance instance,
              std::optional<Evaluator> evaluator, MetricsFile metrics)
      : options(options), package(package), config(std::move(config)), data(std::move(data)),
        source(std::move(source)), plan(plan), schedule(schedule), instance(std::move(instance)),
        evaluator(std::move(evaluator)), metrics(std::move(metrics)),
        terminal(::isatty(STDOUT_FILENO) == 1), progress(stdout, terminal) {}

  Status run() {
    begin();
    for (int64_t step = 1; step <= plan.totalSteps; ++step)
      if (Status s = advance(step); !s) {
        progress.finish();
        return s;
      }
    return end();
  }

private:
  void begin();
  Status advance(int64_t step);
  Status end();

  Result<StepOutcome> compute(int64_t step, const OptimizerStep &work);
  Error predictsNothing(int64_t step, const OptimizerStep &work) const;
  Error notFinite(int64_t step, const char *what, double value) const;
  Status evaluate(int64_t step);
  bool onGpu() const { return std::string_view(package.info().target) == "cuda"; }

  const TrainOptions &options;
  const Package &package;
  TrainConfig config;
  Dataset data;
  StepSource source;
  TrainingPlan plan;
  Schedule schedule;
  Instance instance;
  std::optional<Evaluator> evaluator;
  MetricsFile metrics;
  bool terminal;
  Progress progress;

  TrainerState state;
  std::vector<BatchBuffer> buffers;
  std::vector<PlotPoint> losses;
  double lossSinceLog = 0;
  int64_t stepsSinceLog = 0;
  double stepSeconds = 0;      ///< of all steps
  double firstStepSeconds = 0; ///< slower than the others: pages are touched for the first time
  std::optional<double> evalLoss;
};

void TrainingRun::begin() {
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
  if (schedule.warmupSteps() > 0 && config.lrSchedulerType != "constant")
    optimizer += " after " + formatPlural(schedule.warmupSteps(), "warmup step");
  optimizer += ", weight decay " + formatNumber(config.weightDecay, 6);
  optimizer += config.maxGradNorm > 0
                   ? ", gradient norm at most " + formatNumber(config.maxGradNorm, 6)
                   : ", no clipping";

  std::printf("ftc train %s: %s %s, %s\n", package.path().c_str(), info.target, info.arch,
              formatPlural(effectiveThreads(options.threads), "thread").c_str());
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
              formatBytes(instance.bytes() + (onGpu() ? 0 : mapped)).c_str(),
              onGpu() ? " on the GPU" : "", formatBytes(mapped).c_str(),
              onGpu() ? "copied" : "mapped");
  std::fflush(stdout);

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
  state.parameters = parameters;
}

Error TrainingRun::predictsNothing(int64_t step, const OptimizerStep &work) const {
  std::string lines;
  int64_t count = 0;
  for (size_t b = 0; b < work.count; ++b)
    for (uint32_t index : work.batches[b].sequences)
      if (++count <= 8)
        lines += (lines.empty() ? "" : ", ") + std::to_string(data.line(index));
  return makeError(data.path(), "step " + std::to_string(step) +
                                    " predicts no token, so its loss has no mean; its lines are " +
                                    lines + (count > 8 ? ", ..." : ""));
}

Error TrainingRun::notFinite(int64_t step, const char *what, double value) const {
  return makeError(package.path(), "step " + std::to_string(step) + ": the " + what + " is " +
                                       formatNumber(value, 6) + "; training stopped")
      .note("nothing was saved to " + options.output)
      .note("a lower learning_rate, warmup_steps, or max_grad_norm may help");
}

Result<StepOutcome> TrainingRun::compute(int64_t step, const OptimizerStep &work) {
  if (buffers.size() < work.count)
    buffers.resize(work.count);
  StepOutcome outcome;
  int64_t items = 0;
  for (size_t b = 0; b < work.count; ++b) {
    if (Status s = buffers[b].fill(data, work.batches[b]); !s)
      return s.takeError();
    Result<int64_t> count = instance.items(buffers[b].view());
    if (!count)
      return makeError(data.path(), count.error().str());
    items += *count;
    outcome.tokens += work.batches[b].tokens;
  }
  if (items == 0)
    return predictsNothing(step, work);

  ftc_run run =
      runArguments(config, step, schedule.learningRate(step), 1 / static_cast<double>(items));
  for (size_t b = 0; b < work.count; ++b) {
    bool isLast = b + 1 == work.count;
    ftc_batch batch = buffers[b].view();
    run.micro_batch = static_cast<int64_t>(b);
    Result<ftc_result> result = instance.run(isLast ? "train_step" : "accumulate", &batch, run);
    if (!result)
      return result.takeError();
    outcome.loss += result->loss;
    if (!std::isfinite(outcome.loss))
      return notFinite(step, "loss", outcome.loss);
    if (isLast)
      outcome.gradNorm = result->grad_norm;
  }
  if (!std::isfinite(outcome.gradNorm))
    return notFinite(step, "gradient norm", outcome.gradNorm);
  return outcome;
}

Status TrainingRun::advance(int64_t step) {
  OptimizerStep work = source.next();
  Clock::time_point begin = Clock::now();
  Result<StepOutcome> outcome = compute(step, work);
  if (!outcome)
    return outcome.takeError();
  double seconds = std::max(secondsSince(begin), 1e-9);
  stepSeconds += seconds;
  if (step == 1)
    firstStepSeconds = seconds;

  StepReport report;
  report.step = step;
  report.totalSteps = plan.totalSteps;
  report.loss = outcome->loss;
  report.gradNorm = outcome->gradNorm;
  report.learningRate = schedule.learningRate(step);
  report.tokensPerSecond = static_cast<double>(outcome->tokens) / seconds;
  report.stepSeconds = seconds;
  double mean =
      step == 1 ? seconds : (stepSeconds - firstStepSeconds) / static_cast<double>(step - 1);
  report.secondsLeft = mean * static_cast<double>(plan.totalSteps - step);
  // Where the step runs: on a GPU what the instance has there, else what the process has.
  report.memoryBytes = onGpu() ? instance.bytes() : residentBytes();
  if (Status s = metrics.step(report); !s)
    return s;
  losses.push_back({step, outcome->loss});

  state.globalStep = step;
  state.epoch = work.epochsDone();
  state.tokensSeen += outcome->tokens;
  lossSinceLog += outcome->loss;
  ++stepsSinceLog;
  bool isLogged = plan.logging.isDue(step, work) || (step == 1 && config.loggingFirstStep) ||
                  (step == plan.totalSteps && config.loggingStrategy != "no");
  if (isLogged) {
    // What is logged is the mean of the steps since the log before, as in transformers.
    report.loss = lossSinceLog / static_cast<double>(stepsSinceLog);
    state.logStep(report.loss, report.gradNorm, report.learningRate);
    lossSinceLog = 0;
    stepsSinceLog = 0;
  }
  progress.step(report, isLogged);
  if (evaluator && (plan.evaluation.isDue(step, work) || step == plan.totalSteps))
    return evaluate(step);
  return Status::ok();
}

Status TrainingRun::evaluate(int64_t step) {
  Result<Evaluation> result = evaluator->run(instance, config);
  if (!result)
    return result.takeError();
  evalLoss = result->loss;
  state.logEvaluation(result->loss);
  char loss[32];
  std::snprintf(loss, sizeof loss, "%.4f", result->loss);
  progress.line("step " + std::to_string(step) + '/' + std::to_string(plan.totalSteps) +
                " | eval loss " + loss + " | " + formatPlural(result->tokens, "predicted token"));
  return metrics.evaluation(step, result->loss, result->tokens);
}

Status TrainingRun::end() {
  progress.finish();
  double sum = 0;
  for (const PlotPoint &point : losses)
    sum += point.value;
  state.logEnd(sum / static_cast<double>(losses.size()));
  if (Status s = saveOutput(package, instance, options.weights,
                            json::dump(state.toValue(), 2) + '\n', options.output);
      !s)
    return s;
  if (terminal || options.plot)
    std::printf("\n%s\n", plotCurve("training loss", losses).c_str());
  std::printf(
      "%s in %s, %s tokens/s | loss %.4f -> %.4f", formatPlural(plan.totalSteps, "step").c_str(),
      formatDuration(stepSeconds).c_str(),
      formatCount(std::llround(static_cast<double>(state.tokensSeen) / stepSeconds)).c_str(),
      losses.front().value, losses.back().value);
  if (evalLoss)
    std::printf(" | eval loss %.4f", *evalLoss);
  std::printf("\nsaved the %s to %s\n", package.info().writes_model ? "model" : "adapter",
              options.output.c_str());
  return Status::ok();
}

/// A metrics file inside the output directory would keep that from appearing whole.
Status checkMetricsPlace(const TrainOptions &options) {
  namespace fs = std::filesystem;
  std::error_code failure;
  fs::path output = fs::weakly_canonical(options.output + "/.", failure);
  fs::path parent = fs::weakly_canonical(directoryName(options.metrics), failure);
  if (output.filename().empty() || output.filename() == ".")
    output = output.parent_path();
  for (fs::path at = parent; !failure; at = at.parent_path()) {
    if (at == output)
      return makeError(options.metrics,
                       "lies in the output directory, which appears whole at the end of the run; "
                       "give a path outside " +
                           options.output);
    if (at == at.parent_path())
      break;
  }
  return Status::ok();
}

} // namespace

Status runTrain(const TrainOptions &options) {
  if (options.resume)
    return makeError("--resume", "is not supported yet; start anew with a new --output directory");
  if (Status s = checkOutputDirectory(options.output); !s)
    return s;
  if (!options.metrics.empty())
    if (Status s = checkMetricsPlace(options); !s)
      return s;

  Result<Package> package = Package::load(options.package);
  if (!package)
    return package.takeError();
  std::vector<std::string> warnings;
  Result<TrainConfig> config = resolveConfig(*package, options, &warnings);
  printWarnings(warnings);
  if (!config)
    return config.takeError();
  Result<Dataset> data = Dataset::load(options.data, datasetLimits(*package));
  if (!data)
    return data.takeError();
  std::optional<Evaluator> evaluator;
  if (!options.evalData.empty()) {
    Result<Dataset> evalData = Dataset::load(options.evalData, datasetLimits(*package));
    if (!evalData)
      return evalData.takeError();
    evaluator.emplace(std::move(*evalData), *package);
  }

  StepSource source(data->lengths(), packingLimits(*package),
                    static_cast<uint64_t>(config->effectiveDataSeed()),
                    config->gradientAccumulationSteps);
  Result<TrainingPlan> plan = makePlan(*config, source, evaluator.has_value(), &warnings);
  printWarnings(warnings);
  if (!plan)
    return plan.takeError();
  Result<Schedule> schedule = Schedule::create(*config, plan->totalSteps);
  if (!schedule)
    return schedule.takeError();
  Result<Instance> instance =
      startInstance(*package, {options.weights, options.adapterWeights, options.threads,
                               static_cast<uint64_t>(config->seed)});
  if (!instance)
    return instance.takeError();
  Result<MetricsFile> metrics = MetricsFile::create(options.metrics);
  if (!metrics)
    return metrics.takeError();
  return TrainingRun(options, *package, std::move(*config), std::move(*data), std::move(source),
                     *plan, *schedule, std::move(*instance), std::move(evaluator),
                     std::move(*metrics))
      .run();
}

} // namespace ftc::trainer
