//===- DatasetLine.h - one line of training data ---------------------------===//
// The object of a JSONL line as checked ids and labels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TRAINER_DATASETLINE_H
#define FTC_LIB_TRAINER_DATASETLINE_H

#include "ftc/Trainer/Dataset.h"

namespace ftc::trainer {

/// Ids and labels of a line, of the same length. Its memory serves line after line.
struct LineTokens {
  std::vector<int32_t> ids, labels;
};

/// Reads line number `line` of `file` (its text without the newline). Errors are
/// `FILE:LINE:COL: what`.
Status readDataLine(std::string_view text, const std::string &file, uint64_t line,
                    const DatasetLimits &limits, LineTokens &tokens);

/// The common form of a line without a tree of values: an object of `input_ids` and perhaps
/// `labels`, nothing but arrays of right integers of the same length. False where the line is
/// anything else, right or wrong; readDataLine then goes the long way, with the same result.
bool scanTokenLine(std::string_view text, const DatasetLimits &limits, LineTokens &tokens);

} // namespace ftc::trainer

#endif // FTC_LIB_TRAINER_DATASETLINE_H
