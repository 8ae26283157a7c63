//===- ProgressTest.cpp - the step line and the metrics file ---------------===//
// What stands on a terminal, in a log and in the metrics.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "test/unit/Support/TestFiles.h"

#include "ftc/Trainer/Progress.h"

#include <cstdlib>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

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

TEST(Progress, ShowsTheShareOfThePeak) {
  StepReport report = someReport();
  report.mfu = 0.2649;
  EXPECT_EQ(formatStep(report), "step 120/5000 | loss 0.6069 | lr 9.1e-05 | grad norm 0.42 | 7,299 "
                                "tok/s | mfu 26% | mem 20.8 GiB | 8m31s left");
}

TEST(Progress, FitsNarrowTerminals) {
  StepReport report = someReport();
  report.mfu = 0.26;
  EXPECT_EQ(formatStep(report, formatStep(report).size()), formatStep(report));
  EXPECT_EQ(formatStep(report, formatStep(report).size() - 1),
            "step 120/5000 | loss 0.6069 | grad norm 0.42 | 7,299 tok/s | "
            "mfu 26% | mem 20.8 GiB | 8m31s left");
  EXPECT_EQ(formatStep(report, 79),
            "step 120/5000  loss 0.6069  norm 0.42  7,299 tok/s  20.8 GiB  8m31s left");
  EXPECT_EQ(formatStep(report, 70),
            "step 120/5000  loss 0.6069  norm 0.42  7,299 tok/s  8m31s left");
  EXPECT_EQ(formatStep(report, 60), "step 120/5000  loss 0.6069  norm 0.42  8m31s left");
  EXPECT_EQ(formatStep(report, 40), "step 120/5000  loss 0.6069  8m31s left");
  EXPECT_EQ(formatStep(report, 20), "step 120/5000  loss ");
  for (size_t columns = 1; columns < 120; ++columns)
    EXPECT_LE(formatStep(report, columns).size(), columns);
}

/// A terminal of its own.
class Terminal {
public:
  Terminal() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0)
      return;
    const char *name = ::ptsname(master);
    out = name ? std::fopen(name, "we") : nullptr;
    struct termios settings;
    if (out && ::tcgetattr(::fileno(out), &settings) == 0) {
      settings.c_oflag &= ~static_cast<tcflag_t>(OPOST);
      ::tcsetattr(::fileno(out), TCSANOW, &settings);
    }
  }
  ~Terminal() {
    if (out)
      std::fclose(out);
    ::close(master);
  }
  void resize(unsigned short columns) {
    struct winsize size{24, columns, 0, 0};
    EXPECT_EQ(::ioctl(master, TIOCSWINSZ, &size), 0);
  }
  /// What was written since the last call.
  std::string text() {
    char buffer[4096];
    ssize_t count = ::read(master, buffer, sizeof buffer);
    return count > 0 ? std::string(buffer, static_cast<size_t>(count)) : std::string();
  }

  int master;
  FILE *out = nullptr;
};

TEST(Progress, FollowsTheSizeOfTheTerminal) {
  Terminal terminal;
  ASSERT_NE(terminal.out, nullptr);
  Progress progress(terminal.out, true);
  StepReport last = someReport();
  last.step = last.totalSteps; // shown whenever it comes
  terminal.resize(120);
  progress.step(last, false);
  std::string wide = formatStep(last), narrow = formatStep(last, 79), tiny = formatStep(last, 39);
  EXPECT_EQ(terminal.text(), '\r' + wide);
  // The line that no longer fits has wrapped; the next begins below it.
  terminal.resize(80);
  progress.step(last, false);
  EXPECT_EQ(terminal.text(), "\n\r" + narrow);
  terminal.resize(40);
  progress.step(last, false);
  EXPECT_EQ(terminal.text(), "\n\r" + tiny);
  terminal.resize(200);
  progress.step(last, false);
  EXPECT_EQ(terminal.text(), '\r' + wide);
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
  StepReport measured = someReport();
  measured.flops = 1.5e12;
  measured.mfu = 0.25;
  ASSERT_TRUE(static_cast<bool>(metrics->step(measured)));
  EXPECT_NE(test::readAll(path).find(",\"flops\":1.5e+12,\"mfu\":0.25}"), std::string::npos)
      << test::readAll(path);
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
