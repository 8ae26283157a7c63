//===- PlotSvg.h - curves of runs as a picture -----------------------------===//
// One SVG file that needs nothing beside it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TRAINER_PLOTSVG_H
#define FTC_LIB_TRAINER_PLOTSVG_H

#include "RunCurves.h"

namespace ftc::trainer {

/// Runs that a picture can tell apart.
constexpr size_t kMaxRuns = 8;

/// Round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high` or just inside, at
/// most `count` of them.
std::vector<double> roundTicks(double low, double high, int count);
/// A tick's text, with the digits that ticks `step` apart need.
std::string tickText(double value, double step);

/// Panels of loss (evaluation as dots on a dashed line), learning rate and throughput over steps,
/// each where a run has it. A curve of more than 500 points is drawn as means of equal runs of
/// points in front of the range from their least to their greatest. The same runs, the same bytes;
/// light and dark follow the viewer's choice.
std::string plotSvg(const std::vector<RunCurves> &runs);

} // namespace ftc::trainer

#endif // FTC_LIB_TRAINER_PLOTSVG_H
