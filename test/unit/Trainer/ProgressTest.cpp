//===- ProgressTest.cpp - the step line and the metrics file ---------------===//
// What stands on a terminal, in a log and in the metrics.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "test/unit/Support/TestFiles.h"

#include "ftc/Trainer/Progress.h"

namespace ftc::trainer {
namespace {

StepReport someReport() {
  StepReport report;
  report.step = 120;
  report.totalSteps = 5000;
  report.loss = 0.60689;
  report.gradNorm = 0.42;
  report.learningRate = 9.1e-5;
  report.tokensPerSecond = 7298.6;
  report.stepSeconds = 0.14;
  report.secondsLeft = 511;
  report.memoryBytes = 22333829939;
  return report;
}

const char kLine[] =
    "step 120/5000 | loss 0.6069 | lr 9.1e-05 | grad norm 0.42 | 7,299 tok/s | mem "
    "20.8 GiB | 8m31s left";

/// What `use` prints through a Progress.
template <class Use> std::string printed(bool terminal, Use use) {
  char *text = nullptr;
  size_t size = 0;
  FILE *out = ::open_memstream(&text, &size);
  {
    Progress progress(out, terminal);
    use(progress);
  }
  std::fclose(out);
  std::string result(text, size);
  std::free(text);
  return result;
}

TEST(Progress, FormatsAStep) {
  EXPECT_EQ(formatStep(someReport()), kLine);
  StepReport unknown = someReport();
  unknown.memoryBytes = 0;
  EXPECT_EQ(formatStep(unknown).find("mem"), std::string::npos);
}

TEST(Progress, LogsLinesWithoutATerminal) {
  std::string text = printed(false, [](Progress &progress) {
    progress.step(someReport(), false);
    progress.step(someReport(), true);
    progress.line("eval");
  });
  EXPECT_EQ(text, std::string(kLine) + "\neval\n");
}

TEST(Progress, KeepsOneLineOnATerminal) {
  std::string text = printed(true, [](Progress &progress) {
    progress.step(someReport(), false);
    progress.step(someReport(), false); // within a tenth of a second
    progress.line("eval");
    StepReport last = someReport();
    last.step = last.totalSteps;
    progress.step(last, true);
  });
  EXPECT_EQ(text, "\r" + std::string(kLine) + "\neval\n\rstep 5000/5000" +
                      std::string(kLine).substr(13) + "\n");
}

TEST(Progress, WipesALongerLine) {
  std::string text = printed(true, [](Progress &progress) {
    progress.step(someReport(), false);
    StepReport last = someReport();
    last.step = last.totalSteps = 9;
    progress.step(last, false);
  });
  EXPECT_EQ(text,
            "\r" + std::string(kLine) + "\rstep 9/9" + std::string(kLine).substr(13) + "     \n");
}

TEST(Progress, MeasuresMemory) {
  EXPECT_GT(residentBytes(), uint64_t{1} << 20);
  EXPECT_LT(residentBytes(), uint64_t{1} << 40);
}

TEST(Metrics, WritesALineAStepAtOnce) {
  test::TempDirectory files;
  std::string path = files.write("m.jsonl", "from an earlier run\n");
  Result<MetricsFile> metrics = MetricsFile::create(path);
  ASSERT_TRUE(static_cast<bool>(metrics));
  ASSERT_TRUE(static_cast<bool>(metrics->step(someReport())));
  EXPECT_EQ(test::readAll(path),
            "{\"step\":120,\"loss\":0.60689,\"grad_norm\":0.42,\"learning_rate\":9.1e-05,"
            "\"tokens_per_second\":7298.6,\"step_seconds\":0.14}\n");
  ASSERT_TRUE(static_cast<bool>(metrics->evaluation(7, 2.5, 10)));
  Result<std::string> text = readFile(path);
  EXPECT_NE(text->find("\n{\"step\":7,\"eval_loss\":2.5,\"eval_tokens\":10}\n"), std::string::npos);
}

TEST(Metrics, TellsWhyItCannotBeWritten) {
  test::TempDirectory files;
  Result<MetricsFile> metrics = MetricsFile::create(files.file("no/m.jsonl"));
  ASSERT_FALSE(static_cast<bool>(metrics));
  EXPECT_EQ(metrics.error().str(), files.file("no/m.jsonl") +
                                       ": cannot create the metrics file: No such file or "
                                       "directory");
}

} // namespace
} // namespace ftc::trainer
