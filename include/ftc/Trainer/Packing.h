//===- Packing.h - sequences into batches ----------------------------------===//
// Shuffled epochs and first-fit packing, functions of lengths and seed alone.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_PACKING_H
#define FTC_TRAINER_PACKING_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ftc::trainer {

/// What one batch holds at most.
struct PackingLimits {
  int64_t tokens = 0;
  int64_t segments = 0;
};

/// The sequences of one batch, in the order in which they stand in it.
struct PackedBatch {
  std::vector<uint32_t> sequences;
  int64_t tokens = 0;
};

/// Numbers 0..count-1 in the order of an epoch: Fisher and Yates' shuffle (Durstenfeld 1964) with
/// unbiased draws from Philox's stream (seed, "data.shuffle", epoch). Epochs below 2^24 differ.
std::vector<uint32_t> shuffledOrder(size_t count, uint64_t seed, uint64_t epoch);
/// Numbers 0..count-1.
std::vector<uint32_t> fileOrder(size_t count);

/// First fit: each sequence, in `order`, goes into the first batch with room for its tokens and for
/// one more segment; a new batch is opened when none has. O(n log n) (a tree of free room). Every
/// length is from 1 to limits.tokens.
std::vector<PackedBatch> packFirstFit(const std::vector<int64_t> &lengths,
                                      const std::vector<uint32_t> &order,
                                      const PackingLimits &limits);

/// A run of micro-batches that make one optimizer step.
struct OptimizerStep {
  const PackedBatch *batches = nullptr;
  size_t count = 0;
  int64_t epoch = 0;       ///< from 0
  int64_t stepInEpoch = 0; ///< from 0
  int64_t stepsInEpoch = 0;
  int64_t batchesDone = 0; ///< of the epoch, once this step is done
  int64_t batchesInEpoch = 0;

  /// Epochs done once this step is, by micro-batches as in transformers: 1.5 in the middle of the
  /// second.
  double epochsDone() const {
    return static_cast<double>(epoch) +
           static_cast<double>(batchesDone) / static_cast<double>(batchesInEpoch);
  }
};

/// Optimizer steps without end: epoch after epoch, each shuffled and packed anew. A step takes
/// `accumulation` micro-batches, the last of an epoch those that are left.
class StepSource {
public:
  /// `lengths` is not empty.
  StepSource(std::vector<int64_t> lengths, PackingLimits limits, uint64_t seed,
             int64_t accumulation);

  /// Valid until the next call.
  OptimizerStep next();

  /// The next step is the one that follows `batchesDone` micro-batches of `epoch`.
  void goTo(int64_t epoch, int64_t batchesDone);
  /// Epochs done before the next step.
  double epochsDone() const;

  /// Steps of `epochs` (a fraction counts its share of the next epoch's steps, rounded up). Packs
  /// each epoch, since the number of batches may depend on the shuffle.
  int64_t stepsOfEpochs(double epochs) const;

private:
  std::vector<PackedBatch> pack(int64_t epoch) const;
  int64_t stepsOf(size_t batches) const;

  std::vector<int64_t> lengths;
  PackingLimits limits;
  uint64_t seed;
  int64_t accumulation;
  std::vector<PackedBatch> current;
  int64_t epoch = -1;
  size_t done = 0; ///< batches of `current`
};

} // namespace ftc::trainer

#endif // FTC_TRAINER_PACKING_H
