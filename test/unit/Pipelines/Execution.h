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

namespace {
/// Programs of several chunks of logits, by how many tokens predict something.
class LossRows : public Execution {};

/// The first `items` tokens, over all segments, predict; labels[0] of a segment is nobody's.
Data withItems(Data data, int64_t items) {
  for (Sequence &sequence : data)
    for (size_t t = 0; t < sequence.labels.size(); ++t)
      sequence.labels[t] = t > 0 && items-- > 0 ? sequence.ids[t] : -100;
  return data;
}

/// A frozen and a trained head; 137 of 150 tokens can predict, in chunks of 64 rows.
std::vector<Case> lossCases() {
  const char *model = R"("vocab_size": 70, "num_hidden_layers": 1)",
             *train = R"("per_device_train_batch_size": 1, "max_length": 150)";
  Case frozen = {"frozen_head",
                 model,
                 R"("r": 4, "lora_alpha": 8, "target_modules": ["v_proj", "down_proj"])",
                 train,
                 {70, 3, 67}};
  Case trained = {"trained_head", model, std::nullopt, train, {70, 3, 67}};
  frozen.logitsBytes = trained.logitsBytes = 1;
  return {frozen, trained};
}
} // namespace

TEST_P(LossRows, OfEveryNumber) {
  const Data all = withItems(first, INT64_MAX);
  ASSERT_EQ(itemsOf(all), 137);
  for (int64_t items : {0, 1, 63, 64, 65, 128, 129, 137}) {
    SCOPED_TRACE(items);
    // Whatever the arena holds of a step with more rows is not read.
    BatchArrays before(oracle, all, GetParam().layout);
    native->write(start);
    native->run("gradients", &before, makeStep(137));
    native->write(start);
    Reference reference(oracle, start, runs());
    Data data = withItems(first, items);
    ASSERT_EQ(itemsOf(data), items);
    ftc_run step = makeStep(items ? double(items) : 1.0);
    expectSame("state behind evaluate", "evaluate", data, step, reference);
    expectSame("gradients", "gradients", data, step, reference);
  }
}

// Which tokens predict is told by the labels alone, wherever they stand.
TEST_P(LossRows, AreTheSameWithThreads) {
  Data data = second;
  for (Sequence &sequence : data)
    for (size_t t = 0; t < sequence.labels.size(); ++t)
      if (t % 4 != 3)
        sequence.labels[t] = -100;
  Native many(package.get(), start, /*threads=*/3);
  BatchArrays batch(oracle, data, GetParam().layout);
  ftc_result one = native->run("train_step", &batch, makeStep(itemsOf(data))),
             three = many.run("train_step", &batch, makeStep(itemsOf(data)));
  EXPECT_EQ(one.loss, three.loss);
  EXPECT_EQ(one.grad_norm, three.grad_norm);
  EXPECT_EQ(native->bytes(), many.bytes());
}

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
