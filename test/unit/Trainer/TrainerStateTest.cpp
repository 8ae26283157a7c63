//===- TrainerStateTest.cpp - trainer_state.json ---------------------------===//
// The keys that transformers reads, and the log.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/TrainerState.h"

#include "gtest/gtest.h"

namespace ftc::trainer {
namespace {

TrainerState someState() {
  TrainerState state;
  state.maxSteps = 10;
  state.numTrainEpochs = 2.5;
  state.trainBatchSize = 4;
  state.loggingSteps = 5;
  state.evalSteps = 5;
  state.saveSteps = 500;
  state.parameters = 100;
  for (int64_t step : {5, 10}) {
    state.globalStep = step;
    state.epoch = static_cast<double>(step) / 4;
    state.tokensSeen = step * 1000;
    state.logStep(4.0 / static_cast<double>(step), 0.5, 0.25);
  }
  state.logEvaluation(1.5);
  state.logEnd(0.75);
  return state;
}

TEST(TrainerState, HasTheKeysOfTransformers) {
  json::Value value = someState().toValue();
  std::vector<std::string> keys;
  for (const json::Member &member : value.members())
    keys.push_back(member.key);
  // transformers.TrainerState's fields, sorted as in its file.
  EXPECT_EQ(keys, (std::vector<std::string>{"best_global_step",
                                            "best_metric",
                                            "best_model_checkpoint",
                                            "epoch",
                                            "eval_steps",
                                            "global_step",
                                            "is_hyper_param_search",
                                            "is_local_process_zero",
                                            "is_world_process_zero",
                                            "log_history",
                                            "logging_steps",
                                            "max_steps",
                                            "num_input_tokens_seen",
                                            "num_train_epochs",
                                            "save_steps",
                                            "stateful_callbacks",
                                            "total_flos",
                                            "train_batch_size",
                                            "trial_name",
                                            "trial_params"}));
  EXPECT_EQ(*value.find("global_step"), json::Value(10));
  EXPECT_EQ(*value.find("epoch"), json::Value(2.5));
  EXPECT_EQ(*value.find("num_train_epochs"), json::Value(3));
  EXPECT_EQ(*value.find("num_input_tokens_seen"), json::Value(10000));
  EXPECT_EQ(*value.find("total_flos"), json::Value(6.0 * 10000 * 100));
}

TEST(TrainerState, LogsInOrder) {
  json::Value value = someState().toValue();
  EXPECT_EQ(json::dump(*value.find("log_history")),
            "[{\"epoch\":1.25,\"grad_norm\":0.5,\"learning_rate\":0.25,\"loss\":0.8,"
            "\"num_input_tokens_seen\":5000,\"step\":5},"
            "{\"epoch\":2.5,\"grad_norm\":0.5,\"learning_rate\":0.25,\"loss\":0.4,"
            "\"num_input_tokens_seen\":10000,\"step\":10},"
            "{\"epoch\":2.5,\"eval_loss\":1.5,\"step\":10},"
            "{\"epoch\":2.5,\"num_input_tokens_seen\":10000,\"step\":10,\"total_flos\":6e+06,"
            "\"train_loss\":0.75}]");
}

TEST(TrainerState, IsSummed) {
  EXPECT_EQ(json::dump(runSummary(someState().toValue())),
            "{\"global_step\":10,\"max_steps\":10,\"epoch\":2.5,\"num_input_tokens_seen\":10000,"
            "\"first_loss\":0.8,\"last_loss\":0.4,\"train_loss\":0.75,\"eval_loss\":1.5}");
  EXPECT_EQ(json::dump(runSummary(json::Value::object())), "{}");
}

} // namespace
} // namespace ftc::trainer
