//===- ExecutionTest.cpp - native execution against the interpreter -------===//
// Every case compiled to a package and run through the C interface: losses, gradients, optimizer
// steps and tables, each tensor against the interpreter in double precision.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Native.h"

#include <gtest/gtest.h>

using namespace ftc;
using namespace ftc::ft;
using namespace ftc::test;

namespace {
constexpr double kSingle = 2e-5;

class Execution : public ::testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    ASSERT_TRUE(oracle.ok());
    oracle.advance("ft-form-kernels");
    ASSERT_TRUE(oracle.ok());
    start = oracle.makeState();
    first = oracle.makeData(1);
    second = oracle.makeData(2);
    package = loadPackage(compiled(GetParam()));
    ASSERT_TRUE(package);
    native = std::make_unique<Native>(package.get(), start);
  }

  /// Runs both; compares loss, gradient norm and the whole state.
  void expectSame(const char *kind, const char *entry, const Data &data, const ftc_run &step,
                  State &state) {
    SCOPED_TRACE(entry);
    std::vector<double> expected = oracle.run(entry, data, step, state);
    ASSERT_TRUE(oracle.ok());
    std::optional<BatchArrays> batch;
    if (!data.empty())
      batch.emplace(oracle, data, GetParam().layout);
    ftc_result actual = native->run(entry, batch ? &*batch : nullptr, step);
    if (batch)
      expectClose("loss", kSingle, entry, actual.loss, expected.front());
    if (!batch || expected.size() > 1)
      expectClose("gradient norm", kSingle, entry, actual.grad_norm, expected.back());
    expectClose(kind, kSingle, native->read(), state);
  }

  Experiment oracle{GetParam()};
  PackagePtr package;
  std::unique_ptr<Native> native;
  State start;
  Data first, second;
};
} // namespace

TEST_P(Execution, StateArrivesAndTablesAreTheInterpreters) { expectEqual(native->read(), start); }

TEST_P(Execution, EvaluateAndGradients) {
  State state = start;
  ftc_run step = makeStep(itemsOf(first));
  expectSame("state behind evaluate", "evaluate", first, step, state);
  expectEqual(native->read(), start);
  expectSame("gradients", "gradients", first, step, state);
  State after = native->read();
  for (const auto &[symbol, value] : start)
    if (!llvm::StringRef(symbol).ends_with(".grad"))
      EXPECT_TRUE(after[symbol].data == value.data) << symbol;
}

TEST_P(Execution, Steps) {
  State state = start;
  ftc_run step = makeStep(itemsOf(first));
  expectSame("state after one step", "train_step", first, step, state);
  step = makeStep(itemsOf(second), 4);
  expectSame("state after two steps", "train_step", second, step, state);
  step = makeStep(itemsOf(first), 5);
  step.max_grad_norm = 0;
  expectSame("state after three steps", "train_step", first, step, state);
}

// The moments start at zero and the biases are large: what a run of training begins with.
TEST_P(Execution, FirstStep) {
  State state = start;
  for (auto &[symbol, value] : state)
    for (const char *suffix : {".exp_avg", ".exp_avg_sq", ".grad"})
      if (llvm::StringRef(symbol).ends_with(suffix))
        std::fill(value.data.begin(), value.data.end(), 0);
  native->write(state);
  ftc_run step = makeStep(itemsOf(first), 1);
  step.beta2 = 0.999;
  step.max_grad_norm = 1;
  expectSame("state after a first step", "train_step", first, step, state);
}

TEST_P(Execution, AccumulationAndUpdate) {
  State state = start;
  ftc_run step = makeStep(itemsOf(first) + itemsOf(second));
  expectSame("accumulated gradients", "accumulate", first, step, state);
  expectSame("accumulated gradients", "accumulate", second, step, state);
  expectSame("state after an update", "update", {}, step, state);
}

INSTANTIATE_TEST_SUITE_P(Cases, Execution, ::testing::ValuesIn(allCases()),
                         [](const auto &info) { return std::string(info.param.name); });
