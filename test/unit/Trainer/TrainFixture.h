//===- TrainFixture.h - whole runs over the fake runtime -------------------===//
// A small data set, a package of the fake runtime, and what a run of it printed and left.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_TRAINER_TRAINFIXTURE_H
#define FTC_TEST_UNIT_TRAINER_TRAINFIXTURE_H

#include "FakeRuntime.h"

#include "test/unit/Support/TestFiles.h"

#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Safetensors.h"
#include "ftc/Support/SafetensorsWriter.h"
#include "ftc/Trainer/Commands.h"

namespace ftc::trainer {

/// Runs a command with stdout captured.
template <class Options>
Status quietly(Status (*command)(const Options &), const Options &options, std::string *out) {
  ::testing::internal::CaptureStdout();
  Status status = command(options);
  *out = ::testing::internal::GetCapturedStdout();
  return status;
}

class TrainTest : public ::testing::Test {
protected:
  void SetUp() override {
    EXPECT_TRUE(static_cast<bool>(makeDirectories(files.file("weights"))));
    Result<SafetensorsWriter> writer =
        SafetensorsWriter::create(files.file("weights/model.safetensors"),
                                  {{"scale", DType::BF16, {2, 2}}, {"logits", DType::F32, {8}}});
    ASSERT_TRUE(static_cast<bool>(writer));
    float scale[4] = {1, 2, 3, 4}, logits[8] = {};
    ASSERT_TRUE(static_cast<bool>(writer->writeF32("scale", scale, 4)));
    ASSERT_TRUE(static_cast<bool>(writer->writeF32("logits", logits, 8)));
    ASSERT_TRUE(static_cast<bool>(writer->finish()));
    // Eight sequences; token 1 is half of all targets.
    std::string lines;
    for (int i = 0; i < 8; ++i)
      lines += "{\"input_ids\": [0, 1, " + std::to_string(i) + "]}\n";
    options.data = files.write("data.jsonl", lines);
    options.weights = files.file("weights");
    options.output = files.file("out");
    options.metrics = files.file("metrics.jsonl");
    package.trainConfig.set("learning_rate", 0.5)
        .set("lr_scheduler_type", "constant")
        .set("max_steps", 6)
        .set("logging_steps", 2);
  }

  Status train() {
    options.package = files.write("fake.ftp", package.text());
    ::testing::internal::CaptureStdout();
    Status status = runTrain(options, &stoppedBy);
    out = ::testing::internal::GetCapturedStdout();
    return status;
  }
  Status inspect(const std::string &directory, bool asJson) {
    ::testing::internal::CaptureStdout();
    Status status = runInspectOutput(directory, asJson);
    out = ::testing::internal::GetCapturedStdout();
    return status;
  }
  std::string error() {
    Status status = train();
    if (status)
      return "no error";
    std::string text = formatError(status.error());
    for (size_t at; (at = text.find(files.path() + '/')) != std::string::npos;)
      text.erase(at, files.path().size() + 1);
    return text;
  }
  std::vector<json::Value> metrics() {
    std::vector<json::Value> records;
    std::string text = test::readAll(options.metrics);
    for (size_t at = 0; at < text.size();) {
      size_t end = text.find('\n', at);
      Result<json::Value> record = json::parse(text.substr(at, end - at), "metrics");
      EXPECT_TRUE(static_cast<bool>(record));
      records.push_back(*record);
      at = end + 1;
    }
    return records;
  }
  std::vector<double> losses() {
    std::vector<double> list;
    for (const json::Value &record : metrics())
      if (const json::Value *loss = record.find("loss"))
        list.push_back(*loss->asDouble());
    return list;
  }
  std::vector<float> savedLogits(const std::string &file, const std::string &key) {
    Result<SafetensorsFile> saved = SafetensorsFile::open(file);
    EXPECT_TRUE(static_cast<bool>(saved)) << saved.error().str();
    const TensorView *logits = saved ? saved->find(key) : nullptr;
    EXPECT_NE(logits, nullptr);
    return logits ? *logits->toF32() : std::vector<float>();
  }

  test::TempDirectory files;
  test::FakePackage package;
  TrainOptions options;
  std::string out;
  int stoppedBy = 0;
};

} // namespace ftc::trainer

#endif // FTC_TEST_UNIT_TRAINER_TRAINFIXTURE_H
