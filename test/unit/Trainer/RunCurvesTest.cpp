//===- RunCurvesTest.cpp - ftc plot over recorded runs ---------------------===//
// What is read from directories and metrics files, what is refused, ticks and pictures.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "lib/Trainer/PlotSvg.h"
#include "test/unit/Support/TestFiles.h"

#include "ftc/Trainer/Commands.h"

#include <algorithm>
#include <cmath>

namespace ftc::trainer {
namespace {

class RunCurvesTest : public ::testing::Test {
protected:
  RunCurves good(const std::string &path, const std::string &metrics = "") {
    Result<RunCurves> run = readRun(path, metrics);
    EXPECT_TRUE(static_cast<bool>(run)) << run.error().str();
    return run ? *run : RunCurves();
  }
  /// The error of a metrics file with this text, or of a path, without the temporary directory.
  std::string errorAt(const std::string &path) {
    Result<RunCurves> run = readRun(path, "");
    if (run)
      return "no error";
    std::string text = run.error().str();
    for (size_t at; (at = text.find(files.path() + '/')) != std::string::npos;)
      text.erase(at, files.path().size() + 1);
    return text;
  }
  std::string error(std::string_view text) { return errorAt(files.write("m.jsonl", text)); }
  std::string directory(const std::string &name) {
    EXPECT_TRUE(static_cast<bool>(makeDirectories(files.file(name))));
    return files.file(name);
  }
  static std::string listed(const std::vector<PlotPoint> &points) {
    std::string text;
    for (const PlotPoint &point : points)
      text += std::to_string(point.step) + ':' + json::formatDouble(point.value) + ' ';
    return text;
  }

  test::TempDirectory files;
};

TEST_F(RunCurvesTest, ReadsMetrics) {
  std::string path = files.write(
      "m.jsonl",
      "{\"step\":1,\"loss\":2.5,\"learning_rate\":0.5,\"tokens_per_second\":10,\"x\":[]}\n"
      "\n{\"step\":2,\"loss\":null,\"learning_rate\":0.25}\n"
      "{\"step\":2,\"eval_loss\":3}\n{\"step\":3,\"lo");
  RunCurves run = good(path);
  EXPECT_EQ(listed(run.loss), "1:2.5 ");
  EXPECT_EQ(listed(run.learningRate), "1:0.5 2:0.25 ");
  EXPECT_EQ(listed(run.throughput), "1:10.0 ");
  EXPECT_EQ(listed(run.evalLoss), "2:3.0 ");
  EXPECT_EQ(run.name, path);
}

TEST_F(RunCurvesTest, AStepThatIsRecordedAgainReplacesWhatFollowedIt) {
  RunCurves run =
      good(files.write("m.jsonl", "{\"step\":1,\"loss\":1}\n{\"step\":2,\"loss\":2}\n"
                                  "{\"step\":3,\"loss\":3}\n{\"step\":2,\"loss\":4}\n"));
  EXPECT_EQ(listed(run.loss), "1:1.0 2:4.0 ");
}

TEST_F(RunCurvesTest, FindsWhatADirectoryHas) {
  auto state = [](const char *loss) {
    return std::string("{\"log_history\": [{\"step\": 5, \"loss\": ") + loss +
           "}, {\"step\": 5, \"train_loss\": 9}]}";
  };
  std::string out = directory("out");
  EXPECT_EQ(errorAt(out),
            "out: has no metrics.jsonl, no trainer_state.json and no checkpoint; give "
            "an output directory of ftc train, or a metrics file");
  for (const char *name : {"out/checkpoint-9", "out/checkpoint-10", "out/checkpoint-11",
                           "out/checkpoint-x", "out/.checkpoint-12.tmp-3"})
    directory(name);
  files.write("out/checkpoint-9/trainer_state.json", state("9"));
  files.write("out/checkpoint-10/trainer_state.json", state("10"));
  files.write("out/checkpoint-x/trainer_state.json", state("1"));
  files.write("out/.checkpoint-12.tmp-3/trainer_state.json", state("12"));
  EXPECT_EQ(listed(good(out).loss), "5:10.0 ");
  files.write("out/trainer_state.json", state("20"));
  EXPECT_EQ(listed(good(out + "//").loss), "5:20.0 ");
  EXPECT_EQ(good(out + "//").name, out);
  files.write("out/metrics.jsonl", "{\"step\": 1, \"loss\": 30}\n");
  EXPECT_EQ(listed(good(out).loss), "1:30.0 ");
  EXPECT_EQ(listed(good(out, files.write("m", "{\"step\": 1, \"loss\": 40}\n")).loss), "1:40.0 ");
}

TEST_F(RunCurvesTest, RefusesWhatIsNoRecord) {
  EXPECT_EQ(error("{\"step\":1}\n[1]\n"),
            "m.jsonl:2: a record must be an object with 'step', got an array");
  EXPECT_EQ(error("{\"loss\":1}\n"), "m.jsonl:1: has no 'step'; a record must have one");
  EXPECT_EQ(error("{\"step\":-1}\n"),
            "m.jsonl:1: 'step' must be an integer of at least 0, got '-1'");
  EXPECT_EQ(error("{\"step\":1,\"loss\":\"a\"}\n"),
            "m.jsonl:1: 'loss' must be a number, got '\"a\"'");
  EXPECT_EQ(error("{\"step\":9007199254740993,\"loss\":1}\n"),
            "m.jsonl:1: 'step' must be at most 2^53, got 9007199254740993");
  EXPECT_EQ(error("{\"step\":1,\"loss\":-1e308}\n"),
            "m.jsonl:1: 'loss' must be within 1e100 of 0, got -1e+308");
  EXPECT_EQ(error("{\"step\":1,}\n").rfind("m.jsonl:1:", 0), 0u);
  EXPECT_EQ(error("{\"step\":1}\n"), "m.jsonl: records no step yet; there is nothing to plot");
  EXPECT_EQ(error(""), "m.jsonl: records no step yet; there is nothing to plot");
  std::string out = directory("out");
  files.write("out/trainer_state.json", "{\n\"log_history\": {}}");
  EXPECT_EQ(errorAt(out), "out/trainer_state.json: 'log_history' must be an array of records, got "
                          "an object");
  files.write("out/trainer_state.json", "{}");
  EXPECT_EQ(errorAt(out), "out/trainer_state.json: 'log_history' must be an array of records; the "
                          "file has none");
  files.write("out/trainer_state.json", "{\"log_history\": [\n{\"step\": \"x\"}]}");
  EXPECT_EQ(errorAt(out), "out/trainer_state.json:2:1: 'step' must be an integer of at least 0, "
                          "got '\"x\"'");
}

std::string ticksOf(double low, double high, int count) {
  std::vector<double> ticks = roundTicks(low, high, count);
  std::string text;
  for (double tick : ticks)
    text += tickText(tick, ticks.size() > 1 ? ticks[1] - ticks[0] : 1) + ' ';
  return text;
}

TEST(RoundTicks, OfNumbersWithoutRoundOnesBetween) {
  EXPECT_EQ(roundTicks(1, std::nextafter(1, 2), 7), std::vector<double>{1});
  EXPECT_EQ(roundTicks(0, 5e-324, 7), std::vector<double>{0});
  EXPECT_EQ(roundTicks(9e15, 9e15 + 2, 7), std::vector<double>{9e15});
}

TEST(PlotSvg, TicksAreRound) {
  EXPECT_EQ(ticksOf(0.7, 5.3, 7), "1 2 3 4 5 ");
  EXPECT_EQ(ticksOf(0, 0.0104, 4), "0 0.005 0.010 ");
  EXPECT_EQ(ticksOf(0, 1e-5, 6), "0 2e-06 4e-06 6e-06 8e-06 1e-05 ");
  EXPECT_EQ(ticksOf(2.341, 2.348, 5), "2.342 2.344 2.346 2.348 ");
  EXPECT_EQ(ticksOf(1, 700, 9), "100 200 300 400 500 600 700 ");
  EXPECT_EQ(ticksOf(0, 290000, 4), "0 100,000 200,000 ");
  EXPECT_EQ(ticksOf(-3, 3, 4), "-2 0 2 ");
  EXPECT_EQ(ticksOf(0, 3.2e7, 4), "0 1e+07 2e+07 3e+07 ");
  EXPECT_EQ(ticksOf(4, 4, 5), "4 ");
  for (double span : {1e-9, 3e-4, 0.7, 1.0, 1.9, 2.1, 4.9, 5.1, 9.9, 1234.5, 8e12}) {
    size_t count = roundTicks(0.37 * span, 1.37 * span, 7).size();
    EXPECT_LE(count, 7u) << span;
    EXPECT_GE(count, 2u) << span;
  }
}

size_t countOf(const std::string &text, const std::string &part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

TEST(PlotSvg, DrawsEachQuantityOfEachRun) {
  RunCurves run;
  run.name = "a<b>&\"\n\xff";
  run.loss = {{1, 2.0}, {2, 1.0}};
  run.evalLoss = {{2, 1.5}};
  run.learningRate = {{1, 0.5}, {2, 0.25}};
  std::string text = plotSvg({run, run});
  EXPECT_EQ(text, plotSvg({run, run}));
  EXPECT_EQ(countOf(text, ">loss (dots: evaluation)<"), 1u);
  EXPECT_EQ(countOf(text, ">learning rate<"), 1u);
  EXPECT_EQ(countOf(text, "tokens per second"), 0u);
  // A sample in the legend, two curves, the evaluations' line.
  EXPECT_EQ(countOf(text, "class=\"line r1\""), 3u);
  EXPECT_EQ(countOf(text, "class=\"line eval r1\""), 1u);
  EXPECT_EQ(countOf(text, "<circle class=\"r0\""), 1u);
  EXPECT_EQ(countOf(text, "class=\"range"), 0u);
  EXPECT_NE(text.find("a&lt;b&gt;&amp;"), std::string::npos);
  EXPECT_EQ(text.find('\xff'), std::string::npos);
  EXPECT_NE(text.find("prefers-color-scheme:dark"), std::string::npos);
}

TEST(PlotSvg, ManyPointsAreMeansInFrontOfTheirRange) {
  RunCurves run;
  run.name = "x";
  for (int64_t step = 1; step <= 100000; ++step)
    run.loss.push_back({step, step % 2 ? 1.0 : 3.0});
  std::string text = plotSvg({run});
  EXPECT_LT(text.size(), 40000u);
  EXPECT_EQ(countOf(text, "class=\"range r0\""), 1u);
  // 200 points a bucket, half of each: the curve is flat in the middle of 260 from 44 + 18 + 2.
  size_t begin = text.find("M", text.find("class=\"line r0\" d=\"", text.find("range r0")));
  std::string curve = text.substr(begin, text.find('"', begin) - begin);
  EXPECT_EQ(countOf(curve, ",194.0"), 500u) << curve.substr(0, 60);
}

TEST(Plot, SeveralCurvesHaveMarks) {
  std::string text =
      plotCurves("loss", {{{1, 4.0}, {8, 1.0}}, {{1, 4.0}, {4, 2.5}, {5, 1.0}}}, {8, 3});
  EXPECT_EQ(text, "            loss\n"
                  "   4.0000 ┤*\n"
                  "   2.5000 ┤   2\n"
                  "   1.0000 ┤    2  1\n"
                  "          └────────\n"
                  "           step 1 8\n");
  EXPECT_EQ(plotCurves("loss", {{}, {}}), "");
}

} // namespace
} // namespace ftc::trainer
