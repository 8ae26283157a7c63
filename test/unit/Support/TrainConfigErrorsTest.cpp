//===- TrainConfigErrorsTest.cpp - what a training configuration refuses ---===//
// Wrong types and ranges, unsupported keys, aliases and unknown keys, with messages.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/TrainConfig.h"

#include "ftc/Support/Yaml.h"

#include "gtest/gtest.h"

using namespace ftc;

namespace {

Error errorOf(std::string_view yaml) {
  Result<json::Value> value = parseYaml(yaml, "t.yaml");
  EXPECT_TRUE(static_cast<bool>(value)) << yaml << ": " << value.error().str();
  Result<TrainConfig> config = TrainConfig::fromValue(*value, "t.yaml", nullptr);
  EXPECT_FALSE(static_cast<bool>(config)) << "accepted: " << yaml;
  return config ? Error{} : config.takeError();
}

std::vector<std::string> warningsOf(std::string_view yaml) {
  std::vector<std::string> warnings;
  Result<json::Value> value = parseYaml(yaml, "t.yaml");
  EXPECT_TRUE(static_cast<bool>(value));
  Result<TrainConfig> config = TrainConfig::fromValue(*value, "t.yaml", &warnings);
  EXPECT_TRUE(static_cast<bool>(config)) << yaml << ": " << config.error().str();
  return warnings;
}

TEST(TrainConfigErrors, TypesAndRanges) {
  struct {
    const char *yaml;
    const char *message;
  } cases[] = {
      {"seed: 1\nbf16: yes\n", "t.yaml:2:7: 'bf16' must be true or false, got the string 'yes'"},
      {"bf16: 1\n", "t.yaml:1:7: 'bf16' must be true or false, got 1"},
      {"bf16: null\n", "t.yaml:1:7: 'bf16' must be true or false, got null"},
      {"per_device_train_batch_size: 0\n",
       "t.yaml:1:30: 'per_device_train_batch_size' must be an integer from 1 to 1048576, got 0"},
      {"per_device_train_batch_size: 2.0\n",
       "t.yaml:1:30: 'per_device_train_batch_size' must be an integer from 1 to 1048576, got 2.0"},
      {"max_length: null\n", "t.yaml:1:13: 'max_length' must be an integer from 1 to 16777216 "
                             "(lengths are compiled in: null is none), got null"},
      {"learning_rate: -1e-4\n",
       "t.yaml:1:16: 'learning_rate' must be a number of at least 0, got -1e-04"},
      {"learning_rate: '1e-4'\n",
       "t.yaml:1:16: 'learning_rate' must be a number of at least 0, got the string '1e-4'"},
      {"adam_beta1: 1.0\n",
       "t.yaml:1:13: 'adam_beta1' must be a number of at least 0 and below 1, got 1.0"},
      {"adam_epsilon: 0\n", "t.yaml:1:15: 'adam_epsilon' must be a number above 0, got 0"},
      {"warmup_ratio: 1.5\n", "t.yaml:1:15: 'warmup_ratio' must be a number from 0 to 1, got 1.5"},
      {"warmup_steps: 1.5\n", "t.yaml:1:15: 'warmup_steps' must be a whole number of steps, or a "
                              "share of all steps below 1, got 1.5"},
      {"save_steps: 0\n",
       "t.yaml:1:13: 'save_steps' must be a whole number of steps of at least 1, "
       "or a share of all steps below 1 (to switch it off set the strategy to "
       "'no'), got 0"},
      {"max_steps: 0\n", "t.yaml:1:12: 'max_steps' must be an integer of at least 1, or -1 "
                         "(num_train_epochs decides), got 0"},
      {"num_train_epochs: 0\n", "t.yaml:1:19: 'num_train_epochs' must be a number above 0, got 0"},
      {"save_total_limit: 0\n", "t.yaml:1:19: 'save_total_limit' must be an integer of at least 1, "
                                "or null (keep all), got 0"},
      {"seed: -1\n", "t.yaml:1:7: 'seed' must be an integer of at least 0, got -1"},
      {"seed: 18446744073709551615\n",
       "t.yaml:1:7: 'seed' must be an integer of at least 0, got 18446744073709551615"},
      {"optim: adamw_8bit\n", "t.yaml:1:8: 'optim' must be an optimizer that ftc has (adamw_torch, "
                              "adamw_torch_fused), got the string 'adamw_8bit'"},
      {"optim: adamw_torhc\n", "t.yaml:1:8: 'optim' must be an optimizer that ftc has "
                               "(adamw_torch, adamw_torch_fused), got "
                               "the string 'adamw_torhc'; did you mean 'adamw_torch'?"},
      {"lr_scheduler_type: greedy\n",
       "t.yaml:1:20: 'lr_scheduler_type' must be a schedule that ftc has (linear, cosine, "
       "constant, constant_with_warmup, cosine_with_restarts, polynomial, inverse_sqrt, "
       "cosine_with_min_lr, cosine_warmup_with_min_lr, warmup_stable_decay), got the string "
       "'greedy'"},
      {"lr_scheduler_type: null\n",
       "t.yaml:1:20: 'lr_scheduler_type' must be a schedule that ftc has (linear, cosine, "
       "constant, constant_with_warmup, cosine_with_restarts, polynomial, inverse_sqrt, "
       "cosine_with_min_lr, cosine_warmup_with_min_lr, warmup_stable_decay), got null"},
      {"lr_scheduler_kwargs: 2\n", "t.yaml:1:22: 'lr_scheduler_kwargs' must be a mapping of "
                                   "keywords of the schedule, or null, got 2"},
      {"loss: dpo\n",
       "t.yaml:1:7: 'loss' must be a loss that ftc has (cross_entropy), got the string 'dpo'"},
      {"save_strategy: newest\n",
       "t.yaml:1:16: 'save_strategy' must be a strategy (no, steps, epoch, "
       "best), got the string 'newest'"},
      {"attn_implementation: flash\n",
       "t.yaml:1:22: 'attn_implementation' must be an attention name or null (eager, sdpa, "
       "flash_attention_2, flash_attention_3, flex_attention), got the string 'flash'"},
      {"mesh: tp\n", "t.yaml:1:7: mesh 'tp': axes are written NAME=SIZE with commas between, as in "
                     "tp=2,dp=2"},
      {"mesh: [2, 2]\n",
       "t.yaml:1:7: 'mesh' must be axes such as 'tp=2,dp=2', a mapping of them, or "
       "null, got an array"},
      {"mesh: {tp: x}\n",
       "t.yaml:1:7: mesh 'tp=\"x\"': the size of axis 'tp' must be an integer from 1 to 65536"},
      {"memory_budget: 24Gib\n",
       "t.yaml:1:16: 'memory_budget': size '24Gib' must be a number above 0 with a unit: KiB, MiB, "
       "GiB, TiB, KB, MB, GB, TB, or none for bytes"},
      {"memory_budget: 1.5\n", "t.yaml:1:16: 'memory_budget' must be a size such as '24GiB', a "
                               "number of bytes, or null, got 1.5"},
      {"trainable: [1]\n", "t.yaml:1:12: 'trainable' must be a regular expression over parameter "
                           "names, a list of them, or null, got an array"},
      {"trainable: ['']\n", "t.yaml:1:12: 'trainable' has an empty expression; write '.*' for all "
                            "parameters"},
      {"quantization: nf4\n", "t.yaml:1:15: 'quantization' must be a mapping with "
                              "BitsAndBytesConfig's keys, or null, got the string 'nf4'"},
      {"[1]\n",
       "t.yaml:1:1: a training configuration must be a mapping of keys to values, got an array"},
      {"max_length: 16777216\nper_device_train_batch_size: 1024\n",
       "t.yaml:1:13: per_device_train_batch_size x max_length is 17179869184 tokens; a step has at "
       "most 2147483647"},
  };
  for (auto &[yaml, message] : cases)
    EXPECT_EQ(errorOf(yaml).str(), message) << yaml;
}

TEST(TrainConfigErrors, EveryKeyRefusesAWrongType) {
  for (std::string_view key : trainConfigKeys()) {
    // No key takes a list that holds a list.
    Error error = errorOf(std::string(key) + ": [[1]]\n");
    EXPECT_NE(error.message.find(key), std::string::npos) << error.str();
    EXPECT_EQ(error.where, "t.yaml:1:" + std::to_string(key.size() + 3));
  }
}

TEST(TrainConfigErrors, UnsupportedKeysAreRefusedUnlessNeutral) {
  EXPECT_EQ(errorOf("fp16: true\n").str(),
            "t.yaml:1:7: 'fp16': 'true' is not supported: f16 training is not supported until loss "
            "scaling exists; use 'bf16: true' or leave it out");
  EXPECT_EQ(errorOf("label_smoothing_factor: 0.1\n").str(),
            "t.yaml:1:25: 'label_smoothing_factor': '0.1' is not supported: label smoothing is not "
            "supported");
  for (const char *yaml :
       {"neftune_noise_alpha: 5\n", "group_by_length: true\n", "loss_type: dft\n",
        "assistant_only_loss: true\n", "deepspeed: ds.json\n", "fsdp: full_shard\n",
        "push_to_hub: true\n", "tf32: true\n", "resume_from_checkpoint: out/checkpoint-5\n",
        "average_tokens_across_devices: false\n"})
    EXPECT_NE(errorOf(yaml).message.find("is not supported: "), std::string::npos) << yaml;
  for (const char *yaml :
       {"fp16: false\n", "label_smoothing_factor: 0.0\n", "label_smoothing_factor: 0\n",
        "neftune_noise_alpha: null\n", "lr_scheduler_kwargs: {}\n", "group_by_length: false\n",
        "loss_type: nll\n", "deepspeed: null\n", "fsdp: ''\n", "fsdp: []\n", "push_to_hub: false\n",
        "average_tokens_across_devices: true\n", "dataset_text_field: text\n"})
    EXPECT_TRUE(warningsOf(yaml).empty()) << yaml;
}

TEST(TrainConfigErrors, KeysWithoutEffectAreSaidSo) {
  EXPECT_EQ(
      warningsOf("seed: 1\nreport_to: wandb\n"),
      (std::vector<std::string>{"t.yaml:2:12: 'report_to' 'wandb' has no effect here: ftc writes "
                                "TensorBoard's event files ('tensorboard') and --metrics"}));
  EXPECT_TRUE(warningsOf("report_to: [tensorboard]\nlogging_dir: runs/a\n").empty());
  EXPECT_TRUE(warningsOf("report_to: none\n").empty());
  EXPECT_EQ(warningsOf("output_dir: x\ndataloader_num_workers: 4\n").size(), 2u);
}

TEST(TrainConfigErrors, UnknownKeysAreWarnings) {
  EXPECT_EQ(warningsOf("learning_rat: 1\nxyz: 2\n"),
            (std::vector<std::string>{
                "t.yaml:1:1: unknown key 'learning_rat' is ignored; did you mean 'learning_rate'?",
                "t.yaml:2:1: unknown key 'xyz' is ignored"}));
}

TEST(TrainConfigErrors, DeprecatedNames) {
  std::vector<std::string> warnings;
  Result<json::Value> value =
      parseYaml("max_seq_length: 256\nevaluation_strategy: epoch\n", "t.yaml");
  Result<TrainConfig> config = TrainConfig::fromValue(*value, "t.yaml", &warnings);
  ASSERT_TRUE(static_cast<bool>(config));
  EXPECT_EQ(config->maxLength, 256);
  EXPECT_EQ(config->evalStrategy, "epoch");
  EXPECT_EQ(warnings,
            (std::vector<std::string>{
                "t.yaml:1:1: key 'max_seq_length' is deprecated; use 'max_length'",
                "t.yaml:2:1: key 'evaluation_strategy' is deprecated; use 'eval_strategy'"}));
  EXPECT_EQ(formatError(errorOf("max_length: 1\nmax_seq_length: 2\n")),
            "error: t.yaml:2:1: key 'max_seq_length' sets 'max_length' a second time; keep one\n"
            "note: t.yaml:1:1: first set here\n");
}

TEST(TrainConfigErrors, ErrorsOfADeprecatedNameUseThePresentOne) {
  EXPECT_EQ(errorOf("max_seq_length: 0\n").where, "t.yaml:1:17");
}

} // namespace
