//===- TrainingRun.h - one run, from its first step to its result ----------===//
// The loop over optimizer steps, with what is logged, evaluated, guarded and saved between them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TRAINER_TRAININGRUN_H
#define FTC_LIB_TRAINER_TRAININGRUN_H

#include "TrainingPlan.h"

#include "ftc/Trainer/Checkpoint.h"
#include "ftc/Trainer/Evaluation.h"
#include "ftc/Trainer/EventFile.h"
#include "ftc/Trainer/Guards.h"
#include "ftc/Trainer/Interrupt.h"
#include "ftc/Trainer/Plot.h"
#include "ftc/Trainer/Progress.h"
#include "ftc/Trainer/RunDirectory.h"
#include "ftc/Trainer/Schedule.h"
#include "ftc/Trainer/TrainerState.h"

namespace ftc::trainer {

/// What a run is made of, once everything has been read and checked.
struct RunParts {
  const TrainOptions &options;
  const Package &package;
  TrainConfig config;
  Dataset data;
  StepSource source;
  TrainingPlan plan;
  Schedule schedule;
  Instance instance;
  std::optional<Evaluator> evaluator;
  RunDirectory directory;
  BaseChecksums base;
  RunIdentity identity;
};

class TrainingRun {
public:
  explicit TrainingRun(RunParts parts);

  /// Takes state, counters and history from `checkpoint-STEP`. Before `run`.
  Status resume(int64_t step);
  /// Trains to the end, or to the end of the step in which a signal comes: `stoppedBy` is its
  /// number then, else 0.
  Status run(int *stoppedBy);

private:
  // TrainingRun.cpp: the loop.
  Status openMetrics();
  Status openEvents();
  void printPlan() const;
  void beginState();
  Status advance(int64_t step);
  Result<StepReport> step(int64_t step, const OptimizerStep &work);
  Status compute(int64_t step, const OptimizerStep &work, StepReport &report);
  void measurePeak(const StepReport &report);
  Status log(const OptimizerStep &work, StepReport report);
  Status evaluate(int64_t step);
  Status end();
  void printEnd() const;

  // RunGuards.cpp: what stops it.
  Error predictsNothing(int64_t step, const OptimizerStep &work) const;
  Error notFinite(int64_t step, const char *what, double value) const;
  Status checkGradients(int64_t step);
  Status checkBase() const;
  Error stopped(Error error) const;

  // RunSaves.cpp: what it leaves.
  Status save(int64_t step);
  Status prune();
  Status saveIfDue(int64_t step, const OptimizerStep &work);
  Status writeRecord(const std::string &directory) const;
  Status publish();
  Status leave(int64_t step, int signal);

  bool onGpu() const { return std::string_view(parts.package.info().target) == "cuda"; }

  RunParts parts;
  bool terminal;
  Progress progress;
  MetricsFile metrics;
  EventFile events;
  bool metricsOpen = false;

  TrainerState state;
  RunCounters counters;
  int64_t firstStep = 1;  ///< of this process
  int64_t savedStep = 0;  ///< the newest checkpoint
  int64_t tokensHere = 0; ///< of this process
  std::vector<BatchBuffer> buffers;
  std::vector<PlotPoint> losses; ///< of the steps of this process
  double stepSeconds = 0;        ///< of them
  double flopsHere = 0;          ///< that they needed
  std::optional<double> peak;    ///< operations a second of this machine; 0: cannot be measured
  double firstStepSeconds = 0;   ///< slower than the others: pages are touched for the first time
};

} // namespace ftc::trainer

#endif // FTC_LIB_TRAINER_TRAININGRUN_H
