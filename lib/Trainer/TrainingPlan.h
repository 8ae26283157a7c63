//===- TrainingPlan.h - what a run decides before it computes --------------===//
// The configuration over the package's, the horizon, and when to log and evaluate.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TRAINER_TRAININGPLAN_H
#define FTC_LIB_TRAINER_TRAININGPLAN_H

#include "ftc/Trainer/Commands.h"
#include "ftc/Trainer/Packing.h"
#include "ftc/Trainer/Session.h"

namespace ftc::trainer {

/// When something recurs.
struct Recurrence {
  int64_t everySteps = 0; ///< 0: not by steps
  bool everyEpoch = false;

  bool isDue(int64_t step, const OptimizerStep &work) const {
    return (everySteps > 0 && step % everySteps == 0) ||
           (everyEpoch && work.stepInEpoch + 1 == work.stepsInEpoch);
  }
};

struct TrainingPlan {
  int64_t totalSteps = 0;
  int64_t stepsInFirstEpoch = 0;
  Recurrence logging;
  Recurrence evaluation;
  Recurrence saving;
  bool savesLast = false; ///< a checkpoint after the last step
  bool tracksBest = false;
  bool savesBest = false; ///< a checkpoint whenever the evaluation is better than all before
};

/// The package's configuration overlaid with --train, --set and --max-steps, in this order. A
/// compile-time key that differs from the package's is an error.
Result<TrainConfig> resolveConfig(const Package &package, const TrainOptions &options,
                                  std::vector<std::string> *warnings);

/// The horizon is max_steps or, without it, num_train_epochs.
Result<TrainingPlan> makePlan(const TrainConfig &config, const StepSource &source, bool hasEvalData,
                              std::vector<std::string> *warnings);

} // namespace ftc::trainer

#endif // FTC_LIB_TRAINER_TRAININGPLAN_H
