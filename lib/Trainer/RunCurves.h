//===- RunCurves.h - what a run has recorded, as curves --------------------===//
// Losses, learning rates and throughput from an output directory of ftc train.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TRAINER_RUNCURVES_H
#define FTC_LIB_TRAINER_RUNCURVES_H

#include "ftc/Support/Error.h"
#include "ftc/Trainer/Plot.h"

namespace ftc::trainer {

/// Points in rising order of steps, all finite.
struct RunCurves {
  std::string name;
  std::vector<PlotPoint> loss, evalLoss, learningRate, throughput;
};

/// Reads a run. `path`: an output directory, or a metrics file. A directory's curves are those of
/// `metrics`, or else of its metrics.jsonl (a point a step), or else of its trainer_state.json or
/// its newest checkpoint's (a point a record; without throughput). A step that is recorded a second
/// time, by a run that went on from an earlier checkpoint, replaces itself and all that came after
/// it. A last line without its newline is still being written and is left out.
Result<RunCurves> readRun(const std::string &path, const std::string &metrics);

} // namespace ftc::trainer

#endif // FTC_LIB_TRAINER_RUNCURVES_H
