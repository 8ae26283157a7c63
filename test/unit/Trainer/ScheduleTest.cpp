//===- ScheduleTest.cpp - learning rates against transformers' -------------===//
// Numbers of transformers' schedules, written out.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Schedule.h"

#include "gtest/gtest.h"

namespace ftc::trainer {
namespace {

/// The learning rates of steps 1..total.
std::vector<double> rates(const std::string &name, int64_t warmup, int64_t total) {
  TrainConfig config;
  config.learningRate = 10;
  config.lrSchedulerType = name;
  config.warmupSteps = StepCount{static_cast<double>(warmup)};
  Result<Schedule> schedule = Schedule::create(config, total);
  EXPECT_TRUE(static_cast<bool>(schedule));
  std::vector<double> list;
  for (int64_t step = 1; schedule && step <= total; ++step)
    list.push_back(schedule->learningRate(step));
  return list;
}

void expectNear(const std::vector<double> &actual, const std::vector<double> &expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], 1e-12) << "step " << i + 1;
}

// The expected values are those that transformers' own tests list for a base rate of 10, ten steps
// and two of warmup (tests/optimization), or follow from its formulas in the same way.

TEST(Schedule, Constant) { expectNear(rates("constant", 4, 10), std::vector<double>(10, 10.0)); }

TEST(Schedule, ConstantWithWarmup) {
  expectNear(rates("constant_with_warmup", 4, 10),
             {0.0, 2.5, 5.0, 7.5, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0});
}

TEST(Schedule, Linear) {
  expectNear(rates("linear", 2, 10), {0.0, 5.0, 10.0, 8.75, 7.5, 6.25, 5.0, 3.75, 2.5, 1.25});
  expectNear(rates("linear", 0, 4), {10.0, 7.5, 5.0, 2.5});
}

TEST(Schedule, Cosine) {
  // 10 (1 + cos(pi i / 8)) / 2, i = 0..7.
  expectNear(rates("cosine", 2, 10),
             {0.0, 5.0, 10.0, 9.61939766255643, 8.535533905932738, 6.913417161825449, 5.0,
              3.0865828381745515, 1.4644660940672627, 0.3806023374435663});
}

TEST(Schedule, WarmupOfAllSteps) {
  // max(1, n - w) keeps the divisor from 0.
  expectNear(rates("linear", 4, 4), {0.0, 2.5, 5.0, 7.5});
  expectNear(rates("cosine", 4, 4), {0.0, 2.5, 5.0, 7.5});
}

TEST(Schedule, TakesShares) {
  TrainConfig config;
  config.learningRate = 1;
  config.warmupSteps = StepCount{0.25};
  EXPECT_EQ(Schedule::create(config, 10)->warmupSteps(), 3);
  config.warmupSteps = StepCount{0};
  config.warmupRatio = 0.1;
  EXPECT_EQ(Schedule::create(config, 11)->warmupSteps(), 2);
}

TEST(Schedule, RefusesOtherNames) {
  TrainConfig config;
  config.lrSchedulerType = "polynomial";
  Result<Schedule> schedule = Schedule::create(config, 10);
  ASSERT_FALSE(static_cast<bool>(schedule));
  EXPECT_NE(schedule.error().message.find("'polynomial' is not a schedule"), std::string::npos);
}

} // namespace
} // namespace ftc::trainer
