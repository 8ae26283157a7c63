//===- Dataset.h - training data in memory ---------------------------------===//
// JSONL of token ids or text, checked line by line, split to the length of a row.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_DATASET_H
#define FTC_TRAINER_DATASET_H

#include "ftc/Support/Error.h"
#include "ftc/Support/Hash.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ftc::trainer {

/// The built-in tokenizer: a byte is its own id, three more ids stand behind the bytes.
namespace byte_tokenizer {
constexpr int32_t kBos = 256;
constexpr int32_t kEos = 257;
constexpr int32_t kPad = 258;
constexpr int32_t kVocab = 259;
/// BOS, the bytes of the text, EOS.
std::vector<int32_t> encode(std::string_view text);
} // namespace byte_tokenizer

/// A label that is no target.
constexpr int32_t kIgnoredLabel = -100;

/// What a model takes.
struct DatasetLimits {
  int64_t vocab = 0;          ///< ids and labels are below this
  int64_t maxLength = 0;      ///< tokens of one sequence; longer ones are split
  bool predictsFirst = false; ///< a virtual token in front predicts a sequence's first label
};

/// One sequence: `length` ids and unshifted labels, from one line (counted from 1) of the file.
struct SequenceView {
  const int32_t *inputIds = nullptr;
  const int32_t *labels = nullptr;
  int64_t length = 0;
  uint64_t line = 0;
};

/// All sequences of one JSONL file. A line is an object with `input_ids` (and `labels` of the same
/// length, -100 where there is no target; absent: the ids themselves), or with `text` for the byte
/// tokenizer. Members with other names are ignored, blank lines too. A sequence longer than
/// `maxLength` becomes several. A sequence (or piece of one) without a predicted token, that is
/// with no label but the first (or none where that is predicted too), cannot change a loss or a
/// gradient and is left out and counted.
class Dataset {
public:
  /// Errors are `FILE:LINE:COL: what`. A file in which no token is predicted is an error.
  static Result<Dataset> load(const std::string &path, const DatasetLimits &limits);

  size_t size() const { return begins.size() - 1; }
  SequenceView sequence(size_t index) const;
  /// Length of every sequence, in file order.
  std::vector<int64_t> lengths() const;

  /// Tokens of all sequences, and those of them that are predicted.
  int64_t tokens() const { return static_cast<int64_t>(ids.size()); }
  int64_t predictedTokens() const { return predicted; }
  /// Pieces beyond the first of sequences that were split, and pieces left out.
  int64_t splits() const { return splitCount; }
  int64_t leftOut() const { return leftOutCount; }
  const std::string &path() const { return name; }
  /// XXH3-128 of the sequences in order: of each its length (int64), ids and labels (int32). Two
  /// data sets that are equal here give the same run, whatever their files are called.
  Hash128 identity() const { return content.finish(); }

private:
  Dataset() = default;
  Status addLine(std::string_view text, uint64_t line, const DatasetLimits &limits);
  void addSequence(const std::vector<int32_t> &inputIds, const std::vector<int32_t> &labels,
                   uint64_t line, const DatasetLimits &limits);

  std::string name;
  std::vector<int32_t> ids;
  std::vector<int32_t> labels;
  std::vector<size_t> begins{0};
  std::vector<uint64_t> lines;
  Hasher128 content;
  int64_t predicted = 0;
  int64_t splitCount = 0;
  int64_t leftOutCount = 0;
};

} // namespace ftc::trainer

#endif // FTC_TRAINER_DATASET_H
