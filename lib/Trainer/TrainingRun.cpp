//===- TrainingRun.cpp - one run, from its first step to its result --------===//
// The loop over the runtime's entry points.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainingRun.h"

#include "ftc/Mutants.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Trainer/Format.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <unistd.h>

namespace ftc::trainer {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Keeps a chart's points few: of each two neighbours the mean, at the first one's step.
void thin(std::vector<PlotPoint> &points) {
  constexpr size_t most = 8192;
  if (points.size() < most)
    return;
  for (size_t i = 0; i < most / 2; ++i)
    points[i] = {points[2 * i].step, (points[2 * i].value + points[2 * i + 1].value) / 2};
  points.resize(most / 2);
}

} // namespace

TrainingRun::TrainingRun(RunParts given)
    : parts(std::move(given)), terminal(::isatty(STDOUT_FILENO) == 1), progress(stdout, terminal),
      metrics(MetricsFile::none()), events(EventFile::none()) {
  beginState();
}

Status TrainingRun::run(int *stoppedBy) {
  InterruptScope interrupt;
  // Before anything is computed, where it can be; in the output directory, which is made when there
  // is something to put into it, with the first step.
  if (!parts.options.metrics.empty())
    if (Status s = openMetrics(); !s)
      return s;
  printPlan();
  for (int64_t step = firstStep; step <= parts.plan.totalSteps; ++step) {
    if (Status s = advance(step); !s) {
      progress.finish();
      return s;
    }
    if (int signal = interrupt.received(); signal && step < parts.plan.totalSteps) {
      *stoppedBy = signal;
      return leave(step, signal);
    }
  }
  return end();
}

Status TrainingRun::openMetrics() {
  if (metricsOpen)
    return Status::ok();
  std::string path = parts.options.metrics;
  if (path.empty() || isWithin(path, parts.directory.path()))
    if (Status s = parts.directory.prepare(); !s)
      return s;
  if (path.empty())
    path = joinPath(parts.directory.path(), "metrics.jsonl");
  Result<MetricsFile> opened = MetricsFile::create(path, counters.step);
  if (!opened)
    return opened.takeError();
  metrics = std::move(*opened);
  if (Status s = openEvents(); !s)
    return s;
  metricsOpen = true;
  return Status::ok();
}

Status TrainingRun::openEvents() {
  if (!parts.config.reportsToTensorBoard())
    return Status::ok();
  std::string directory = parts.config.loggingDir;
  if (directory.empty())
    directory = joinPath(parts.directory.path(), "runs");
  if (isWithin(directory, parts.directory.path()))
    if (Status s = parts.directory.prepare(); !s)
      return s;
  Result<EventFile> opened = EventFile::create(directory, firstStep);
  if (!opened)
    return opened.takeError();
  events = std::move(*opened);
  return Status::ok();
}

Status TrainingRun::compute(int64_t step, const OptimizerStep &work, StepReport &report) {
  if (buffers.size() < work.count)
    buffers.resize(work.count);
  int64_t items = 0;
  for (size_t b = 0; b < work.count; ++b) {
    if (Status s = buffers[b].fill(parts.data, work.batches[b]); !s)
      return s;
    Result<int64_t> count = parts.instance.items(buffers[b].view());
    if (!count)
      return makeError(parts.data.path(), count.error().str());
    items += *count;
    report.tokens += work.batches[b].tokens;
    Result<double> flops = parts.instance.flops(buffers[b].view());
    if (!flops)
      return makeError(parts.data.path(), flops.error().str());
    report.flops += *flops;
  }
  if (items == 0)
    return predictsNothing(step, work);

  report.learningRate = parts.schedule.learningRate(step);
  ftc_run run =
      runArguments(parts.config, step, report.learningRate, 1 / static_cast<double>(items));
  for (size_t b = 0; b < work.count; ++b) {
    bool isLast = b + 1 == work.count;
    ftc_batch batch = buffers[b].view();
    run.micro_batch = static_cast<int64_t>(b);
    run.inv_items = FTC_MUTATE("mean-of-means", run.inv_items,
                               1 / static_cast<double>(work.count * *parts.instance.items(batch)));
    Result<ftc_result> result =
        parts.instance.run(isLast ? "train_step" : "accumulate", &batch, run);
    if (!result)
      return stopped(result.takeError());
    report.loss += result->loss;
    if (FTC_MUTATE("nan-accepted", !std::isfinite(report.loss), false))
      return notFinite(step, "loss", report.loss);
    if (isLast)
      report.gradNorm = result->grad_norm;
  }
  if (FTC_MUTATE("nan-accepted", !std::isfinite(report.gradNorm), false))
    return notFinite(step, "gradient norm", report.gradNorm);
  return checkGradients(step);
}

Result<StepReport> TrainingRun::step(int64_t step, const OptimizerStep &work) {
  Clock::time_point begin = Clock::now();
  StepReport report;
  report.step = step;
  report.totalSteps = parts.plan.totalSteps;
  if (Status s = compute(step, work, report); !s)
    return s.takeError();
  report.stepSeconds = std::max(secondsSince(begin), 1e-9);
  stepSeconds += report.stepSeconds;
  if (step == firstStep)
    firstStepSeconds = report.stepSeconds;
  flopsHere += report.flops;
  measurePeak(report);
  if (peak && *peak > 0)
    report.mfu = report.flops / report.stepSeconds / *peak;
  report.tokensPerSecond = static_cast<double>(report.tokens) / report.stepSeconds;
  double mean = step == firstStep
                    ? stepSeconds
                    : (stepSeconds - firstStepSeconds) / static_cast<double>(step - firstStep);
  report.epoch = work.epochsDone();
  report.secondsLeft = mean * static_cast<double>(parts.plan.totalSteps - step);
  // Where the step runs: on a GPU what the instance has there, else what the process has.
  report.memoryBytes = onGpu() ? parts.instance.bytes() : residentBytes();
  return report;
}

/// Once steps have taken ten times as long as it takes.
void TrainingRun::measurePeak(const StepReport &report) {
  constexpr double seconds = 0.2;
  if (!peak) {
    if (report.step == firstStep || stepSeconds < 10 * seconds)
      return;
    Result<double> measured = parts.instance.measurePeak(seconds);
    peak = measured ? *measured : 0;
  }
  // What a step has reached the machine reaches, whatever else it had to do while it was measured.
  if (*peak > 0)
    peak = std::max(*peak, report.flops / report.stepSeconds);
}

Status TrainingRun::advance(int64_t number) {
  OptimizerStep work = parts.source.next();
  Result<StepReport> report = step(number, work);
  if (!report)
    return report.takeError();
  if (Status s = openMetrics(); !s)
    return s;
  if (Status s = metrics.step(*report); !s)
    return s;
  losses.push_back({number, report->loss});
  thin(losses);
  tokensHere += report->tokens;

  counters.step = number;
  counters.epoch = work.epoch;
  counters.batchesDone = work.batchesDone;
  if (number == 1)
    counters.firstLoss = report->loss;
  counters.lossSum += report->loss;
  counters.lossSinceLog += report->loss;
  ++counters.stepsSinceLog;
  state.globalStep = number;
  state.epoch = work.epochsDone();
  state.tokensSeen += report->tokens;
  if (Status s = log(work, *report); !s)
    return s;
  if (parts.evaluator &&
      (parts.plan.evaluation.isDue(number, work) || number == parts.plan.totalSteps))
    if (Status s = evaluate(number); !s)
      return s;
  return saveIfDue(number, work);
}

Status TrainingRun::log(const OptimizerStep &work, StepReport report) {
  const TrainingPlan &plan = parts.plan;
  bool isLogged = plan.logging.isDue(report.step, work) ||
                  (report.step == 1 && parts.config.loggingFirstStep) ||
                  (report.step == plan.totalSteps && parts.config.loggingStrategy != "no");
  if (isLogged) {
    // What is logged is the mean of the steps since the log before, as in transformers.
    report.loss = counters.lossSinceLog / static_cast<double>(counters.stepsSinceLog);
    state.logStep(report.loss, report.gradNorm, report.learningRate);
    counters.lossSinceLog = 0;
    counters.stepsSinceLog = 0;
    if (Status s = events.step(report); !s)
      return s;
  }
  progress.step(report, isLogged);
  return Status::ok();
}

Status TrainingRun::evaluate(int64_t step) {
  Result<Evaluation> result = parts.evaluator->run(parts.instance, parts.config);
  if (!result)
    return stopped(result.takeError());
  if (!std::isfinite(result->loss))
    return notFinite(step, "evaluation loss", result->loss);
  counters.evalLoss = result->loss;
  state.logEvaluation(result->loss);
  if (parts.plan.tracksBest && (!counters.bestLoss || result->loss < *counters.bestLoss)) {
    state.bestMetric = counters.bestLoss = result->loss;
    state.bestGlobalStep = counters.bestStep = step;
  }
  char loss[32];
  std::snprintf(loss, sizeof loss, "%.4f", result->loss);
  progress.line("step " + std::to_string(step) + '/' + std::to_string(parts.plan.totalSteps) +
                " | eval loss " + loss + " | " + formatPlural(result->tokens, "predicted token"));
  if (Status s = events.evaluation(step, result->loss); !s)
    return s;
  return metrics.evaluation(step, result->loss, result->tokens);
}

Status TrainingRun::end() {
  progress.finish();
  if (Status s = checkBase(); !s)
    return s;
  // Where a killed process had saved its last checkpoint, and this one none.
  if (Status s = prune(); !s)
    return s;
  state.ended = true;
  state.logEnd(counters.lossSum / static_cast<double>(parts.plan.totalSteps));
  if (Status s = publish(); !s)
    return s;
  printEnd();
  return Status::ok();
}

} // namespace ftc::trainer
