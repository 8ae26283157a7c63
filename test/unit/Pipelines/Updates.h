//===- Updates.h - updates within the backward ------------------*- C++ -*-===//
// The program that updates each matrix as soon as its gradient is known against the ordinary one:
// the same arithmetic on the same values, so the same bits.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_PIPELINES_UPDATES_H
#define FTC_TEST_UNIT_PIPELINES_UPDATES_H

#include "Native.h"

#include "dialects/Launch/IR/Launch.h"

#include <gtest/gtest.h>

using namespace ftc;
using namespace ftc::ft;
using namespace ftc::test;

namespace {
/// The case with a training config that lets the backward update.
Case inBackward(Case one) {
  one.train += R"(, "max_grad_norm": 0)";
  return one;
}

class Updates : public ::testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    advance("ft-form-kernels");
    data = {ordinary.makeData(1), ordinary.makeData(2)};
    start = ordinary.makeState();
    for (auto &[symbol, value] : start)
      if (llvm::StringRef(symbol).ends_with(".grad"))
        std::fill(value.data.begin(), value.data.end(), 0);
  }

  /// Both to the end of a step of the pipeline.
  void advance(const char *step) {
    ordinary.advance(step);
    early.advance(step);
    ASSERT_TRUE(ordinary.ok() && early.ok());
  }
  ftc_run step(int number) const {
    ftc_run run = makeStep(itemsOf(data[number % 2]), number + 1);
    run.max_grad_norm = 0;
    return run;
  }
  /// Without accumulators, which one of the two programs has; they must be zero where it is.
  static State withoutAccumulators(State state) {
    for (auto it = state.begin(); it != state.end();) {
      bool isOne = llvm::StringRef(it->first).ends_with(".grad");
      if (isOne)
        EXPECT_EQ(norm(it->second.data), 0) << it->first;
      it = isOne ? state.erase(it) : std::next(it);
    }
    return state;
  }
  /// Of `gradients`: what the ordinary program accumulates lies in the other's first moments.
  static void expectSameGradients(const State &expected, const State &actual) {
    size_t count = 0;
    for (const auto &[symbol, value] : expected) {
      llvm::StringRef owner = symbol;
      if (!owner.consume_back(".grad"))
        continue;
      ++count;
      EXPECT_TRUE(actual.at((owner + ".exp_avg").str()).data == value.data) << owner.str();
    }
    EXPECT_GT(count, 0u);
  }

  /// Three steps, interpreted.
  void expectSameSteps(EvaluationOptions options) {
    State expected = start, actual = withoutAccumulators(expected);
    for (int i = 0; i < 3; ++i) {
      std::vector<double> results =
          ordinary.run("train_step", data[i % 2], step(i), expected, 7, options);
      EXPECT_EQ(early.run("train_step", data[i % 2], step(i), actual, 7, options), results);
      expectEqual(actual, withoutAccumulators(expected));
    }
    ordinary.run("gradients", data[0], step(0), expected, 7, options);
    early.run("gradients", data[0], step(0), actual, 7, options);
    expectSameGradients(expected, actual);
  }

  Experiment ordinary{GetParam()};
  const Case other = inBackward(GetParam());
  Experiment early{other};
  std::vector<Data> data;
  State start;
};

/// The same, compiled.
class NativeUpdates : public Updates {};
} // namespace

// Launches that round what they store: also of programs that a target cannot run.
TEST_P(Updates, InterpretedLaunchesGiveTheSameBits) {
  advance("launch-plan-arena");
  expectSameSteps({});
  expectSameSteps({/*rounded=*/true});
}

// No update had to wait in a buffer of its own, and no matrix' gradient outlives its update.
TEST_P(Updates, AreInPlace) {
  early.advance("launch-plan-arena");
  ASSERT_TRUE(early.ok());
  mlir::ModuleOp module = early.get();
  for (auto state : module.getOps<launch::StateOp>())
    EXPECT_NE(state.getRole(), launch::Role::accumulator);
  auto entry = module.lookupSymbol<launch::EntryOp>("train_step");
  ASSERT_TRUE(entry);
  for (auto launch : entry.getBody().front().getOps<launch::LaunchOp>())
    if (launch.getKernel().starts_with("copy"))
      for (mlir::Value buffer : launch.getOperands().drop_front())
        EXPECT_FALSE(buffer.getDefiningOp<launch::RefOp>()) << launch.getSite().str();
  EXPECT_FALSE(module.lookupSymbol("accumulate"));
  EXPECT_FALSE(module.lookupSymbol("update"));
}

TEST_P(NativeUpdates, ThreeStepsGiveTheSameBits) {
  PackagePtr packages[] = {loadPackage(ordinary.compile()), loadPackage(early.compile())};
  ASSERT_TRUE(packages[0] && packages[1]);
  Native first(packages[0].get(), start), second(packages[1].get(), start);
  for (int i = 0; i < 3; ++i) {
    BatchArrays batch(ordinary, data[i % 2], GetParam().layout);
    ftc_result expected = first.run("train_step", &batch, step(i));
    ftc_result actual = second.run("train_step", &batch, step(i));
    EXPECT_EQ(actual.loss, expected.loss);
    EXPECT_EQ(actual.grad_norm, expected.grad_norm);
    EXPECT_GT(actual.grad_norm, 0);
    expectEqual(second.read(), withoutAccumulators(first.read()));
  }
  BatchArrays batch(ordinary, data[0], GetParam().layout);
  first.run("gradients", &batch, step(0));
  second.run("gradients", &batch, step(0));
  expectSameGradients(first.read(), second.read());

  // What it cannot do it does not do silently.
  ftc_run clipped = step(0);
  clipped.max_grad_norm = 1;
  EXPECT_NE(second.refusal("train_step", batch, clipped).find("cannot clip"), std::string::npos);
  EXPECT_NE(second.refusal("accumulate", batch, step(0)).find("no entry point"), std::string::npos);
}

/// Of full fine-tuning: a tied tensor with gradients from two places, biases, cross-entropy in
/// chunks, one row and one column more than vectors take, frozen tensors between trained ones.
inline std::vector<Case> updateCases(bool bf16, const char *target) {
  std::vector<Case> cases;
  for (const Case &one : bf16 ? bf16Cases() : allCases())
    if (!one.adapter)
      cases.push_back(one);
  for (Case &one : cases) {
    one.target = target;
    one.name += std::string("_on_") + target;
  }
  return cases;
}

#endif
