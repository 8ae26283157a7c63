//===- FormatTest.cpp - numbers for people ---------------------------------===//
// Texts at the borders between units.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Format.h"

#include "gtest/gtest.h"

#include <cmath>

namespace ftc::trainer {
namespace {

TEST(Format, Rates) {
  EXPECT_EQ(formatRate(1.25e6), "1.25 MFLOP/s");
  EXPECT_EQ(formatRate(95.34e9), "95.3 GFLOP/s");
  EXPECT_EQ(formatRate(999.6e9), "1 TFLOP/s");
  EXPECT_EQ(formatRate(6.5e14), "650 TFLOP/s");
}

TEST(Format, Counts) {
  EXPECT_EQ(formatCount(0), "0");
  EXPECT_EQ(formatCount(999), "999");
  EXPECT_EQ(formatCount(7299), "7,299");
  EXPECT_EQ(formatCount(1234567), "1,234,567");
  EXPECT_EQ(formatCount(-123456), "-123,456");
  EXPECT_EQ(formatCount(INT64_MIN), "-9,223,372,036,854,775,808");
  EXPECT_EQ(formatPlural(1, "step"), "1 step");
  EXPECT_EQ(formatPlural(1000, "step"), "1,000 steps");
}

TEST(Format, Bytes) {
  EXPECT_EQ(formatBytes(0), "0 B");
  EXPECT_EQ(formatBytes(1023), "1023 B");
  EXPECT_EQ(formatBytes(1024), "1.0 KiB");
  EXPECT_EQ(formatBytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(formatBytes(22333829939), "20.8 GiB");
  EXPECT_EQ(formatBytes(UINT64_MAX), "16.0 EiB");
}

TEST(Format, Durations) {
  EXPECT_EQ(formatDuration(0), "0.0s");
  EXPECT_EQ(formatDuration(0.44), "0.4s");
  EXPECT_EQ(formatDuration(9.96), "10s");
  EXPECT_EQ(formatDuration(59.6), "1m00s");
  EXPECT_EQ(formatDuration(511), "8m31s");
  EXPECT_EQ(formatDuration(10920), "3h02m");
  EXPECT_EQ(formatDuration(190800), "2d05h");
  EXPECT_EQ(formatDuration(std::nan("")), "?");
  EXPECT_EQ(formatDuration(-1), "?");
}

TEST(Format, Tables) {
  EXPECT_EQ(formatTable({{"name", "count"}, {"a", "1,000"}, {"long one", "7"}}),
            "  name      count\n"
            "  a         1,000\n"
            "  long one      7\n");
  EXPECT_EQ(formatTable({{"a", "b"}, {"1", ""}}), "  a  b\n  1\n");
}

} // namespace
} // namespace ftc::trainer
