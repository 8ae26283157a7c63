//===- TrainTest.cpp - the commands over the fake runtime ------------------===//
// Whole runs: losses by hand, saved files, resumed configurations, refusals.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainFixture.h"

#include "ftc/Trainer/Evaluation.h"

#include <cmath>
#include <fstream>

namespace ftc::trainer {
namespace {

TEST_F(TrainTest, TrainsAndSavesAnAdapter) {
  Status status = train();
  ASSERT_TRUE(static_cast<bool>(status)) << status.error().str();
  std::vector<double> list = losses();
  ASSERT_EQ(list.size(), 6u);
  EXPECT_LT(list.back(), list.front());
  EXPECT_EQ(test::readAll(options.output + "/adapter_config.json"), "{\"dtype\": \"float32\"}\n");
  EXPECT_EQ(
      savedLogits(options.output + "/adapter_model.safetensors", "base_model.model.logits").size(),
      8u);
  Result<json::Value> state = json::parseFile(options.output + "/trainer_state.json");
  ASSERT_TRUE(static_cast<bool>(state));
  EXPECT_EQ(*state->find("global_step"), json::Value(6));
  // Logged at 2, 4, 6, and the last record; each the mean of its steps.
  const json::Value::Array &log = state->find("log_history")->elements();
  ASSERT_EQ(log.size(), 4u);
  EXPECT_NEAR(*log[1].find("loss")->asDouble(), (list[2] + list[3]) / 2, 1e-15);
  EXPECT_NE(out.find("trainable  8 of 12 parameters"), std::string::npos) << out;
  EXPECT_NE(out.find("step 4/6 | loss "), std::string::npos) << out;
  EXPECT_EQ(out.find("step 3/6 | loss "), std::string::npos) << out;
  EXPECT_EQ(out.find("█"), std::string::npos) << out;
}

TEST_F(TrainTest, LossIsTheMeanOfTheWholeStep) {
  // From the weights' logits of zero every target costs log 8, whatever the cut into micro-batches.
  package.writesModel = true;
  package.trainConfig.set("gradient_accumulation_steps", 3).set("max_steps", 1);
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_NEAR(losses().at(0), std::log(8), 1e-12);
}

TEST_F(TrainTest, MicroBatchesMakeTheSameStepAsOneBatch) {
  package.trainConfig.set("num_train_epochs", 3).set("max_steps", -1);
  package.batch = 8;
  package.maxSegments = 8;
  ASSERT_TRUE(static_cast<bool>(train()));
  std::vector<double> whole = losses();
  ASSERT_EQ(whole.size(), 3u);
  std::vector<float> logits =
      savedLogits(options.output + "/adapter_model.safetensors", "base_model.model.logits");

  package.batch = 1; // one sequence a micro-batch, eight a step
  package.trainConfig.set("gradient_accumulation_steps", 8);
  options.output = files.file("out2");
  ASSERT_TRUE(static_cast<bool>(train()));
  std::vector<double> parts = losses();
  ASSERT_EQ(parts.size(), 3u);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(parts[i], whole[i], 1e-6);
  std::vector<float> same =
      savedLogits(options.output + "/adapter_model.safetensors", "base_model.model.logits");
  for (size_t i = 0; i < logits.size(); ++i)
    EXPECT_NEAR(same[i], logits[i], 1e-6);
}

TEST_F(TrainTest, SavesAModelInItsType) {
  package.writesModel = true;
  package.dtype = "bfloat16";
  ASSERT_TRUE(static_cast<bool>(train()));
  Result<SafetensorsFile> saved = SafetensorsFile::open(options.output + "/model.safetensors");
  ASSERT_TRUE(static_cast<bool>(saved));
  EXPECT_EQ(saved->find("logits")->dtype, DType::BF16);
  EXPECT_EQ(*saved->find("scale")->toF32(), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(saved->metadata().at("format"), "pt");
  EXPECT_TRUE(fileExists(options.output + "/config.json"));
}

TEST_F(TrainTest, SameRunSameBytes) {
  ASSERT_TRUE(static_cast<bool>(train()));
  std::string first = options.output;
  options.output = files.file("again");
  ASSERT_TRUE(static_cast<bool>(train()));
  for (const char *name : {"/adapter_model.safetensors", "/trainer_state.json"})
    EXPECT_EQ(test::readAll(first + name), test::readAll(options.output + name));
}

TEST_F(TrainTest, StartsFromAnAdapter) {
  package.batch = package.maxSegments = 8; // an epoch is one batch, so its loss is the data's
  ASSERT_TRUE(static_cast<bool>(train()));
  double last = losses().back();
  EvaluateOptions evaluate;
  evaluate.package = options.package;
  evaluate.weights = options.weights;
  evaluate.adapterWeights = options.adapterWeights = options.output;
  evaluate.data = options.data;
  ASSERT_TRUE(static_cast<bool>(quietly(runEvaluate, evaluate, &out)));
  Result<json::Value> printed = json::parse(out, "stdout");
  ASSERT_TRUE(static_cast<bool>(printed));
  options.output = files.file("more");
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_LT(losses().front(), last);
  EXPECT_NEAR(losses().front(), *printed->find("loss")->asDouble(), 1e-6);

  package.writesModel = true;
  options.output = files.file("model");
  EXPECT_EQ(error(),
            "error: --adapter-weights: fake.ftp trains the model itself and has no adapter; "
            "give the trained model's directory as --weights\n");
}

TEST_F(TrainTest, EvaluatesAtStepsAndAtTheEnd) {
  options.evalData = files.write("eval.jsonl", "{\"input_ids\": [0, 1]}\n"
                                               "{\"input_ids\": [0, 1, 1, 2]}\n");
  options.sets = {"eval_steps=4"};
  ASSERT_TRUE(static_cast<bool>(train()));
  std::vector<int64_t> steps;
  double last = 0;
  for (const json::Value &record : metrics())
    if (const json::Value *loss = record.find("eval_loss")) {
      steps.push_back(*record.find("step")->asInt64());
      last = *loss->asDouble();
      EXPECT_EQ(*record.find("eval_tokens"), json::Value(4));
    }
  EXPECT_EQ(steps, (std::vector<int64_t>{4, 6}));

  // The same number from `ftc evaluate` with the saved adapter.
  EvaluateOptions evaluate;
  evaluate.package = options.package;
  evaluate.weights = options.weights;
  evaluate.adapterWeights = options.output;
  evaluate.data = options.evalData;
  ASSERT_TRUE(static_cast<bool>(quietly(runEvaluate, evaluate, &out)));
  Result<json::Value> printed = json::parse(out, "stdout");
  ASSERT_TRUE(static_cast<bool>(printed));
  EXPECT_NEAR(*printed->find("loss")->asDouble(), last, 1e-12);
  EXPECT_EQ(*printed->find("tokens"), json::Value(4));
}

TEST_F(TrainTest, RunTimeKeysMayChange) {
  options.trainFile = files.write("t.yaml", "learning_rate: 0.25\nmax_length: 4\n");
  options.sets = {"lr_scheduler_type=linear", "learning_rate=0.125"};
  options.maxSteps = 4;
  ASSERT_TRUE(static_cast<bool>(train()));
  std::vector<double> rates;
  for (const json::Value &record : metrics())
    rates.push_back(*record.find("learning_rate")->asDouble());
  EXPECT_EQ(rates, (std::vector<double>{0.125, 0.09375, 0.0625, 0.03125}));
}

TEST_F(TrainTest, CompileTimeKeysMayNot) {
  options.trainFile = files.write("t.yaml", "learning_rate: 0.25\nmax_length: 16\n");
  EXPECT_EQ(error(), "error: t.yaml:2:13: 'max_length' is 16, and fake.ftp was compiled with 4; it "
                     "cannot change without ftc compile\n");
  options.trainFile.clear();
  options.sets = {"bf16=true"};
  EXPECT_EQ(error(),
            "error: --set bf16=true: 'bf16' is true, and fake.ftp was compiled with false; "
            "it cannot change without ftc compile\n");
  EXPECT_FALSE(fileExists(options.output));
}

TEST_F(TrainTest, StopsAtALossThatIsNotFinite) {
  package.nanAtStep = 3;
  EXPECT_EQ(error(), "error: fake.ftp: step 3: the loss is nan; training stopped\n"
                     "note: nothing was saved to out\n"
                     "note: a lower learning_rate, warmup_steps, or max_grad_norm may help\n");
  EXPECT_FALSE(fileExists(options.output));
  EXPECT_EQ(losses().size(), 2u);
}

TEST_F(TrainTest, DoesNotStartWithoutTheMemory) {
  package.lacksMemory = true;
  EXPECT_EQ(error(), "error: fake: needs 2 bytes, but has 1\n");
  EXPECT_FALSE(fileExists(options.output));
  EXPECT_FALSE(fileExists(options.metrics));
}

TEST_F(TrainTest, RefusesAnOutputThatIsThere) {
  ASSERT_TRUE(static_cast<bool>(makeDirectories(options.output)));
  ASSERT_TRUE(static_cast<bool>(train())); // empty is fine
  options.metrics = files.file("other.jsonl");
  EXPECT_EQ(error(), "error: out: exists and is not empty; give a new or an empty directory\n"
                     "note: it has checkpoints: --resume goes on from the newest\n");
  EXPECT_FALSE(fileExists(options.metrics));
  options.output = files.write("file", "x");
  EXPECT_EQ(error(), "error: file: exists and is no directory; give a new or an empty directory\n");
}

TEST_F(TrainTest, PassesOnWhatTheRuntimeSays) {
  package.trainConfig.set("max_steps", 1);
  options.weights = files.file("nowhere");
  std::string text = error();
  EXPECT_EQ(text.rfind("error: nowhere", 0), 0u) << text;
  EXPECT_FALSE(fileExists(options.metrics));
  options.package = files.write("broken", "{");
  Status status = runTrain(options);
  ASSERT_FALSE(static_cast<bool>(status));
  EXPECT_EQ(status.error().notes, (std::vector<std::string>{"this is the fake runtime"}));
}

TEST_F(TrainTest, ReportsToTensorBoardWhenAsked) {
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_FALSE(fileExists(options.output + "/runs"));
  options.output = files.file("reported");
  options.sets = {"report_to=[wandb, tensorboard]"};
  ASSERT_TRUE(static_cast<bool>(train()));
  std::string events = test::readAll(options.output + "/runs/events.out.tfevents.0000000001.ftc");
  // Logged at 2, 4 and 6.
  size_t count = 0;
  for (size_t at = 0; (at = events.find("train/grad_norm", at)) != std::string::npos; ++at)
    ++count;
  EXPECT_EQ(count, 3u);
  options.output = files.file("elsewhere");
  options.sets = {"report_to=all", "logging_dir=" + files.file("logs/a")};
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_FALSE(fileExists(options.output + "/runs"));
  EXPECT_EQ(test::readAll(files.file("logs/a/events.out.tfevents.0000000001.ftc")).size(),
            events.size());
  options.output = files.file("nowhere");
  options.sets = {"report_to=all", "logging_dir=" + options.data + "/a"};
  EXPECT_NE(error().find("data.jsonl"), std::string::npos);
}

TEST_F(TrainTest, ABatchOfChangedDataIsAnError) {
  options.data = files.write("d.jsonl", "{\"input_ids\": [0, 1, 2]}\n");
  Result<Dataset> data = Dataset::load(options.data, {8, 4});
  ASSERT_TRUE(static_cast<bool>(data));
  std::ofstream(options.data, std::ios::trunc) << "{\"input_ids\": [0, 1, 3]}\n";
  BatchBuffer buffer;
  PackedBatch batch{{0}, 3};
  Status filled = buffer.fill(*data, batch);
  ASSERT_FALSE(static_cast<bool>(filled));
  EXPECT_NE(filled.error().str().find("d.jsonl:1: the line is not what it was"), std::string::npos);
}

TEST_F(TrainTest, DrawsTheCurveWhenAsked) {
  options.plot = true;
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_NE(out.find("training loss"), std::string::npos);
  EXPECT_NE(out.find("█"), std::string::npos);
}

TEST_F(TrainTest, WritesGradients) {
  GradientsOptions gradients;
  gradients.package = files.write("fake.ftp", package.text());
  gradients.weights = options.weights;
  gradients.batch = files.file("b.safetensors");
  gradients.output = files.file("g.safetensors");
  Result<SafetensorsWriter> writer = SafetensorsWriter::create(
      gradients.batch, {{"input_ids", DType::I32, {2, 2}}, {"labels", DType::I32, {2, 2}}});
  ASSERT_TRUE(static_cast<bool>(writer));
  int32_t ids[4] = {0, 1, 0, 2};
  ASSERT_TRUE(static_cast<bool>(writer->write("input_ids", ids, sizeof ids)));
  ASSERT_TRUE(static_cast<bool>(writer->write("labels", ids, sizeof ids)));
  ASSERT_TRUE(static_cast<bool>(writer->finish()));
  Status status = quietly(runGradients, gradients, &out);
  ASSERT_TRUE(static_cast<bool>(status)) << status.error().str();

  // The initial logits are (42 + i) % 3 = 0 1 2 0 1 2 0 1.
  double sum = 3 + 3 * std::exp(1.0) + 2 * std::exp(2.0);
  Result<SafetensorsFile> saved = SafetensorsFile::open(gradients.output);
  ASSERT_TRUE(static_cast<bool>(saved));
  ASSERT_EQ(saved->tensors().size(), 2u);
  const TensorView *loss = saved->find("loss");
  ASSERT_NE(loss, nullptr);
  EXPECT_TRUE(loss->shape.empty());
  EXPECT_NEAR(loss->toF32()->at(0), std::log(sum) - 1.5, 1e-6);
  std::vector<float> values = *saved->find("base_model.model.logits")->toF32();
  ASSERT_EQ(values.size(), 8u);
  EXPECT_NEAR(values[0], 1 / sum, 1e-6);
  EXPECT_NEAR(values[1], std::exp(1.0) / sum - 0.5, 1e-6);
  EXPECT_NEAR(values[2], std::exp(2.0) / sum - 0.5, 1e-6);
}

TEST_F(TrainTest, SumsUpWhatItLeft) {
  ASSERT_TRUE(static_cast<bool>(train()));
  ASSERT_TRUE(static_cast<bool>(inspect(options.output, true)));
  Result<json::Value> summary = json::parse(out, "stdout");
  ASSERT_TRUE(static_cast<bool>(summary));
  EXPECT_EQ(*summary->find("global_step"), json::Value(6));
  EXPECT_EQ(*summary->find("parameters"), json::Value(8));
  ASSERT_TRUE(static_cast<bool>(inspect(options.output, false)));
  EXPECT_NE(out.find("global_step"), std::string::npos) << out;
  EXPECT_NE(out.find("training loss"), std::string::npos) << out;
  Status status = inspect(options.weights, false);
  ASSERT_FALSE(static_cast<bool>(status));
  EXPECT_EQ(status.error().notes.size(), 1u);
}

} // namespace
} // namespace ftc::trainer
