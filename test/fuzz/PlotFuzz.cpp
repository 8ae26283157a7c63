//===- PlotFuzz.cpp - a run's records as curves -----------------------------===//
// A metrics file, and what is drawn of it: beside itself, as a chart and as a picture.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "lib/Trainer/PlotSvg.h"

using namespace ftc;

void fuzz::readInput(std::string_view input) {
  static ScratchFile scratch("metrics.jsonl");
  Result<trainer::RunCurves> run = trainer::readRun(scratch.write(input), "");
  if (!run)
    return checkError(run.error(), scratch.path());
  for (const std::vector<trainer::PlotPoint> *points :
       {&run->loss, &run->evalLoss, &run->learningRate, &run->throughput}) {
    for (size_t i = 1; i < points->size(); ++i)
      require((*points)[i - 1].step < (*points)[i].step, "steps do not rise");
    trainer::plotCurve("curve", *points);
    trainer::plotCurves("curves", {*points, run->loss});
  }
  trainer::plotSvg({*run});
  trainer::plotSvg({*run, *run});
}
