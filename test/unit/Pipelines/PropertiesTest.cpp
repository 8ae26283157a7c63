//===- PropertiesTest.cpp - what holds of every step ----------------------===//
// Segments are apart, dead tokens are nothing, the future is unseen, frozen weights stay, and
// threads and storage change no bit.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Native.h"

#include "ftc/Support/Philox.h"

#include <gtest/gtest.h>
#include <thread>

using namespace ftc;
using namespace ftc::ft;
using namespace ftc::test;

namespace {
constexpr double kSum = 2e-6; // sums of f32 in another order

/// A package and the state that its instances start from.
struct Program {
  explicit Program(const Case &one) : experiment(one) {
    if (!experiment.ok())
      return;
    experiment.advance("ft-build-backward");
    start = experiment.makeState();
    package = loadPackage(compiled(one));
  }

  Native instance(int threads = 1) const { return Native(package.get(), start, threads); }
  BatchArrays arrays(const Data &data, Layout layout = Layout::cuSeqlens, uint64_t pad = 3) const {
    return {experiment, data, layout, pad};
  }
  /// The loss, and the state with this batch's gradients.
  std::pair<double, State> gradients(const Data &data, double items) const {
    Native native = instance();
    BatchArrays batch = arrays(data);
    double loss = native.run("gradients", &batch, makeStep(items)).loss;
    return {loss, native.read()};
  }

  Experiment experiment;
  State start;
  PackagePtr package;
};

/// Compiled once for all tests.
Program &program(const std::string &name) {
  static std::map<std::string, std::unique_ptr<Program>> programs;
  std::unique_ptr<Program> &found = programs[name];
  if (!found)
    found = std::make_unique<Program>(findCase(name));
  return *found;
}

/// A program that is large enough for two threads to share its launches.
const Case &wideCase() {
  static const Case wide = {
      "wide",
      R"("hidden_size": 96, "num_key_value_heads": 2, "head_dim": 24, "intermediate_size": 192,
         "vocab_size": 301)",
      R"("r": 8, "lora_alpha": 8, "target_modules": "all-linear")",
      R"("per_device_train_batch_size": 1, "max_length": 150)",
      {70, 3, 64}};
  return wide;
}

class Properties : public ::testing::TestWithParam<const char *> {
protected:
  void SetUp() override { ASSERT_TRUE(step().package); }
  Program &step() { return program(GetParam()); }
};
} // namespace

TEST_P(Properties, PackedIsApart) {
  Data data = step().experiment.makeData(1);
  ftc_run run = makeStep(itemsOf(data));
  State start = step().start;
  for (auto &[symbol, value] : start)
    if (llvm::StringRef(symbol).ends_with(".grad"))
      std::fill(value.data.begin(), value.data.end(), 0);
  Native packed = step().instance(), apart = step().instance();
  packed.write(start);
  apart.write(start);
  Experiment &oracle = step().experiment;
  State exact = start, exactApart = start;
  BatchArrays whole = step().arrays(data);
  double loss = packed.run("accumulate", &whole, run).loss, sum = 0;
  double exactLoss = oracle.run("accumulate", data, run, exact).at(0), exactSum = 0;
  for (const Sequence &sequence : data) {
    BatchArrays alone = step().arrays({sequence});
    sum += apart.run("accumulate", &alone, run).loss;
    exactSum += oracle.run("accumulate", {sequence}, run, exactApart).at(0);
  }
  expectClose("packed against apart", kSum, "loss", loss, sum);
  expectClose("packed against apart", kSum, packed.read(), apart.read());
  expectClose("packed against apart, interpreted", 1e-11, "loss", exactLoss, exactSum);
  expectClose("packed against apart, interpreted", 1e-11, exact, exactApart);
}

TEST_P(Properties, OrderOfSegmentsDoesNotMatter) {
  Data data = step().experiment.makeData(1);
  double items = itemsOf(data);
  auto [loss, state] = step().gradients(data, items);
  std::rotate(data.begin(), data.begin() + 1, data.end());
  auto [rotatedLoss, rotated] = step().gradients(data, items);
  expectClose("another order of segments", 1e-6, "loss", rotatedLoss, loss);
  expectClose("another order of segments", kSum, rotated, state);
}

TEST_P(Properties, TheFutureIsUnseen) {
  Data data = step().experiment.makeData(1), other = data;
  for (size_t s = 0; s < data.size(); ++s) {
    size_t length = data[s].ids.size(), seen = (length + 1) / 2;
    for (size_t t = 0; t < length; ++t) {
      data[s].labels[t] = t < seen ? data[s].ids[t] : -100;
      if (t >= seen)
        other[s].ids[t] = (other[s].ids[t] + 1 + t) % step().experiment.vocabulary();
    }
    other[s].labels = data[s].labels;
  }
  ASSERT_GT(itemsOf(data), 0);
  auto [loss, state] = step().gradients(data, itemsOf(data));
  auto [otherLoss, otherState] = step().gradients(other, itemsOf(data));
  EXPECT_EQ(loss, otherLoss);
  expectEqual(otherState, state);
  // The interpreter too: not a property of the kernels alone.
  Experiment &oracle = step().experiment;
  State exact = oracle.makeState(), otherExact = exact;
  ftc_run run = makeStep(itemsOf(data));
  EXPECT_EQ(oracle.run("gradients", data, run, exact),
            oracle.run("gradients", other, run, otherExact));
  expectEqual(otherExact, exact);
}

TEST_P(Properties, DeadTokensAreNothing) {
  Experiment &oracle = step().experiment;
  Data data = oracle.makeData(1);
  data.pop_back();
  ftc_run run = makeStep(itemsOf(data));
  State state = oracle.makeState(), other = state;
  EXPECT_EQ(oracle.run("gradients", data, run, state, /*deadSeed=*/11),
            oracle.run("gradients", data, run, other, /*deadSeed=*/12));
  expectEqual(other, state);
}

TEST_P(Properties, FrozenWeightsStay) {
  Data data = step().experiment.makeData(1);
  Native native = step().instance();
  BatchArrays batch = step().arrays(data);
  auto before = native.bytes();
  auto memory = native.bound();
  for (int i = 1; i <= 3; ++i)
    native.run("train_step", &batch, makeStep(itemsOf(data), i));
  auto after = native.bytes();
  EXPECT_EQ(native.bound(), memory);
  for (const auto &[symbol, bytes] : memory)
    EXPECT_EQ(after[symbol], bytes) << symbol;
  unsigned changed = 0;
  for (const auto &[symbol, bytes] : after)
    changed += bytes != before[symbol];
  // Each trainable tensor with its accumulator and moments.
  unsigned trained = 0;
  for (const auto &[symbol, bytes] : before)
    trained += llvm::StringRef(symbol).ends_with(".grad");
  EXPECT_GT(trained, 0u);
  EXPECT_EQ(changed, 4 * trained);
}

TEST_P(Properties, InstancesInTwoThreadsAgree) {
  Data data = step().experiment.makeData(1);
  BatchArrays batch = step().arrays(data);
  std::map<std::string, std::vector<uint8_t>> results[2];
  ftc_result last[2];
  auto train = [&](int which) {
    Native native = step().instance();
    for (int i = 1; i <= 5; ++i)
      last[which] = native.run("train_step", &batch, makeStep(itemsOf(data), i));
    results[which] = native.bytes();
  };
  std::thread other(train, 1);
  train(0);
  other.join();
  EXPECT_EQ(last[0].loss, last[1].loss);
  EXPECT_EQ(last[0].grad_norm, last[1].grad_norm);
  EXPECT_EQ(results[0], results[1]);
}

INSTANTIATE_TEST_SUITE_P(Cases, Properties,
                         ::testing::Values("lora_all_linear_rslora_gqa", "lora_tiles_and_chunks",
                                           "full_tied_gqa", "full_biases_mqa_llama3"),
                         [](const auto &info) { return std::string(info.param); });

TEST(Layouts, PaddingIsNothing) {
  Program &step = program("full");
  ASSERT_TRUE(step.package);
  Data data = step.experiment.makeData(1);
  std::vector<ftc_result> results;
  std::vector<std::map<std::string, std::vector<uint8_t>>> states;
  for (auto [layout, pad] : std::vector<std::pair<Layout, uint64_t>>{{Layout::cuSeqlens, 0},
                                                                     {Layout::positionIds, 0},
                                                                     {Layout::rowsRight, 1},
                                                                     {Layout::rowsRight, 2},
                                                                     {Layout::rowsLeft, 3}}) {
    Native native = step.instance();
    BatchArrays batch = step.arrays(data, layout, pad);
    results.push_back(native.run("train_step", &batch, makeStep(itemsOf(data))));
    states.push_back(native.bytes());
    EXPECT_EQ(results.back().loss, results.front().loss);
    EXPECT_EQ(results.back().grad_norm, results.front().grad_norm);
    EXPECT_EQ(states.back(), states.front());
  }
}

/// Steps with 1, 2 and 3 threads; the first result and what the interpreter makes of it.
static void expectThreadsToChangeNoBit(const Case &one, ftc_result &actual,
                                       std::vector<double> &expected) {
  Program step(one);
  ASSERT_TRUE(step.package);
  Data data = step.experiment.makeData(1);
  BatchArrays batch = step.arrays(data);
  std::vector<ftc_result> results;
  std::vector<std::map<std::string, std::vector<uint8_t>>> states;
  for (int threads : {1, 2, 3}) {
    Native native = step.instance(threads);
    for (int i = 1; i <= 3; ++i)
      results.push_back(native.run("train_step", &batch, makeStep(itemsOf(data), i)));
    states.push_back(native.bytes());
    EXPECT_EQ(results.back().loss, results[2].loss) << threads;
    EXPECT_EQ(results.back().grad_norm, results[2].grad_norm) << threads;
    EXPECT_EQ(states.back(), states.front()) << threads;
  }
  State state = step.start;
  actual = results.front();
  expected = step.experiment.run("train_step", data, makeStep(itemsOf(data), 1), state);
}

TEST(Threads, ChangeNoBit) {
  ftc_result actual = {};
  std::vector<double> expected(2);
  expectThreadsToChangeNoBit(wideCase(), actual, expected);
  // And what they agree on is right.
  expectClose("loss", 2e-5, "loss", actual.loss, expected[0]);
  expectClose("gradient norm", 2e-5, "gradient norm", actual.grad_norm, expected[1]);
}

TEST(Threads, ChangeNoBitInBf16) {
  Case one = wideCase();
  one.train += R"(, "bf16": true)";
  ftc_result actual = {};
  std::vector<double> expected(2);
  expectThreadsToChangeNoBit(one, actual, expected);
  // How closely it is right is what Execution shows; here, that it is bf16 and no nonsense.
  EXPECT_NE(actual.loss, expected[0]);
  EXPECT_NEAR(actual.loss, expected[0], 0.02 * expected[0]);
}

// A stored weight is extended before it is used, so that where it came from leaves no trace.
TEST(Storage, NarrowWeightsAreTheirNumbers) {
  for (const char *name : {"lora_tied_bf16", "lora_gqa_f16", "some_weights_bf16_llama3"}) {
    SCOPED_TRACE(name);
    Program &narrow = program(name);
    ASSERT_TRUE(narrow.package);
    Case same = findCase(name);
    same.dtype = "float32";
    Program wide(same);
    ASSERT_TRUE(wide.package);
    wide.start = narrow.start;
    Data data = narrow.experiment.makeData(1);
    BatchArrays batch = narrow.arrays(data, same.layout);
    Native first = narrow.instance(), second = wide.instance();
    size_t narrowBytes = 0, wideBytes = 0;
    for (const auto &[symbol, bytes] : first.bound())
      narrowBytes += bytes.size();
    for (const auto &[symbol, bytes] : second.bound())
      wideBytes += bytes.size();
    EXPECT_EQ(wideBytes, 2 * narrowBytes);
    for (int i = 1; i <= 2; ++i) {
      ftc_result a = first.run("train_step", &batch, makeStep(itemsOf(data), i));
      ftc_result b = second.run("train_step", &batch, makeStep(itemsOf(data), i));
      EXPECT_EQ(a.loss, b.loss);
      EXPECT_EQ(a.grad_norm, b.grad_norm);
    }
    expectEqual(first.read(), second.read());
  }
}
