//===- Evaluation.h - the loss of a data set -------------------------------===//
// Batches of sequences, and their mean loss over predicted tokens.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_EVALUATION_H
#define FTC_TRAINER_EVALUATION_H

#include "ftc/Trainer/Dataset.h"
#include "ftc/Trainer/Packing.h"
#include "ftc/Trainer/Session.h"

namespace ftc::trainer {

/// A packed batch as the runtime takes it: `[length]` with cu_seqlens. Keeps its memory from batch
/// to batch.
class BatchBuffer {
public:
  Status fill(const Dataset &data, const PackedBatch &batch);
  /// Points into this object, until the next fill.
  ftc_batch view() const;

private:
  std::vector<int32_t> inputIds, labels, cuSeqlens;
};

/// What one batch of a package holds.
PackingLimits packingLimits(const Package &package);
/// What sequences of a package may hold.
DatasetLimits datasetLimits(const Package &package);

struct Evaluation {
  double loss = 0;    ///< mean over predicted tokens, in nats
  int64_t tokens = 0; ///< predicted tokens
};

/// Evaluates one batch; fails when it predicts no token (`where` names it).
Result<Evaluation> evaluateBatch(Instance &instance, const ftc_batch &batch,
                                 const TrainConfig &config, const std::string &where);

/// A data set packed once (first fit, in file order), evaluated any number of times.
class Evaluator {
public:
  Evaluator(Dataset data, const Package &package);
  Result<Evaluation> run(Instance &instance, const TrainConfig &config);
  const Dataset &dataset() const { return data; }

private:
  Dataset data;
  std::vector<PackedBatch> batches;
  BatchBuffer buffer;
};

} // namespace ftc::trainer

#endif // FTC_TRAINER_EVALUATION_H
