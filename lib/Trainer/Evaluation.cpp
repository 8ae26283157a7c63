//===- Evaluation.cpp - the loss of a data set -----------------------------===//
// Fills packed batches and runs the entry point `evaluate` on each.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Evaluation.h"

#include <cmath>

namespace ftc::trainer {

Status BatchBuffer::fill(const Dataset &data, const PackedBatch &batch) {
  inputIds.clear();
  labels.clear();
  cuSeqlens.assign(1, 0);
  for (uint32_t index : batch.sequences) {
    Result<Sequence> sequence = data.sequence(index);
    if (!sequence)
      return sequence.takeError();
    inputIds.insert(inputIds.end(), sequence->inputIds.begin(), sequence->inputIds.end());
    labels.insert(labels.end(), sequence->labels.begin(), sequence->labels.end());
    cuSeqlens.push_back(static_cast<int32_t>(inputIds.size()));
  }
  return Status::ok();
}

ftc_batch BatchBuffer::view() const {
  ftc_batch batch{};
  batch.struct_size = sizeof batch;
  batch.rank = 1;
  batch.rows = 1;
  batch.length = static_cast<int64_t>(inputIds.size());
  batch.input_ids = inputIds.data();
  batch.labels = labels.data();
  batch.cu_seqlens = cuSeqlens.data();
  batch.segments = static_cast<int64_t>(cuSeqlens.size()) - 1;
  return batch;
}

PackingLimits packingLimits(const Package &package) {
  return {package.info().tokens, package.info().max_segments};
}

DatasetLimits datasetLimits(const Package &package) {
  return {package.info().vocab, package.info().max_length, package.info().virtual_predicts != 0};
}

Result<Evaluation> evaluateBatch(Instance &instance, const ftc_batch &batch,
                                 const TrainConfig &config, const std::string &where) {
  Result<int64_t> items = instance.items(batch);
  if (!items)
    return makeError(where, items.error().str());
  if (*items == 0)
    return makeError(where, "predicts no token: every label but a segment's first is -100; a loss "
                            "is a mean over predicted tokens");
  ftc_run run = runArguments(config, 1, 0, 1 / static_cast<double>(*items));
  Result<ftc_result> result = instance.run("evaluate", &batch, run);
  if (!result)
    return result.takeError();
  if (!std::isfinite(result->loss))
    return makeError(where, "the loss is not finite");
  return Evaluation{result->loss, *items};
}

Evaluator::Evaluator(Dataset dataset, const Package &package)
    : data(std::move(dataset)),
      batches(packFirstFit(data.lengths(), fileOrder(data.size()), packingLimits(package))) {}

Result<Evaluation> Evaluator::run(Instance &instance, const TrainConfig &config) {
  double sum = 0;
  Evaluation total;
  for (const PackedBatch &batch : batches) {
    if (Status s = buffer.fill(data, batch); !s)
      return s.takeError();
    Result<Evaluation> part = evaluateBatch(instance, buffer.view(), config, data.path());
    if (!part)
      return part.takeError();
    sum += part->loss * static_cast<double>(part->tokens);
    total.tokens += part->tokens;
  }
  total.loss = sum / static_cast<double>(total.tokens);
  return total;
}

} // namespace ftc::trainer
