//===- Dataset.cpp - training data in a file -------------------------------===//
// One pass that checks all lines and notes where they are, then lines by place.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "DatasetLine.h"
#include "LineFile.h"

#include <algorithm>

namespace ftc::trainer {

namespace {

/// Sequences are numbered in 32 bits.
constexpr size_t kMaxSequences = UINT32_MAX;
/// A longer line that is cut goes to the scratch file: each piece would read all of it.
constexpr size_t kLongLine = size_t{256} << 10;

bool isBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

uint32_t checkOf(std::string_view line) {
  Hash128 hash = hash128(line);
  uint32_t check = 0;
  for (size_t i = 0; i < sizeof check; ++i)
    check = check << 8 | hash.bytes[i];
  return check;
}

int64_t countPredicted(const int32_t *labels, size_t length) {
  int64_t count = 0;
  for (size_t i = 1; i < length; ++i)
    count += labels[i] != kIgnoredLabel;
  return count;
}

} // namespace

struct Dataset::Storage {
  LineFile lines;
  std::optional<ScratchFile> pieces; ///< of long lines
  LineTokens tokens;                 ///< of the line that is added
};

Dataset::Dataset() = default;
Dataset::Dataset(Dataset &&) noexcept = default;
Dataset &Dataset::operator=(Dataset &&) noexcept = default;
Dataset::~Dataset() = default;

Status Dataset::addLine(std::string_view text, uint64_t offset, uint64_t line) {
  const LineTokens &tokens = storage->tokens;
  if (Status s = readDataLine(text, name, line, limits, storage->tokens); !s)
    return s;
  size_t piece = static_cast<size_t>(limits.maxLength), count = tokens.ids.size();
  bool keep = count > piece && text.size() > kLongLine;
  auto bytes = static_cast<uint32_t>(keep ? 0 : text.size());
  uint32_t check = checkOf(text);
  for (size_t begin = 0; begin < count; begin += piece) {
    splitCount += begin != 0;
    size_t length = std::min(piece, count - begin);
    if (Status s = addPiece({offset, line, bytes, static_cast<uint32_t>(begin),
                             static_cast<uint32_t>(length), check});
        !s)
      return s;
  }
  if (size() >= kMaxSequences)
    return makeError(name + ':' + std::to_string(line),
                     "more than 4294967294 sequences; cut the file");
  return Status::ok();
}

Status Dataset::addPiece(Entry entry) {
  const int32_t *ids = storage->tokens.ids.data() + entry.first;
  const int32_t *labels = storage->tokens.labels.data() + entry.first;
  int64_t count = countPredicted(labels, entry.length);
  if (limits.predictsFirst && labels[0] != kIgnoredLabel)
    ++count;
  if (count == 0) {
    ++leftOutCount;
    return Status::ok();
  }
  auto length = static_cast<int64_t>(entry.length);
  size_t bytes = entry.length * sizeof(int32_t);
  content.update(&length, sizeof length);
  content.update(ids, bytes);
  content.update(labels, bytes);
  predicted += count;
  tokenCount += length;
  if (entry.bytes == 0) {
    std::optional<ScratchFile> &pieces = storage->pieces;
    if (!pieces) {
      Result<ScratchFile> scratch = ScratchFile::create("the long lines of " + name);
      if (!scratch)
        return scratch.takeError();
      pieces.emplace(std::move(*scratch));
    }
    Result<uint64_t> offset = pieces->append(ids, bytes);
    if (!offset)
      return offset.takeError();
    entry.offset = *offset;
    if (Result<uint64_t> behind = pieces->append(labels, bytes); !behind)
      return behind.takeError();
  }
  entries.push_back(entry);
  return Status::ok();
}

Result<Dataset> Dataset::load(const std::string &path, const DatasetLimits &limits) {
  Result<LineFile> file = LineFile::open(path);
  if (!file)
    return file.takeError();
  Dataset data;
  data.name = path;
  data.limits = limits;
  data.storage = std::make_unique<Storage>(Storage{std::move(*file), {}, {}});
  LineFile &lines = data.storage->lines;
  for (;;) {
    Result<std::optional<LineFile::Line>> line = lines.next();
    if (!line)
      return line.takeError();
    if (!*line)
      break;
    if (!isBlank((*line)->text))
      if (Status s = data.addLine((*line)->text, (*line)->offset, (*line)->number); !s)
        return s.takeError();
  }
  if (data.size() == 0 && data.leftOutCount == 0)
    return makeError(path, "holds no sequence; a line is an object with 'input_ids' or 'text'");
  if (data.size() == 0)
    return makeError(path,
                     "predicts no token: every label but a sequence's first is -100, or every "
                     "sequence has one token");
  lines.finish();
  data.storage->tokens = LineTokens();
  data.entries.shrink_to_fit();
  return data;
}

Error Dataset::changed(const Entry &entry) const {
  return makeError(name + ':' + std::to_string(entry.line),
                   "the line is not what it was when the run began; data must stay as they are "
                   "while they are used");
}

Result<Sequence> Dataset::sequence(size_t index) const {
  const Entry &entry = entries[index];
  Sequence sequence;
  if (entry.bytes == 0) {
    sequence.inputIds.resize(entry.length);
    sequence.labels.resize(entry.length);
    size_t bytes = entry.length * sizeof(int32_t);
    const ScratchFile &pieces = *storage->pieces;
    if (Status s = pieces.readAt(entry.offset, sequence.inputIds.data(), bytes); !s)
      return s.takeError();
    if (Status s = pieces.readAt(entry.offset + bytes, sequence.labels.data(), bytes); !s)
      return s.takeError();
    return sequence;
  }
  std::string text;
  if (Status s = storage->lines.readAt(entry.offset, entry.bytes, text); !s)
    return s.takeError();
  if (text.size() != entry.bytes || checkOf(text) != entry.check)
    return changed(entry);
  LineTokens tokens;
  if (Status s = readDataLine(text, name, entry.line, limits, tokens); !s)
    return s.takeError();
  auto cut = [&](const std::vector<int32_t> &whole) {
    auto begin = whole.begin() + static_cast<std::ptrdiff_t>(entry.first);
    return std::vector<int32_t>(begin, begin + static_cast<std::ptrdiff_t>(entry.length));
  };
  sequence.inputIds = cut(tokens.ids);
  sequence.labels = cut(tokens.labels);
  return sequence;
}

std::vector<int64_t> Dataset::lengths() const {
  std::vector<int64_t> result;
  result.reserve(size());
  for (const Entry &entry : entries)
    result.push_back(entry.length);
  return result;
}

} // namespace ftc::trainer
