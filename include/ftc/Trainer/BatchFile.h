//===- BatchFile.h - one batch from a safetensors file ---------------------===//
// input_ids and labels, and what says where their segments are.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_BATCHFILE_H
#define FTC_TRAINER_BATCHFILE_H

#include "ftc/Support/Error.h"
#include "ftc/runtime.h"

#include <vector>

namespace ftc::trainer {

/// A batch file: `input_ids` and `labels` ([rows, length] or packed [length]), and where given
/// `position_ids` (same shape), `cu_seqlens` ([segments + 1], packed only) and `attention_mask`
/// ([rows, length] only); integers, int32 or int64 (masks: any integer or boolean type). What the
/// values mean is checked by the runtime, which sees the batch next.
class BatchFile {
public:
  /// Tensors with other names are named in `warnings` and ignored.
  static Result<BatchFile> load(const std::string &path, std::vector<std::string> *warnings);

  /// Points into this object.
  ftc_batch view() const;
  const std::string &path() const { return name; }

private:
  BatchFile() = default;

  std::string name;
  int32_t rank = 1;
  int64_t rows = 1;
  int64_t length = 0;
  std::vector<int32_t> inputIds, labels, positionIds, cuSeqlens, attentionMask;
};

} // namespace ftc::trainer

#endif // FTC_TRAINER_BATCHFILE_H
