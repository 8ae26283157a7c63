//===- ToleranceTest.cpp - the rule accepts rounding and nothing else -----===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Interpreter/Tolerance.h"

#include "ftc/Interpreter/Evaluation.h"
#include "ftc/Support/Philox.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace ftc;
using namespace ftc::ft;

namespace {
constexpr int64_t kTerms = 200, kElements = 300;

/// The i-th element is a sum of kTerms products of f32 numbers.
template <typename Real>
std::vector<double> sums(uint64_t seed, EvaluationOptions options, int64_t terms = kTerms) {
  EvaluationContext context(options);
  context.beginOp();
  std::vector<double> values;
  for (int64_t i = 0; i < kElements; ++i)
    values.push_back(context.sum<Real>(terms, [&](int64_t k) {
      return Real(float(normal(seed, 1, i, k))) * Real(float(normal(seed, 2, i, k)));
    }));
  return values;
}

std::vector<double> rounded(uint64_t seed, uint64_t order) {
  return sums<float>(seed, {/*rounded=*/true, order});
}

Yardstick yardstick(uint64_t seed) {
  std::vector<std::vector<double>> runs;
  for (uint64_t order = 0; order < 4; ++order)
    runs.push_back(rounded(seed, order));
  return Yardstick(sums<double>(seed, {}), runs, kTerms);
}
} // namespace

TEST(Tolerance, AcceptsOrdersThatItHasNotSeen) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Yardstick rule = yardstick(seed);
    for (uint64_t order = 100; order < 110; ++order) {
      EXPECT_EQ(rule.judge(rounded(seed, order)), "") << seed << ' ' << order;
      EXPECT_LE(rule.used(rounded(seed, order)), 1);
    }
    EXPECT_EQ(rule.judge(rule.exact()), "");
    EXPECT_EQ(rule.used(rule.exact()), 0);
  }
}

TEST(Tolerance, RefusesMistakes) {
  Yardstick rule = yardstick(1);
  std::vector<double> right = rounded(1, 9);
  auto refused = [&](const std::vector<double> &values, const char *because) {
    std::string what = rule.judge(values);
    EXPECT_NE(what.find(because), std::string::npos) << because << ": " << what;
    EXPECT_GT(rule.used(values), 1);
  };
  std::vector<double> wrong = right;
  for (double &value : wrong)
    value *= 1.001;
  refused(wrong, "has an rms error of");
  for (size_t i = 0; i < wrong.size(); ++i)
    wrong[i] = right[i] * 1.0001;
  refused(wrong, "has an rms error of");
  refused(std::vector<double>(kElements, 0), "is zero throughout");
  wrong = right;
  wrong[123] += 0.002;
  refused(wrong, "has a");
  wrong = right;
  wrong[123] = std::numeric_limits<double>::quiet_NaN();
  refused(wrong, "element 123 is nan");
  wrong[123] = std::numeric_limits<double>::infinity();
  refused(wrong, "element 123 is INF");
  wrong.pop_back();
  refused(wrong, "has 299 elements; expected 300");
  // One term of two hundred is missing.
  refused(sums<float>(1, {true, 0}, kTerms - 1), "has an rms error of");
  std::swap(right[5], right[6]);
  refused(right, "has a");
}

TEST(Tolerance, WhatCancelsMayVanish) {
  // Terms that cancel leave 1e-17 in double, 1e-8 in single, and nothing in some other order.
  std::vector<double> cancelled = {1e-17, -2e-17, 1e-17}, zero(3, 0);
  std::vector<std::vector<double>> runs = {
      {1e-8, 0, 2e-8}, {0, -1e-8, 1e-8}, {1e-8, 1e-8, 0}, {-1e-8, 2e-8, 0}};
  EXPECT_EQ(Yardstick(cancelled, runs, 10).judge(zero), "");
  // A tensor that plain programs know to one part in a thousand is none of these.
  std::vector<double> known = {1e-5, -2e-5, 1e-5};
  for (std::vector<double> &run : runs)
    for (size_t i = 0; i < 3; ++i)
      run[i] += known[i];
  EXPECT_NE(Yardstick(known, runs, 10).judge(zero).find("is zero throughout"), std::string::npos);
}

TEST(Tolerance, OneElementOffInALargeTensorIsSeen) {
  // The whole tensor's error hardly changes.
  std::vector<double> exact(100000, 1.0);
  std::vector<std::vector<double>> runs(4, exact);
  for (size_t i = 0; i < exact.size(); ++i)
    for (size_t run = 0; run < 4; ++run)
      runs[run][i] += 0x1p-24 * normal(run, 1, 0, i);
  Yardstick rule(exact, runs, 10);
  std::vector<double> wrong = runs[0];
  wrong[77777] += 1e-4;
  EXPECT_NE(rule.judge(wrong).find("has an element that is off by 1.00e-04"), std::string::npos)
      << rule.judge(wrong);
}

TEST(Tolerance, AScaleThatIsOffByALittleEverywhereIsSeen) {
  // Badly conditioned: elements are off by 1e-3 in plain programs, but their scale is not.
  std::vector<double> exact;
  std::vector<std::vector<double>> runs(4);
  for (int i = 0; i < 100000; ++i) {
    exact.push_back(normal(1, 1, 0, i));
    for (int run = 0; run < 4; ++run)
      runs[run].push_back(exact.back() + 1e-3 * normal(2 + run, 1, 0, i));
  }
  Yardstick rule(exact, runs, 10);
  std::vector<double> wrong = exact;
  for (double &value : wrong)
    value *= 1.0005;
  EXPECT_NE(rule.judge(wrong).find("has an rms that is off"), std::string::npos)
      << rule.judge(wrong);
}

TEST(Tolerance, WhereRoundingIsAllThereIs) {
  // Zero but for cancellation: what plain programs leave is the measure.
  std::vector<double> exact(50, 1e-18);
  std::vector<std::vector<double>> runs;
  for (int run = 0; run < 4; ++run) {
    runs.emplace_back();
    for (int i = 0; i < 50; ++i)
      runs.back().push_back(1e-8 * normal(run, 1, 0, i));
  }
  runs[3].assign(50, 0);
  Yardstick rule(exact, runs, 10);
  EXPECT_EQ(rule.judge(std::vector<double>(50, 0)), "");
  EXPECT_EQ(rule.judge(std::vector<double>(50, 1.5e-8)), "");
  EXPECT_NE(rule.judge(std::vector<double>(50, 1e-6)), "");
  // Zero in every way: then zero it is.
  Yardstick zero(std::vector<double>(5, 0), std::vector<std::vector<double>>(4, {0, 0, 0, 0, 0}),
                 10);
  EXPECT_EQ(zero.judge(std::vector<double>(5, 0)), "");
  EXPECT_NE(zero.judge({0, 0, 1e-30, 0, 0}), "");
}
