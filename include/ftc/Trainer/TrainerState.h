//===- TrainerState.h - trainer_state.json ---------------------------------===//
// The record of a run in the shape of transformers' TrainerState.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_TRAINERSTATE_H
#define FTC_TRAINER_TRAINERSTATE_H

#include "ftc/Support/Json.h"

#include <optional>
#include <string>

namespace ftc::trainer {

/// What transformers.TrainerState holds. No times stand in it, so that the same run writes the same
/// bytes; they are in the metrics.
class TrainerState {
public:
  double epoch = 0;
  int64_t globalStep = 0;
  int64_t maxSteps = 0;
  int64_t loggingSteps = 0;
  int64_t evalSteps = 0;
  int64_t saveSteps = 0;
  int64_t trainBatchSize = 0;
  double numTrainEpochs = 0;
  int64_t tokensSeen = 0;
  std::optional<int64_t> bestGlobalStep;
  std::optional<double> bestMetric;
  std::string bestModelCheckpoint; ///< empty: none
  bool ended = false;              ///< no step is left
  int64_t parameters = 0; ///< of base and trainable tensors, for the estimate of total_flos

  /// A step's record: `loss` is the mean since the record before.
  void logStep(double loss, double gradNorm, double learningRate);
  void logEvaluation(double evalLoss);
  /// The last record: the mean loss of all steps.
  void logEnd(double trainLoss);

  /// 6 x tokens x parameters, transformers' estimate of a training's operations.
  double totalFlos() const;
  json::Value toValue() const;
  /// Takes from a checkpoint's file what a run adds to: the history and the tokens.
  Status restore(const json::Value &saved, const std::string &path);

private:
  json::Value history = json::Value::array();
};

/// Steps, epochs, tokens and the first, last, mean and evaluation loss of a trainer_state.json;
/// what it lacks is left out.
json::Value runSummary(const json::Value &trainerState);

} // namespace ftc::trainer

#endif // FTC_TRAINER_TRAINERSTATE_H
