//===- TrainConfigTest.cpp - tests of the training configuration -----------===//
// Defaults, every key, overlays, resolution, comparison.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/TrainConfig.h"

#include "ftc/Support/Yaml.h"

#include "gtest/gtest.h"

#include <algorithm>

using namespace ftc;

namespace {

TrainConfig configOf(std::string_view yaml, std::vector<std::string> *warnings = nullptr) {
  Result<json::Value> value = parseYaml(yaml, "t.yaml");
  EXPECT_TRUE(static_cast<bool>(value)) << value.error().str();
  Result<TrainConfig> config = TrainConfig::fromValue(*value, "t.yaml", warnings);
  EXPECT_TRUE(static_cast<bool>(config)) << config.error().str();
  return config ? *config : TrainConfig();
}

TEST(TrainConfig, DefaultsAreThoseOfTransformersAndTrl) {
  EXPECT_EQ(configOf("").printResolved(), "per_device_train_batch_size: 8\n"
                                          "max_length: 1024\n"
                                          "max_segments: 0\n"
                                          "bf16: false\n"
                                          "optim: adamw_torch\n"
                                          "gradient_checkpointing: false\n"
                                          "attn_implementation: null\n"
                                          "loss: cross_entropy\n"
                                          "mesh: null\n"
                                          "memory_budget: null\n"
                                          "trainable: null\n"
                                          "quantization: null\n"
                                          "learning_rate: 5e-05\n"
                                          "lr_scheduler_type: linear\n"
                                          "lr_scheduler_kwargs: null\n"
                                          "warmup_steps: 0\n"
                                          "warmup_ratio: 0.0\n"
                                          "weight_decay: 0.0\n"
                                          "adam_beta1: 0.9\n"
                                          "adam_beta2: 0.999\n"
                                          "adam_epsilon: 1e-08\n"
                                          "max_grad_norm: 1.0\n"
                                          "gradient_accumulation_steps: 1\n"
                                          "seed: 42\n"
                                          "data_seed: null\n"
                                          "max_steps: -1\n"
                                          "num_train_epochs: 3.0\n"
                                          "packing: false\n"
                                          "logging_strategy: steps\n"
                                          "logging_steps: 500\n"
                                          "logging_first_step: false\n"
                                          "save_strategy: steps\n"
                                          "save_steps: 500\n"
                                          "save_total_limit: null\n"
                                          "eval_strategy: no\n"
                                          "eval_steps: null\n"
                                          "report_to: null\n"
                                          "logging_dir: null\n"
                                          "load_best_model_at_end: false\n"
                                          "metric_for_best_model: null\n");
}

const char kEverything[] = R"(
per_device_train_batch_size: 4
max_length: 2048
max_segments: 16
bf16: true
optim: adamw_torch_fused
gradient_checkpointing: true
attn_implementation: flash_attention_2
loss: cross_entropy
mesh: tp=2,dp=4
memory_budget: 24GiB
trainable: [".*norm.*", 'layers\.0\..*']
quantization: {load_in_4bit: true, bnb_4bit_quant_type: nf4}
learning_rate: 1e-4
lr_scheduler_type: cosine
warmup_steps: 0.1
warmup_ratio: 0.03
weight_decay: 0.01
adam_beta1: 0.8
adam_beta2: 0.95
adam_epsilon: 1e-6
max_grad_norm: 0
gradient_accumulation_steps: 2
seed: 9223372036854775807
data_seed: 7
max_steps: 100
num_train_epochs: 0.5
packing: true
logging_strategy: epoch
logging_steps: 10
logging_first_step: true
save_strategy: 'no'
save_steps: 0.25
save_total_limit: 2
eval_strategy: epoch
eval_steps: 20
report_to: [tensorboard]
logging_dir: some/where
load_best_model_at_end: true
metric_for_best_model: eval_loss
)";

TEST(TrainConfig, EveryKeyIsRead) {
  std::vector<std::string> warnings;
  TrainConfig c = configOf(kEverything, &warnings);
  EXPECT_TRUE(warnings.empty());
  EXPECT_EQ(c.perDeviceTrainBatchSize, 4);
  EXPECT_EQ(c.maxLength, 2048);
  EXPECT_EQ(c.tokensPerStep(), 8192);
  EXPECT_EQ(c.maxSegments, 16);
  EXPECT_TRUE(c.bf16);
  EXPECT_EQ(c.optim, "adamw_torch_fused");
  EXPECT_TRUE(c.gradientCheckpointing);
  EXPECT_EQ(c.attnImplementation, "flash_attention_2");
  EXPECT_EQ(c.mesh, (Mesh{{"tp", 2}, {"dp", 4}}));
  EXPECT_EQ(c.memoryBudget.bytes, uint64_t{24} << 30);
  EXPECT_EQ(c.trainable, (std::vector<std::string>{".*norm.*", "layers\\.0\\..*"}));
  EXPECT_EQ(c.quantization.find("load_in_4bit")->asBool(), true);
  EXPECT_EQ(c.learningRate, 1e-4);
  EXPECT_EQ(c.lrSchedulerType, "cosine");
  EXPECT_EQ(c.warmupSteps.value, 0.1);
  EXPECT_EQ(c.warmupRatio, 0.03);
  EXPECT_EQ(c.weightDecay, 0.01);
  EXPECT_EQ(c.adamBeta1, 0.8);
  EXPECT_EQ(c.adamBeta2, 0.95);
  EXPECT_EQ(c.adamEpsilon, 1e-6);
  EXPECT_EQ(c.maxGradNorm, 0);
  EXPECT_EQ(c.gradientAccumulationSteps, 2);
  EXPECT_EQ(c.seed, INT64_MAX);
  EXPECT_EQ(c.effectiveDataSeed(), 7);
  EXPECT_EQ(c.maxSteps, 100);
  EXPECT_TRUE(c.reportsToTensorBoard());
  EXPECT_EQ(c.loggingDir, "some/where");
  EXPECT_TRUE(c.loadBestModelAtEnd);
  EXPECT_EQ(c.metricForBestModel, "eval_loss");
  EXPECT_EQ(c.numTrainEpochs, 0.5);
  EXPECT_TRUE(c.packing);
  EXPECT_EQ(c.loggingStrategy, "epoch");
  EXPECT_EQ(c.loggingSteps.value, 10);
  EXPECT_TRUE(c.loggingFirstStep);
  EXPECT_EQ(c.saveStrategy, "no");
  EXPECT_EQ(c.saveSteps.value, 0.25);
  EXPECT_EQ(c.saveTotalLimit, 2);
  EXPECT_EQ(c.evalStrategy, "epoch");
  EXPECT_EQ(c.evalSteps->value, 20);
}

TEST(TrainConfig, ResolvedTextReadsBackToTheSame) {
  for (const char *text : {"", kEverything, "mesh: {tp: 2}\ntrainable: a'b\n", "eval_steps: 5\n",
                           "learning_rate: 0.1\nadam_epsilon: 1e-300\n"}) {
    TrainConfig config = configOf(text);
    TrainConfig back = configOf(config.printResolved());
    EXPECT_EQ(back.toValue(), config.toValue()) << text;
    EXPECT_EQ(back.printResolved(), config.printResolved());
    Result<TrainConfig> fromValue = TrainConfig::fromValue(config.toValue(), "package", nullptr);
    ASSERT_TRUE(static_cast<bool>(fromValue)) << fromValue.error().str();
    EXPECT_EQ(fromValue->toValue(), config.toValue());
    EXPECT_FALSE(firstCompileTimeDifference(config, back).has_value());
  }
}

TEST(TrainConfig, ToValueListsEveryKeyOnce) {
  json::Value value = TrainConfig().toValue();
  std::vector<std::string_view> keys = trainConfigKeys();
  ASSERT_EQ(value.members().size(), keys.size());
  for (size_t i = 0; i < keys.size(); ++i)
    EXPECT_EQ(value.members()[i].key, keys[i]);
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end());
}

TEST(TrainConfig, MergeKeepsWhatIsNotGiven) {
  TrainConfig config = configOf("learning_rate: 1e-3\nseed: 1\n");
  Result<json::Value> second = parseYaml("seed: 2\n", "second.yaml");
  ASSERT_TRUE(static_cast<bool>(config.merge(*second, "second.yaml", nullptr)));
  EXPECT_EQ(config.learningRate, 1e-3);
  EXPECT_EQ(config.seed, 2);
  EXPECT_EQ(config.whereOf("seed"), "second.yaml:1:7");
  EXPECT_EQ(config.whereOf("learning_rate"), "t.yaml:1:16");
  EXPECT_EQ(config.whereOf("bf16"), "");
}

TEST(TrainConfig, AFailedMergeChangesNothing) {
  TrainConfig config;
  Result<json::Value> value = parseYaml("seed: 2\nbf16: 3\n", "t.yaml");
  EXPECT_FALSE(static_cast<bool>(config.merge(*value, "t.yaml", nullptr)));
  EXPECT_EQ(config.seed, 42);
  EXPECT_EQ(config.whereOf("seed"), "");
}

TEST(TrainConfig, Set) {
  TrainConfig config;
  auto set = [&](std::string_view text) {
    Status s = applySet(config, text);
    EXPECT_TRUE(static_cast<bool>(s)) << s.error().str();
  };
  set("bf16=true");
  set("learning_rate = 2e-4");
  set("trainable=[a, 'b.*=x']");
  set("mesh=tp=2,dp=2");
  set("data_seed=");
  set("quantization={load_in_4bit: true}");
  EXPECT_TRUE(config.bf16);
  EXPECT_EQ(config.learningRate, 2e-4);
  EXPECT_EQ(config.trainable, (std::vector<std::string>{"a", "b.*=x"}));
  EXPECT_EQ(meshString(config.mesh), "tp=2,dp=2");
  EXPECT_EQ(config.dataSeed, std::nullopt);
  EXPECT_TRUE(config.quantization.isObject());
  EXPECT_EQ(applySet(config, "bf16").error().str(), "--set 'bf16': must have the form key=value");
  EXPECT_EQ(applySet(config, "=1").error().str(), "--set '=1': must have the form key=value");
  EXPECT_EQ(applySet(config, "bf16=maybe").error().str(),
            "--set bf16=maybe: 'bf16' must be true or false, got the string 'maybe'");
  EXPECT_FALSE(static_cast<bool>(applySet(config, "trainable=[a")));
  std::vector<std::string> warnings;
  EXPECT_TRUE(static_cast<bool>(applySet(config, "sede=1", &warnings)));
  EXPECT_EQ(warnings, (std::vector<std::string>{
                          "--set sede=1: unknown key 'sede' is ignored; did you mean 'seed'?"}));
}

TEST(TrainConfig, StepsAndShares) {
  EXPECT_EQ(StepCount{10}.resolve(1000), 10);
  EXPECT_EQ(StepCount{1}.resolve(1000), 1);
  EXPECT_EQ(StepCount{0.25}.resolve(1000), 250);
  EXPECT_EQ(StepCount{0.001}.resolve(10), 1);
  TrainConfig config;
  EXPECT_EQ(config.warmupStepsFor(1000), 0);
  config.warmupRatio = 0.03;
  EXPECT_EQ(config.warmupStepsFor(1000), 30);
  EXPECT_EQ(config.warmupStepsFor(101), 4);
  config.warmupSteps = {0.5}; // warmup_steps takes precedence
  EXPECT_EQ(config.warmupStepsFor(1000), 500);
  config.warmupSteps = {20};
  EXPECT_EQ(config.warmupStepsFor(1000), 20);
}

TEST(TrainConfig, EvalStepsAloneSwitchEvaluationOn) {
  EXPECT_EQ(configOf("eval_steps: 10\n").evalStrategy, "steps");
  EXPECT_EQ(configOf("eval_steps: 10\neval_strategy: 'no'\n").evalStrategy, "no");
  EXPECT_EQ(configOf("eval_steps: null\n").evalStrategy, "no");
}

TEST(TrainConfig, CompileTimeDifferences) {
  TrainConfig base = configOf("max_length: 512\n");
  auto difference = [&](std::string_view yaml) {
    return firstCompileTimeDifference(base, configOf(yaml));
  };
  EXPECT_FALSE(
      difference("max_length: 512\nlearning_rate: 1\nseed: 3\npacking: true\n").has_value());
  EXPECT_FALSE(difference("max_length: 512\noptim: adamw_torch_fused\n").has_value());
  auto length = difference("bf16: true\n");
  ASSERT_TRUE(length.has_value());
  EXPECT_EQ(length->key, "max_length");
  EXPECT_EQ(length->left, "512");
  EXPECT_EQ(length->right, "1024");
  auto mesh = difference("max_length: 512\nmesh: tp=2\n");
  ASSERT_TRUE(mesh.has_value());
  EXPECT_EQ(mesh->key, "mesh");
  EXPECT_EQ(mesh->left, "null");
  EXPECT_EQ(mesh->right, "\"tp=2\"");
  EXPECT_TRUE(isCompileTimeKey("bf16"));
  EXPECT_FALSE(isCompileTimeKey("learning_rate"));
  EXPECT_FALSE(isCompileTimeKey("nothing"));
}

TEST(ByteSize, Units) {
  EXPECT_EQ(parseByteSize("24GiB", "f")->bytes, uint64_t{24} << 30);
  EXPECT_EQ(parseByteSize("1.5 GiB", "f")->bytes, uint64_t{3} << 29);
  EXPECT_EQ(parseByteSize("10GB", "f")->bytes, 10000000000u);
  EXPECT_EQ(parseByteSize("512MiB", "f")->bytes, 512u << 20);
  EXPECT_EQ(parseByteSize(" 1048576 ", "f")->bytes, 1048576u);
  EXPECT_EQ(parseByteSize("7B", "f")->bytes, 7u);
  for (const char *text : {"", "GiB", "-1GiB", "0", "1.5", "24Gib", "24 G", "1e3GiB", "nan", "inf",
                           "99999999999TiB", "0.1B", "24GiBx"})
    EXPECT_FALSE(static_cast<bool>(parseByteSize(text, "f"))) << text;
}

TEST(Mesh, Text) {
  EXPECT_EQ(*parseMesh("tp=2,dp=4", "f"), (Mesh{{"tp", 2}, {"dp", 4}}));
  EXPECT_EQ(*parseMesh(" tp = 2 , dp = 4 ", "f"), (Mesh{{"tp", 2}, {"dp", 4}}));
  EXPECT_TRUE(parseMesh("", "f")->empty());
  for (const char *text : {"tp", "tp=", "=2", "tp=0", "tp=-1", "tp=2,tp=2", "tp=2,", ",", "tp=2x",
                           "TP=2", "2=2", "tp=65537", "tp=256,dp=257", "tp=2;dp=2"})
    EXPECT_FALSE(static_cast<bool>(parseMesh(text, "f"))) << text;
  EXPECT_EQ(parseMesh("tp=2,tp=2", "f").error().str(),
            "f: mesh 'tp=2,tp=2': axis 'tp' is given twice");
}

} // namespace
