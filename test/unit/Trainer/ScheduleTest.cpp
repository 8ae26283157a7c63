//===- ScheduleTest.cpp - learning rates against transformers' -------------===//
// Numbers of transformers' schedules, written out.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Schedule.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstdio>
#include <cstring>

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

/// Doubles between two, as the difference of their bits; both of one sign.
int64_t ulps(double a, double b) {
  int64_t bits[2];
  std::memcpy(&bits[0], &a, sizeof a);
  std::memcpy(&bits[1], &b, sizeof b);
  return std::abs(bits[0] - bits[1]);
}

/// A library's cos and pow may differ in the last bit from processor to processor: near a zero of
/// the factor that is more than one bit of the rate, so the allowance is one of the base rate.
bool isNearly(double rate, double expected, double base) {
  return std::abs(rate - expected) <= base * 0x1p-52;
}

TEST(Schedule, TheTableOfTransformers) {
  Result<json::Value> table = json::parseFile(FTC_TEST_DIR "/unit/Trainer/schedules.json");
  ASSERT_TRUE(static_cast<bool>(table)) << table.error().str();
  size_t compared = 0, equal = 0;
  for (const json::Value &row : table->elements()) {
    json::Value rates;
    TrainConfig config;
    for (const json::Member &member : row.members()) {
      if (member.key == "rates") {
        rates = member.value;
        continue;
      }
      json::Value one = json::Value::object();
      one.set(member.key, member.value);
      Status merged = config.merge(one, "schedules.json", nullptr);
      ASSERT_TRUE(static_cast<bool>(merged)) << merged.error().str();
    }
    Result<Schedule> schedule = Schedule::create(config, config.maxSteps);
    ASSERT_TRUE(static_cast<bool>(schedule)) << schedule.error().str();
    const bool usesLibm = config.lrSchedulerType.find("cosine") != std::string::npos ||
                          config.lrSchedulerType == "polynomial" ||
                          config.lrSchedulerType == "warmup_stable_decay";
    ASSERT_EQ(rates.elements().size(), static_cast<size_t>(config.maxSteps));
    for (size_t i = 0; i < rates.elements().size(); ++i) {
      double expected = *rates.elements()[i].asDouble();
      double rate = schedule->learningRate(static_cast<int64_t>(i) + 1);
      bool same = ulps(rate, expected) == 0;
      EXPECT_TRUE(same || (usesLibm && isNearly(rate, expected, config.learningRate)))
          << config.lrSchedulerType << ' ' << json::dump(config.lrSchedulerKwargs) << " step "
          << i + 1 << ": " << json::formatDouble(rate) << ", transformers has "
          << json::formatDouble(expected);
      ++compared;
      equal += same;
    }
  }
  EXPECT_EQ(table->elements().size(), 60u);
  RecordProperty("rates", static_cast<int>(compared));
  std::printf("%zu of %zu rates equal to the bit\n", equal, compared);
}

TEST(Schedule, RefusesOtherNames) {
  TrainConfig config;
  config.lrSchedulerType = "greedy";
  Result<Schedule> schedule = Schedule::create(config, 10);
  ASSERT_FALSE(static_cast<bool>(schedule));
  EXPECT_NE(schedule.error().message.find("'greedy' is not a schedule"), std::string::npos);
}

} // namespace
} // namespace ftc::trainer
