//===- PlotOutput.cpp - ftc plot -------------------------------------------===//
// The curves of one run or of several, for the terminal or as a picture.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "PlotSvg.h"

#include "ftc/Support/AtomicFile.h"
#include "ftc/Trainer/Commands.h"

#include <cstdio>

namespace ftc::trainer {

namespace {

struct Chart {
  const char *title;
  std::vector<PlotPoint> RunCurves::*points;
  size_t height;
};
constexpr Chart charts[] = {{"loss", &RunCurves::loss, 12},
                            {"eval loss", &RunCurves::evalLoss, 8},
                            {"learning rate", &RunCurves::learningRate, 6},
                            {"tokens per second", &RunCurves::throughput, 6}};

void printCharts(const std::vector<RunCurves> &runs) {
  if (runs.size() > 1) {
    for (size_t r = 0; r < runs.size(); ++r)
      std::printf("  %zu  %s\n", r + 1, quoted(runs[r].name, 200).c_str());
    std::printf("\n");
  }
  bool isFirst = true;
  for (const Chart &chart : charts) {
    std::vector<std::vector<PlotPoint>> curves;
    for (const RunCurves &run : runs)
      curves.push_back(run.*chart.points);
    PlotOptions options;
    options.height = chart.height;
    std::string text = runs.size() == 1 ? plotCurve(chart.title, curves[0], options)
                                        : plotCurves(chart.title, curves, options);
    if (!text.empty())
      std::printf("%s%s", isFirst ? "" : "\n", text.c_str());
    isFirst = isFirst && text.empty();
  }
}

} // namespace

Status runPlot(const PlotRunsOptions &options) {
  std::vector<RunCurves> runs;
  for (size_t i = 0; i < options.outputs.size(); ++i) {
    Result<RunCurves> run = readRun(
        options.outputs[i], i < options.metrics.size() ? options.metrics[i] : std::string());
    if (!run)
      return run.takeError();
    runs.push_back(std::move(*run));
  }
  if (options.svg.empty()) {
    printCharts(runs);
    return Status::ok();
  }
  if (Status s = writeFileAtomically(options.svg, plotSvg(runs)); !s)
    return s;
  std::printf("wrote %s\n", options.svg.c_str());
  return Status::ok();
}

} // namespace ftc::trainer
