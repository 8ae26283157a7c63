//===- PlotTest.cpp - the curve in the terminal ----------------------------===//
// Columns, heights and labels of the chart.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Plot.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>

namespace ftc::trainer {
namespace {

std::vector<PlotPoint> pointsOf(const std::vector<double> &values) {
  std::vector<PlotPoint> points;
  for (double value : values)
    points.push_back({static_cast<int64_t>(points.size()) + 1, value});
  return points;
}

TEST(Plot, ColumnsAreMeansOfEqualRuns) {
  EXPECT_EQ(columnMeans(pointsOf({1, 3, 5, 7}), 2), (std::vector<double>{2, 6}));
  EXPECT_EQ(columnMeans(pointsOf({1, 2, 3}), 2), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(columnMeans(pointsOf({1, 2}), 4), (std::vector<double>{1, 1, 2, 2}));
  EXPECT_TRUE(columnMeans({}, 4).empty());
}

TEST(Plot, DrawsEighthsUnderLabels) {
  // Heights of 3 rows of 8: 24, 16, 9 and 1 eighths, two columns each.
  std::string text = plotCurve("loss", pointsOf({4, 2.95, 2, 1}), {8, 3});
  EXPECT_EQ(text, "            loss\n"
                  "   4.0000 ┤██\n"
                  "   2.5000 ┤████▁▁\n"
                  "   1.0000 ┤██████▁▁\n"
                  "          └────────\n"
                  "           step 1 4\n");
}

TEST(Plot, ShowsAFlatLine) {
  std::string text = plotCurve("loss", pointsOf({0.5, 0.5}), {8, 3});
  EXPECT_EQ(text, "            loss\n"
                  "          │\n"
                  "          │\n"
                  "   0.5000 ┤▁▁▁▁▁▁▁▁\n"
                  "          └────────\n"
                  "           step 1 2\n");
}

TEST(Plot, LeavesOutWhatIsNotFinite) {
  EXPECT_EQ(plotCurve("loss", {}), "");
  EXPECT_EQ(plotCurve("loss", {{1, std::nan("")}}), "");
  EXPECT_EQ(plotCurve("loss", {{1, 2.0}, {2, INFINITY}, {3, 1.0}}, {8, 3}),
            plotCurve("loss", {{1, 2.0}, {3, 1.0}}, {8, 3}));
}

TEST(Plot, HasItsSize) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i)
    values.push_back(5 * std::exp(-i / 200.0));
  std::string text = plotCurve("loss", pointsOf(values));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1 + 12 + 2);
  EXPECT_NE(text.find("step 1"), std::string::npos);
  EXPECT_NE(text.find("1,000\n"), std::string::npos);
}

} // namespace
} // namespace ftc::trainer
