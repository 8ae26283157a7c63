//===- Execution.h - execution against the interpreter ----------*- C++ -*-===//
// Every case compiled to a package and run through the C interface: losses, gradients, optimizer
// steps and tables, each tensor against the interpreter in double precision, as closely as plain
// programs of the same precision come to it (ftc/Interpreter/Tolerance.h). Included once by each
// program of tests, which says the cases.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_PIPELINES_EXECUTION_H
#define FTC_TEST_UNIT_PIPELINES_EXECUTION_H

#include "Native.h"
#include "Reference.h"

#include <gtest/gtest.h>

using namespace ftc;
using namespace ftc::ft;
using namespace ftc::test;

namespace {
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
                  Reference &reference) {
    SCOPED_TRACE(entry);
    std::vector<Yardstick> expected = reference.run(entry, data, step);
    ASSERT_TRUE(oracle.ok());
    std::optional<BatchArrays> batch;
    if (!data.empty())
      batch.emplace(oracle, data, GetParam().layout);
    ftc_result actual = native->run(entry, batch ? &*batch : nullptr, step);
    if (batch)
      expectWithin("loss", entry, expected.front(), actual.loss);
    if (!batch || expected.size() > 1)
      expectWithin("gradient norm", entry, expected.back(), actual.grad_norm);
    expectWithin(kind, reference.state(), native->read());
  }

  /// Roundings to bf16 are few and large: four draws of them say too little.
  unsigned runs() const {
    return GetParam().train.find("\"bf16\": true") != std::string::npos ? 24 : 4;
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
  Reference reference(oracle, start, runs());
  ftc_run step = makeStep(itemsOf(first));
  expectSame("state behind evaluate", "evaluate", first, step, reference);
  expectEqual(native->read(), start);
  expectSame("gradients", "gradients", first, step, reference);
  State after = native->read();
  for (const auto &[symbol, value] : start)
    if (!llvm::StringRef(symbol).ends_with(".grad"))
      EXPECT_TRUE(after[symbol].data == value.data) << symbol;
}

TEST_P(Execution, Steps) {
  Reference reference(oracle, start, runs());
  ftc_run step = makeStep(itemsOf(first));
  expectSame("state after one step", "train_step", first, step, reference);
  step = makeStep(itemsOf(second), 4);
  expectSame("state after two steps", "train_step", second, step, reference);
  step = makeStep(itemsOf(first), 5);
  step.max_grad_norm = 0;
  expectSame("state after three steps", "train_step", first, step, reference);
}

// The moments start at zero and the biases are large: what a run of training begins with.
TEST_P(Execution, FirstStep) {
  State state = start;
  for (auto &[symbol, value] : state)
    for (const char *suffix : {".exp_avg", ".exp_avg_sq", ".grad"})
      if (llvm::StringRef(symbol).ends_with(suffix))
        std::fill(value.data.begin(), value.data.end(), 0);
  native->write(state);
  Reference reference(oracle, state, runs());
  ftc_run step = makeStep(itemsOf(first), 1);
  step.beta2 = 0.999;
  step.max_grad_norm = 1;
  expectSame("state after a first step", "train_step", first, step, reference);
}

TEST_P(Execution, AccumulationAndUpdate) {
  Reference reference(oracle, start, runs());
  ftc_run step = makeStep(itemsOf(first) + itemsOf(second));
  expectSame("accumulated gradients", "accumulate", first, step, reference);
  expectSame("accumulated gradients", "accumulate", second, step, reference);
  expectSame("state after an update", "update", {}, step, reference);
}

#endif
