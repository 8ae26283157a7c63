//===- Plot.h - a curve in the terminal ------------------------------------===//
// Losses over steps as a chart of block characters.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_PLOT_H
#define FTC_TRAINER_PLOT_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ftc::trainer {

struct PlotPoint {
  int64_t step = 0;
  double value = 0;
};

struct PlotOptions {
  size_t width = 60;  ///< columns of the chart itself
  size_t height = 12; ///< rows of the chart itself
};

/// The mean of the points of each column, left to right: column c has points [c n/w, (c+1) n/w),
/// or, when there are fewer points than columns, the one point that stands there.
std::vector<double> columnMeans(const std::vector<PlotPoint> &points, size_t width);

/// A chart (UTF-8, one line a row, each ending in a newline) with the highest, middle and lowest
/// value and the first and last step at its edges; every column reaches at least one eighth of a
/// row. Points that are not finite are left out; without points the text is empty.
std::string plotCurve(const std::string &title, const std::vector<PlotPoint> &points,
                      const PlotOptions &options = {});

/// Several curves over one pair of axes: a column has the mean of a curve's points whose steps fall
/// into it, marked by the curve's number from 1 (at most 9), `*` where curves meet. Points are
/// finite and in order of steps.
std::string plotCurves(const std::string &title, const std::vector<std::vector<PlotPoint>> &curves,
                       const PlotOptions &options = {});

} // namespace ftc::trainer

#endif // FTC_TRAINER_PLOT_H
