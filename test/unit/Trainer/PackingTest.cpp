//===- PackingTest.cpp - properties of packing and shuffling ---------------===//
// Nothing lost, nothing over the limits, first fit, and steps over epochs.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Packing.h"

#include "ftc/Support/Philox.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <map>

namespace ftc::trainer {
namespace {

using Numbers = std::vector<uint32_t>;

/// First fit by its definition: look at every batch.
std::vector<PackedBatch> plainFirstFit(const std::vector<int64_t> &lengths, const Numbers &order,
                                       const PackingLimits &limits) {
  std::vector<PackedBatch> batches;
  for (uint32_t sequence : order) {
    PackedBatch *fitting = nullptr;
    for (PackedBatch &batch : batches)
      if (!fitting && batch.tokens + lengths[sequence] <= limits.tokens &&
          static_cast<int64_t>(batch.sequences.size()) < limits.segments)
        fitting = &batch;
    if (!fitting)
      fitting = &batches.emplace_back();
    fitting->sequences.push_back(sequence);
    fitting->tokens += lengths[sequence];
  }
  return batches;
}

std::vector<int64_t> someLengths(size_t count, uint64_t seed, int64_t most) {
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < count; ++i)
    lengths.push_back(1 + philoxBits(seed, 7, 0, i) % static_cast<uint32_t>(most));
  return lengths;
}

TEST(Packing, FillsTheFirstBatchWithRoom) {
  std::vector<PackedBatch> batches = packFirstFit({5, 4, 3, 2, 6, 1}, {0, 1, 2, 3, 4, 5}, {8, 8});
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].sequences, (Numbers{0, 2}));
  EXPECT_EQ(batches[1].sequences, (Numbers{1, 3, 5}));
  EXPECT_EQ(batches[2].sequences, (Numbers{4}));
  EXPECT_EQ(batches[1].tokens, 7);
}

TEST(Packing, KeepsToTheNumberOfSegments) {
  std::vector<PackedBatch> batches = packFirstFit({1, 1, 1, 1, 1}, {4, 3, 2, 1, 0}, {8, 2});
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].sequences, (Numbers{4, 3}));
  EXPECT_EQ(batches[2].sequences, (Numbers{0}));
}

TEST(Packing, HoldsItsPropertiesAndIsFirstFit) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    size_t count = 1 + philoxBits(seed, 1, 0, 0) % 200;
    PackingLimits limits{16 + static_cast<int64_t>(philoxBits(seed, 1, 0, 1) % 50),
                         1 + static_cast<int64_t>(philoxBits(seed, 1, 0, 2) % 6)};
    std::vector<int64_t> lengths = someLengths(count, seed, 16);
    Numbers order = shuffledOrder(count, seed, 3);
    std::vector<PackedBatch> batches = packFirstFit(lengths, order, limits);
    std::vector<PackedBatch> plain = plainFirstFit(lengths, order, limits);
    ASSERT_EQ(batches.size(), plain.size());
    Numbers seen;
    for (size_t b = 0; b < batches.size(); ++b) {
      EXPECT_EQ(batches[b].sequences, plain[b].sequences);
      EXPECT_EQ(batches[b].tokens, plain[b].tokens);
      EXPECT_LE(batches[b].tokens, limits.tokens);
      EXPECT_LE(static_cast<int64_t>(batches[b].sequences.size()), limits.segments);
      int64_t tokens = 0;
      for (uint32_t sequence : batches[b].sequences)
        tokens += lengths[sequence];
      EXPECT_EQ(tokens, batches[b].tokens);
      seen.insert(seen.end(), batches[b].sequences.begin(), batches[b].sequences.end());
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, fileOrder(count));
  }
}

TEST(Shuffle, IsAPermutationOfSeedAndEpochAlone) {
  Numbers order = shuffledOrder(1000, 42, 0);
  EXPECT_EQ(order, shuffledOrder(1000, 42, 0));
  EXPECT_NE(order, shuffledOrder(1000, 42, 1));
  EXPECT_NE(order, shuffledOrder(1000, 43, 0));
  Numbers sorted = order;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, fileOrder(1000));
  EXPECT_TRUE(shuffledOrder(0, 1, 1).empty());
  EXPECT_EQ(shuffledOrder(1, 1, 1), (Numbers{0}));
}

TEST(Shuffle, IsEven) {
  // Every permutation of three, over 6000 epochs: expected 1000 each, standard deviation 29.
  std::map<Numbers, int> counts;
  for (uint64_t epoch = 0; epoch < 6000; ++epoch)
    ++counts[shuffledOrder(3, 5, epoch)];
  ASSERT_EQ(counts.size(), 6u);
  for (const auto &[order, count] : counts)
    EXPECT_NEAR(count, 1000, 5 * 29);
}

TEST(StepSource, TakesEveryBatchOnceAnEpoch) {
  std::vector<int64_t> lengths = someLengths(57, 9, 8);
  StepSource source(lengths, {16, 4}, 42, 3);
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    Numbers seen;
    for (int64_t step = 0, steps = 1; step < steps; ++step) {
      OptimizerStep work = source.next();
      steps = work.stepsInEpoch;
      EXPECT_EQ(work.epoch, epoch);
      EXPECT_EQ(work.stepInEpoch, step);
      EXPECT_EQ(step + 1 < steps ? 3u : work.count, work.count);
      EXPECT_GE(work.count, 1u);
      for (size_t b = 0; b < work.count; ++b)
        seen.insert(seen.end(), work.batches[b].sequences.begin(), work.batches[b].sequences.end());
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, fileOrder(57));
  }
}

TEST(StepSource, CountsStepsOfEpochs) {
  // Five sequences that fill a batch each: 5 batches, 3 steps of 2, 2, 1.
  StepSource source({8, 8, 8, 8, 8}, {8, 4}, 1, 2);
  EXPECT_EQ(source.stepsOfEpochs(1), 3);
  EXPECT_EQ(source.stepsOfEpochs(3), 9);
  EXPECT_EQ(source.stepsOfEpochs(0.5), 2);
  EXPECT_EQ(source.stepsOfEpochs(2.4), 8);
  EXPECT_DOUBLE_EQ(source.next().epochsDone(), 2.0 / 5);
  EXPECT_DOUBLE_EQ(source.next().epochsDone(), 4.0 / 5);
  OptimizerStep last = source.next();
  EXPECT_EQ(last.count, 1u);
  EXPECT_DOUBLE_EQ(last.epochsDone(), 1);
  EXPECT_EQ(source.next().epoch, 1);
}

TEST(StepSource, CountsWhatItGives) {
  // Packing depends on the shuffle, so the steps of epochs may differ.
  StepSource source(someLengths(91, 4, 16), {16, 3}, 7, 2);
  int64_t steps = source.stepsOfEpochs(5);
  OptimizerStep work;
  for (int64_t step = 0; step < steps; ++step)
    work = source.next();
  EXPECT_EQ(work.epoch, 4);
  EXPECT_EQ(work.stepInEpoch + 1, work.stepsInEpoch);
}

} // namespace
} // namespace ftc::trainer
