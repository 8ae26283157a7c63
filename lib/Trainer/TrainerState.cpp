//===- TrainerState.cpp - trainer_state.json -------------------------------===//
// The keys of transformers' TrainerState, in the order of its file (sorted).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/TrainerState.h"

#include "ftc/Support/ObjectReader.h"

#include <cmath>

namespace ftc::trainer {

void TrainerState::logStep(double loss, double gradNorm, double learningRate) {
  json::Value entry = json::Value::object();
  entry.set("epoch", epoch)
      .set("grad_norm", gradNorm)
      .set("learning_rate", learningRate)
      .set("loss", loss)
      .set("num_input_tokens_seen", tokensSeen)
      .set("step", globalStep);
  history.push(std::move(entry));
}

void TrainerState::logEvaluation(double evalLoss) {
  json::Value entry = json::Value::object();
  entry.set("epoch", epoch).set("eval_loss", evalLoss).set("step", globalStep);
  history.push(std::move(entry));
}

void TrainerState::logEnd(double trainLoss) {
  json::Value entry = json::Value::object();
  entry.set("epoch", epoch)
      .set("num_input_tokens_seen", tokensSeen)
      .set("step", globalStep)
      .set("total_flos", totalFlos())
      .set("train_loss", trainLoss);
  history.push(std::move(entry));
}

double TrainerState::totalFlos() const {
  return 6.0 * static_cast<double>(tokensSeen) * static_cast<double>(parameters);
}

json::Value TrainerState::toValue() const {
  json::Value attributes = json::Value::object();
  attributes.set("should_epoch_stop", false)
      .set("should_evaluate", false)
      .set("should_log", false)
      .set("should_save", true)
      .set("should_training_stop", ended);
  json::Value control = json::Value::object();
  control.set("args", json::Value::object()).set("attributes", std::move(attributes));
  json::Value callbacks = json::Value::object();
  callbacks.set("TrainerControl", std::move(control));

  json::Value state = json::Value::object();
  state.set("best_global_step", bestGlobalStep ? json::Value(*bestGlobalStep) : json::Value())
      .set("best_metric", bestMetric ? json::Value(*bestMetric) : json::Value())
      .set("best_model_checkpoint",
           bestModelCheckpoint.empty() ? json::Value() : json::Value(bestModelCheckpoint))
      .set("epoch", epoch)
      .set("eval_steps", evalSteps)
      .set("global_step", globalStep)
      .set("is_hyper_param_search", false)
      .set("is_local_process_zero", true)
      .set("is_world_process_zero", true)
      .set("log_history", history)
      .set("logging_steps", loggingSteps)
      .set("max_steps", maxSteps)
      .set("num_input_tokens_seen", tokensSeen)
      .set("num_train_epochs", static_cast<int64_t>(std::ceil(numTrainEpochs)))
      .set("save_steps", saveSteps)
      .set("stateful_callbacks", std::move(callbacks))
      .set("total_flos", totalFlos())
      .set("train_batch_size", trainBatchSize)
      .set("trial_name", nullptr)
      .set("trial_params", nullptr);
  return state;
}

Status TrainerState::restore(const json::Value &saved, const std::string &path) {
  json::ObjectReader reader(saved, path);
  Result<const json::Value *> list = reader.getArray("log_history");
  if (!list)
    return list.takeError();
  Result<int64_t> tokens = reader.getInt("num_input_tokens_seen", 0);
  if (!tokens)
    return tokens.takeError();
  history = **list;
  tokensSeen = *tokens;
  return Status::ok();
}

} // namespace ftc::trainer
