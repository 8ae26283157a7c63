//===- Plot.cpp - a curve in the terminal ----------------------------------===//
// Columns of eighths of a block under labelled axes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Plot.h"

#include "ftc/Trainer/Format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ftc::trainer {

std::vector<double> columnMeans(const std::vector<PlotPoint> &points, size_t width) {
  std::vector<double> means;
  if (points.empty())
    return means;
  for (size_t c = 0; c < width; ++c) {
    size_t begin = c * points.size() / width;
    size_t end = std::max(begin + 1, (c + 1) * points.size() / width);
    double sum = 0;
    for (size_t i = begin; i < end; ++i)
      sum += points[i].value;
    means.push_back(sum / static_cast<double>(end - begin));
  }
  return means;
}

namespace {

constexpr size_t labelWidth = 9;

std::string rightAligned(const std::string &text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string label(double value) {
  char text[32];
  double size = std::fabs(value);
  bool plain = size == 0 || (size >= 0.001 && size < 10000);
  std::snprintf(text, sizeof text, plain ? "%.4f" : "%.3g", value);
  return text;
}

/// The line under a chart, and the steps at its ends.
std::string stepAxis(int64_t first, int64_t last, size_t width) {
  std::string axis;
  for (size_t c = 0; c < width; ++c)
    axis += "─";
  std::string begin = "step " + formatCount(first);
  std::string text =
      std::string(labelWidth, ' ') + " └" + axis + '\n' + std::string(labelWidth + 2, ' ') + begin;
  if (last != first)
    text += rightAligned(formatCount(last), width - std::min(width, begin.size()));
  return text + '\n';
}

} // namespace

std::string plotCurve(const std::string &title, const std::vector<PlotPoint> &points,
                      const PlotOptions &options) {
  static const char *const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::vector<PlotPoint> finite;
  for (const PlotPoint &point : points)
    if (std::isfinite(point.value))
      finite.push_back(point);
  size_t width = std::max<size_t>(options.width, 8), height = std::max<size_t>(options.height, 3);
  std::vector<double> means = columnMeans(finite, width);
  if (means.empty())
    return {};
  auto [low, high] = std::minmax_element(means.begin(), means.end());
  double base = *low, span = *high - *low;

  // From one eighth, so that no column is empty, to the full height.
  std::vector<size_t> heights;
  for (double mean : means) {
    double share = span > 0 ? (mean - base) / span : 0;
    heights.push_back(1 + static_cast<size_t>(std::lround(share * double(8 * height - 1))));
  }
  std::string text = rightAligned("", labelWidth) + "   " + title + '\n';
  for (size_t row = height; row-- > 0;) {
    std::string cells;
    for (size_t h : heights)
      cells += eighths[std::min<size_t>(8, h > 8 * row ? h - 8 * row : 0)];
    cells.erase(cells.find_last_not_of(' ') + 1);
    std::string mark;
    if (row == height - 1 && span > 0)
      mark = label(*high);
    else if (row == height / 2 && span > 0)
      mark = label(base + span * double(8 * row + 4) / double(8 * height));
    else if (row == 0)
      mark = label(base);
    text += rightAligned(mark, labelWidth) + (mark.empty() ? " │" : " ┤") + cells + '\n';
  }
  return text + stepAxis(finite.front().step, finite.back().step, width);
}

std::string plotCurves(const std::string &title, const std::vector<std::vector<PlotPoint>> &curves,
                       const PlotOptions &options) {
  size_t width = std::max<size_t>(options.width, 8), height = std::max<size_t>(options.height, 3);
  int64_t first = INT64_MAX, last = INT64_MIN;
  for (const std::vector<PlotPoint> &points : curves)
    if (!points.empty()) {
      first = std::min(first, points.front().step);
      last = std::max(last, points.back().step);
    }
  if (first > last)
    return {};
  struct Cell {
    double sum = 0;
    size_t count = 0;
    double mean() const { return sum / static_cast<double>(count); }
  };
  std::vector<std::vector<Cell>> cells(curves.size(), std::vector<Cell>(width));
  double columnsPerStep = double(width) / (double(last) - double(first) + 1);
  for (size_t r = 0; r < curves.size(); ++r)
    for (const PlotPoint &point : curves[r]) {
      double column = (double(point.step) - double(first)) * columnsPerStep;
      Cell &cell = cells[r][std::min(width - 1, static_cast<size_t>(column))];
      cell.sum += point.value;
      ++cell.count;
    }
  double low = INFINITY, high = -INFINITY;
  for (const std::vector<Cell> &row : cells)
    for (const Cell &cell : row)
      if (cell.count > 0) {
        low = std::min(low, cell.mean());
        high = std::max(high, cell.mean());
      }
  double span = high - low;
  std::vector<std::string> rows(height, std::string(width, ' '));
  for (size_t r = 0; r < curves.size(); ++r)
    for (size_t c = 0; c < width; ++c)
      if (const Cell &cell = cells[r][c]; cell.count > 0) {
        double share = span > 0 ? (cell.mean() - low) / span : 0;
        char &mark = rows[static_cast<size_t>(std::lround(share * double(height - 1)))][c];
        mark = mark == ' ' ? static_cast<char>('1' + std::min<size_t>(r, 8)) : '*';
      }
  std::string text = rightAligned("", labelWidth) + "   " + title + '\n';
  for (size_t row = height; row-- > 0;) {
    std::string marks = rows[row], mark;
    marks.erase(marks.find_last_not_of(' ') + 1);
    if (row == 0 || (span > 0 && (row == height - 1 || row == height / 2)))
      mark = label(low + span * double(row) / double(height - 1));
    text += rightAligned(mark, labelWidth) + (mark.empty() ? " │" : " ┤") + marks + '\n';
  }
  return text + stepAxis(first, last, width);
}

} // namespace ftc::trainer
