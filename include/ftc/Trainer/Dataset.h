//===- Dataset.h - training data in a file ---------------------------------===//
// JSONL of token ids or text, checked line by line, split to the length of a row.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_DATASET_H
#define FTC_TRAINER_DATASET_H

#include "ftc/Support/Error.h"
#include "ftc/Support/Hash.h"

#include <cstdint>
#include <memory>
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

/// One sequence: ids and unshifted labels of the same length.
struct Sequence {
  std::vector<int32_t> inputIds, labels;
};

/// The sequences of one JSONL file. A line is an object with `input_ids` (and `labels` of the same
/// length, -100 where there is no target; absent: the ids themselves), or with `text` for the byte
/// tokenizer. Members with other names are ignored, blank lines too. A sequence longer than
/// `maxLength` becomes several. A sequence (or piece of one) without a predicted token, that is
/// with no label but the first (or none where that is predicted too), cannot change a loss or a
/// gradient and is left out and counted.
///
/// Loading checks every line and keeps 32 bytes a sequence; tokens are read again from the file,
/// which stays open, when they are asked for. A line that is then another than it was is an error.
/// A pipe, and lines so long that their pieces would be read over and over, are kept in a temporary
/// file without a name.
class Dataset {
public:
  /// Errors are `FILE:LINE:COL: what`. A file in which no token is predicted is an error.
  static Result<Dataset> load(const std::string &path, const DatasetLimits &limits);
  Dataset(Dataset &&) noexcept;
  Dataset &operator=(Dataset &&) noexcept;
  ~Dataset();

  size_t size() const { return entries.size(); }
  /// Reads a sequence.
  Result<Sequence> sequence(size_t index) const;
  /// The line that a sequence comes from, counted from 1.
  uint64_t line(size_t index) const { return entries[index].line; }
  int64_t length(size_t index) const { return entries[index].length; }
  /// Length of every sequence, in file order.
  std::vector<int64_t> lengths() const;

  /// Tokens of all sequences, and those of them that are predicted.
  int64_t tokens() const { return tokenCount; }
  int64_t predictedTokens() const { return predicted; }
  /// Pieces beyond the first of sequences that were split, and pieces left out.
  int64_t splits() const { return splitCount; }
  int64_t leftOut() const { return leftOutCount; }
  const std::string &path() const { return name; }
  /// XXH3-128 of the sequences in order: of each its length (int64), ids and labels (int32). Two
  /// data sets that are equal here give the same run, whatever their files are called.
  Hash128 identity() const { return content.finish(); }

private:
  /// Where the tokens of a sequence are.
  struct Entry {
    uint64_t offset; ///< of its line, or of its tokens in the scratch file (ids, then labels)
    uint64_t line;
    uint32_t bytes; ///< of its line; 0: in the scratch file
    uint32_t first; ///< its first token among those of the line
    uint32_t length;
    uint32_t check; ///< 32 bits of the hash of its line
  };
  struct Storage;

  Dataset();
  Status addLine(std::string_view text, uint64_t offset, uint64_t line);
  Status addPiece(Entry entry);
  Error changed(const Entry &entry) const;

  std::string name;
  DatasetLimits limits;
  std::unique_ptr<Storage> storage;
  std::vector<Entry> entries;
  Hasher128 content;
  int64_t tokenCount = 0;
  int64_t predicted = 0;
  int64_t splitCount = 0;
  int64_t leftOutCount = 0;
};

} // namespace ftc::trainer

#endif // FTC_TRAINER_DATASET_H
