//===- ResumeTest.cpp - runs that stop and go on ---------------------------===//
// Checkpoints, signals, and the guards, over the fake runtime.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainFixture.h"

#include <csignal>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace ftc::trainer {
namespace {

class ResumeTest : public TrainTest {
protected:
  void SetUp() override {
    TrainTest::SetUp();
    package.trainConfig.set("save_steps", 2).set("lr_scheduler_type", "linear");
  }
  std::string read(const std::string &name) { return test::readAll(options.output + '/' + name); }
  std::vector<std::string> results() {
    return {read("adapter_model.safetensors"), read("trainer_state.json"),
            read("checkpoint-6/training_state.safetensors"),
            read("checkpoint-6/training_state.json")};
  }
  /// Every file that an undisturbed run leaves, then a new output directory.
  std::vector<std::string> undisturbed() {
    std::string output = options.output;
    options.output = files.file("undisturbed");
    EXPECT_TRUE(static_cast<bool>(train()));
    std::vector<std::string> list = results();
    options.output = output;
    return list;
  }
  bool has(int64_t step) {
    return fileExists(options.output + "/checkpoint-" + std::to_string(step));
  }
};

TEST_F(ResumeTest, GoesOnAfterASignalBitForBit) {
  std::vector<std::string> expected = undisturbed();
  std::vector<double> losses = this->losses();
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    options.output = files.file("out" + std::to_string(signal));
    package.signalAtStep = 3;
    package.signal = signal;
    options.resume = false;
    ASSERT_TRUE(static_cast<bool>(train()));
    EXPECT_EQ(stoppedBy, signal);
    EXPECT_NE(out.find("after step 3; "), std::string::npos) << out;
    EXPECT_TRUE(has(2) && has(3) && !has(4));
    EXPECT_FALSE(fileExists(options.output + "/adapter_model.safetensors"));

    // The same package: what the fake does is in its file, which is part of the run's identity.
    options.resume = true;
    ASSERT_TRUE(static_cast<bool>(train()));
    EXPECT_EQ(stoppedBy, 0);
    std::vector<std::string> now = results();
    for (size_t i = 0; i < 3; ++i)
      EXPECT_EQ(now[i], expected[i]) << i;
    EXPECT_EQ(this->losses(), losses);
  }
}

TEST_F(ResumeTest, ASignalInTheLastStepChangesNothing) {
  package.signalAtStep = 6;
  package.signal = SIGTERM;
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_EQ(stoppedBy, 0);
  EXPECT_TRUE(fileExists(options.output + "/adapter_model.safetensors"));
}

TEST_F(ResumeTest, TakesTheNewestWholeCheckpointAndSaysWhichAreNot) {
  std::vector<std::string> expected = undisturbed();
  ASSERT_TRUE(static_cast<bool>(train()));
  // A byte of the newest is another, the one before is half there.
  std::string state = options.output + "/checkpoint-6/training_state.safetensors";
  std::string bytes = test::readAll(state);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  files.write("out/checkpoint-6/training_state.safetensors", bytes);
  files.write("out/checkpoint-4/adapter_model.safetensors", "");
  options.resume = true;
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(static_cast<bool>(train()));
  std::string warnings = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(warnings.find("checkpoint-6/training_state.safetensors: has the checksum"),
            std::string::npos)
      << warnings;
  EXPECT_NE(warnings.find("checkpoint-4/adapter_model.safetensors: has 0 bytes, and had"),
            std::string::npos);
  EXPECT_NE(out.find("checkpoint-2: 2 of 6 steps done"), std::string::npos) << out;
  EXPECT_EQ(results(), expected);
}

TEST_F(ResumeTest, NoCheckpointAndNoneThatIsWhole) {
  options.resume = true;
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_NE(out.find("has no checkpoint: the run begins with its first step"), std::string::npos);
  ASSERT_TRUE(static_cast<bool>(train())); // done before: published again
  EXPECT_NE(out.find("6 of 6 steps done"), std::string::npos);
  for (const char *name : {"2", "4", "6"})
    files.write(std::string("out/checkpoint-") + name + "/MANIFEST.json", "{\"format\": 1}");
  EXPECT_EQ(error(),
            "error: out: none of its checkpoints is whole; start anew in another directory\n"
            "note: out/checkpoint-6/MANIFEST.json:1:1: 'step' is missing; it must be an integer of "
            "at least 1\n"
            "note: out/checkpoint-4/MANIFEST.json:1:1: 'step' is missing; it must be an integer of "
            "at least 1\n"
            "note: out/checkpoint-2/MANIFEST.json:1:1: 'step' is missing; it must be an integer of "
            "at least 1\n");
}

TEST_F(ResumeTest, AManifestOfNothingIsNone) {
  ASSERT_TRUE(static_cast<bool>(train()));
  files.write("out/checkpoint-6/MANIFEST.json", R"({"format": 1, "step": 6, "files": []})");
  options.resume = true;
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_NE(out.find("checkpoint-4: 4 of 6 steps done"), std::string::npos) << out;
}

TEST_F(ResumeTest, KeepsAsManyAsItMay) {
  package.trainConfig.set("save_total_limit", 2).set("save_steps", 1);
  ASSERT_TRUE(static_cast<bool>(train()));
  for (int64_t step = 1; step <= 6; ++step)
    EXPECT_EQ(has(step), step >= 5) << step;
}

TEST_F(ResumeTest, RemovesWhatAKilledProcessHadYetToRemove) {
  ASSERT_TRUE(static_cast<bool>(train()));
  options.resume = true;
  options.sets = {"save_total_limit=1"};
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_TRUE(!has(2) && !has(4) && has(6));
}

TEST_F(ResumeTest, ADamagedCheckpointIsNotKeptInPlaceOfAWholeOne) {
  ASSERT_TRUE(static_cast<bool>(train()));
  for (const char *name : {"out/checkpoint-4/MANIFEST.json", "out/checkpoint-6/MANIFEST.json"})
    files.write(name, "");
  options.resume = true;
  options.sets = {"save_total_limit=1", "save_steps=5"};
  package.signalAtStep = 3;
  package.signal = SIGTERM;
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_EQ(stoppedBy, SIGTERM);
  EXPECT_TRUE(!has(2) && has(3) && has(4) && has(6));
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_NE(out.find("checkpoint-3: 3 of 6 steps done"), std::string::npos) << out;
}

TEST_F(ResumeTest, SaysWhenItIsNotTheSameRun) {
  options.maxSteps = 4;
  ASSERT_TRUE(static_cast<bool>(train()));
  options.resume = true;
  options.maxSteps = 6;
  options.sets = {"learning_rate=0.25", "logging_steps=1"};
  options.data = files.write("other.jsonl", "{\"input_ids\": [0, 1, 2, 3]}\n");
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(static_cast<bool>(train()));
  std::string warnings = ::testing::internal::GetCapturedStderr();
  const char *same = "checkpoint-4: the run goes on, but not as it would have without the stop: ";
  for (const char *difference :
       {"the training data are others", "'learning_rate' is 0.25, and was 0.5",
        "the schedule ends at step 6, and ended at 4"})
    EXPECT_NE(warnings.find(std::string(same) + difference), std::string::npos) << warnings;
  EXPECT_EQ(warnings.find("logging_steps"), std::string::npos);
  EXPECT_EQ(warnings.find("package"), std::string::npos);

  options.maxSteps = 5;
  EXPECT_EQ(error(), "error: out/checkpoint-6: is beyond the last step, which is 5; raise "
                     "max_steps or num_train_epochs\n");
}

TEST_F(ResumeTest, AnotherEndMattersWhereRatesDependOnIt) {
  for (const char *schedule : {"linear", "constant", "constant_with_warmup", "inverse_sqrt"})
    for (const char *warmup :
         {"warmup_steps=0", "warmup_steps=2", "warmup_steps=0.4", "warmup_ratio=0.4"}) {
      bool isShare = std::string(warmup).find("0.4") != std::string::npos;
      std::string name = schedule;
      options.sets = {"lr_scheduler_type=" + name, warmup};
      options.output = files.file(name + warmup);
      options.maxSteps = 4;
      options.resume = false;
      ASSERT_TRUE(static_cast<bool>(train()));
      options.resume = true;
      options.maxSteps = 6;
      ::testing::internal::CaptureStderr();
      ASSERT_TRUE(static_cast<bool>(train()));
      bool isSaid = ::testing::internal::GetCapturedStderr().find("the schedule ends at step 6") !=
                    std::string::npos;
      EXPECT_EQ(isSaid, name == "linear" || (name != "constant" && isShare)) << name << warmup;
    }
}

TEST_F(ResumeTest, RefusesOtherFrozenWeightsAndOtherTensors) {
  ASSERT_TRUE(static_cast<bool>(train()));
  options.resume = true;
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(files.file("weights/model.safetensors"),
                                {{"scale", DType::BF16, {2, 2}}, {"logits", DType::F32, {8}}});
  ASSERT_TRUE(static_cast<bool>(writer));
  float numbers[8] = {1, 2, 3, 5};
  ASSERT_TRUE(static_cast<bool>(writer->writeF32("scale", numbers, 4)));
  ASSERT_TRUE(static_cast<bool>(writer->writeF32("logits", numbers, 8)));
  ASSERT_TRUE(static_cast<bool>(writer->finish()));
  EXPECT_EQ(error(),
            "error: weights: has other frozen weights than those that out/checkpoint-6 was "
            "trained with; give the model directory that the run began with\n");
  SetUp();
  options.resume = true;
  package.vocab = 9;
  std::string text = error();
  EXPECT_NE(text.find("tensor 'logits' is F32 [8], and that of fake.ftp is [9]; resume with the "
                      "package that it was saved with"),
            std::string::npos)
      << text;
}

TEST_F(ResumeTest, OneProcessADirectory) {
  ASSERT_TRUE(static_cast<bool>(train()));
  options.resume = true;
  int descriptor = ::open(options.output.c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(descriptor, LOCK_EX), 0);
  EXPECT_EQ(error(), "error: out: another process trains into this directory; wait for it, or give "
                     "another one\n");
  ::close(descriptor);
  EXPECT_TRUE(static_cast<bool>(train()));
}

TEST_F(ResumeTest, SweepsWhatAKilledProcessLeft) {
  for (const char *name : {".checkpoint-2.tmp-17", ".result.tmp-17-1"})
    ASSERT_TRUE(static_cast<bool>(makeDirectories(options.output + '/' + name)));
  files.write("out/.checkpoint-2.tmp-17/model", "half");
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_FALSE(fileExists(options.output + "/.checkpoint-2.tmp-17"));
  EXPECT_FALSE(fileExists(options.output + "/.result.tmp-17-1"));
}

TEST_F(ResumeTest, ReturnsTheBestAdapter) {
  // Token 1 is what the training data ask for, so the loss of others rises.
  options.evalData = files.write("eval.jsonl", "{\"input_ids\": [5, 5, 5, 5]}\n");
  options.sets = {"eval_steps=1", "load_best_model_at_end=true", "save_total_limit=1",
                  "save_steps=3"};
  ASSERT_TRUE(static_cast<bool>(train()));
  Result<json::Value> state = json::parse(read("trainer_state.json"), "state");
  ASSERT_TRUE(static_cast<bool>(state));
  double least = 1e9;
  int64_t at = 0;
  for (const json::Value &record : metrics())
    if (const json::Value *loss = record.find("eval_loss"))
      if (*loss->asDouble() < least) {
        least = *loss->asDouble();
        at = *record.find("step")->asInt64();
      }
  EXPECT_LT(at, 6);
  EXPECT_EQ(*state->find("best_metric"), json::Value(least));
  EXPECT_EQ(*state->find("best_global_step"), json::Value(at));
  std::string best = "checkpoint-" + std::to_string(at);
  EXPECT_EQ(*state->find("best_model_checkpoint"), json::Value(options.output + '/' + best));
  EXPECT_EQ(read("adapter_model.safetensors"), read(best + "/adapter_model.safetensors"));
  EXPECT_TRUE(has(at) && has(6));
  EXPECT_NE(read("adapter_model.safetensors"), read("checkpoint-6/adapter_model.safetensors"));
  EXPECT_FALSE(fileExists(options.output + "/training_state.json"));

  options.evalData.clear();
  options.output = files.file("none");
  EXPECT_EQ(error(), "error: --set load_best_model_at_end=true: 'load_best_model_at_end' is true, "
                     "which needs the loss of --eval-data\n");
}

TEST_F(ResumeTest, TakesTheNextBestWhereTheBestIsLost) {
  // Worse with every step: the first is the best.
  options.evalData = files.write("eval.jsonl", "{\"input_ids\": [5, 5, 5, 5]}\n");
  options.sets = {"eval_steps=1", "save_strategy=best", "load_best_model_at_end=true"};
  package.signalAtStep = 5;
  package.signal = SIGINT;
  ASSERT_TRUE(static_cast<bool>(train()));
  Result<json::Value> state = json::parse(read("checkpoint-5/trainer_state.json"), "state");
  ASSERT_TRUE(static_cast<bool>(state));
  int64_t best = state->find("best_global_step")->asInt64().value_or(0);
  ASSERT_TRUE(best > 0 && best < 5 && has(best)) << best;
  ASSERT_TRUE(
      static_cast<bool>(removeTree(options.output + "/checkpoint-" + std::to_string(best))));
  options.resume = true;
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(static_cast<bool>(train()));
  std::string warnings = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(warnings.find("the best checkpoint is lost, and the best one from here on is taken: "),
            std::string::npos)
      << warnings;
  EXPECT_NE(out.find("saved the adapter of step 6, with the least eval loss"), std::string::npos);
  EXPECT_EQ(read("adapter_model.safetensors"), read("checkpoint-6/adapter_model.safetensors"));
}

TEST_F(ResumeTest, StopsWhereNoGradientComes) {
  package.losesGradient = true;
  EXPECT_EQ(error(),
            "error: fake.ftp: step 3: no gradient has reached 'base_model.model.logits'; training "
            "would leave it as before, and stopped\n"
            "note: the last checkpoint is out/checkpoint-2\n"
            "note: data in which a token is predicted from others, or an adapter without these, "
            "may help\n");
  // Steps without a learning rate do not count.
  options.output = files.file("warm");
  options.sets = {"lr_scheduler_type=constant", "learning_rate=0"};
  EXPECT_TRUE(static_cast<bool>(train()));
  options.sets.clear();
  package.trainConfig.set("lr_scheduler_type", "constant_with_warmup").set("warmup_steps", 2);
  options.output = files.file("warmer");
  EXPECT_NE(error().find("step 4: no gradient has reached"), std::string::npos);
}

TEST_F(ResumeTest, CountsStepsWithARateAcrossAStop) {
  package.losesGradient = true;
  package.signalAtStep = 1;
  package.signal = SIGINT;
  ASSERT_TRUE(static_cast<bool>(train()));
  EXPECT_EQ(stoppedBy, SIGINT);
  options.resume = true;
  EXPECT_NE(error().find("step 3: no gradient has reached"), std::string::npos);
}

TEST_F(ResumeTest, KeepsTheLastCheckpointWhenTheLossIsNotFinite) {
  package.nanAtStep = 5;
  EXPECT_EQ(error(), "error: fake.ftp: step 5: the loss is nan; training stopped\n"
                     "note: the last checkpoint is out/checkpoint-4\n"
                     "note: a lower learning_rate, warmup_steps, or max_grad_norm may help\n");
  EXPECT_TRUE(has(2) && has(4) && !has(6));
  EXPECT_FALSE(fileExists(options.output + "/adapter_model.safetensors"));
  // And weights that are not finite although the losses were.
  options.output = files.file("huge");
  package.nanAtStep = 0;
  options.sets = {"learning_rate=1e300", "save_strategy=no"};
  package.trainConfig.set("max_steps", 1);
  EXPECT_NE(error().find("the trained 'base_model.model.logits' has values that are not finite; it "
                         "is not saved"),
            std::string::npos);
  EXPECT_FALSE(fileExists(options.output + "/adapter_model.safetensors"));
}

TEST_F(ResumeTest, SavesNothingBeyondTheRangeOfItsType) {
  package.writesModel = true;
  options.sets = {"learning_rate=1000000", "max_steps=1", "save_strategy=no"};
  for (const char *dtype : {"float32", "bfloat16", "float16"}) {
    package.dtype = dtype;
    options.output = files.file(dtype);
    std::string text = error();
    if (package.dtype == "float16")
      EXPECT_EQ(text.substr(0, text.find('\n')),
                "error: fake.ftp: the trained 'logits' has values beyond the range of float16, the "
                "model's dtype; it is not saved");
    else
      EXPECT_EQ(text, "no error");
    EXPECT_EQ(fileExists(options.output + "/model.safetensors"), package.dtype != "float16");
  }
}

TEST_F(ResumeTest, SeesThatAFrozenWeightChanged) {
  package.changesBaseAtStep = 5;
  EXPECT_EQ(error(), "error: weights: the frozen weight 'scale' changed while it was trained on; "
                     "leave the files alone and train again\n"
                     "note: the last checkpoint is out/checkpoint-6\n");
  EXPECT_FALSE(fileExists(options.output + "/adapter_model.safetensors"));
}

} // namespace
} // namespace ftc::trainer
