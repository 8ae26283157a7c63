//===- Checkpoint.h - what a run needs to go on ---------------------------===//
// The tensors of the state, the counters, and what the run was made of.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_CHECKPOINT_H
#define FTC_TRAINER_CHECKPOINT_H

#include "ftc/Trainer/Session.h"

namespace ftc::trainer {

/// Files of a checkpoint beside those of a result.
constexpr const char *kStateTensors = "training_state.safetensors";
constexpr const char *kStateCounters = "training_state.json";

/// Where a run stands between two steps. Sums are those of the uninterrupted run, bit for bit.
struct RunCounters {
  int64_t step = 0;        ///< optimizer steps done
  int64_t epoch = 0;       ///< of the last step, from 0
  int64_t batchesDone = 0; ///< micro-batches of that epoch that are done
  double firstLoss = 0;
  double lossSum = 0; ///< of all steps
  double lossSinceLog = 0;
  int64_t stepsSinceLog = 0;
  int64_t stepsWithRate = 0;        ///< steps with a learning rate above 0
  bool gradientsSeen = false;       ///< by every trainable tensor
  std::optional<double> evalLoss;   ///< the last one
  std::optional<double> bestLoss;   ///< the least eval loss
  std::optional<int64_t> bestStep;  ///< of it
  std::optional<int64_t> savedBest; ///< the newest best step that has a checkpoint
};

/// What a run is made of: with all of it equal, a resumed run goes on as if it had never stopped.
struct RunIdentity {
  std::string package; ///< hash of the package file
  std::string weights; ///< BaseChecksums::identity
  std::string data;    ///< Dataset::identity
  int64_t totalSteps = 0;
  int64_t threads = 0; ///< for the record: their number changes no bit
  json::Value choices; ///< ftc_instance_choices
  json::Value config;  ///< TrainConfig::toValue

  /// A line for each difference that keeps a run from going on bit for bit. Keys that only say when
  /// to log, evaluate and save do not count.
  std::vector<std::string> differences(const RunIdentity &before) const;
};

/// Writes the tensors of the state into a directory: trainable tensors, an adapter's frozen ones,
/// and moments, under the package's names, as they are in memory. Fails on a trainable value that
/// is not finite.
Status writeState(const Package &package, const Instance &instance, const std::string &directory);
/// Reads them back: every one must be there, with its type and shape, and no other.
Status readState(const Package &package, Instance &instance, const std::string &directory);

Status writeCounters(const RunCounters &counters, const RunIdentity &identity,
                     const std::string &directory);
struct SavedRun {
  RunCounters counters;
  RunIdentity identity;
};
Result<SavedRun> readCounters(const std::string &directory);

} // namespace ftc::trainer

#endif // FTC_TRAINER_CHECKPOINT_H
