//===- Dataset.cpp - training data in memory -------------------------------===//
// Reads JSONL line by line, checks every id and label, splits long sequences.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Dataset.h"

#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Json.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace ftc::trainer {

std::vector<int32_t> byte_tokenizer::encode(std::string_view text) {
  std::vector<int32_t> ids;
  ids.reserve(text.size() + 2);
  ids.push_back(kBos);
  for (char c : text)
    ids.push_back(static_cast<uint8_t>(c));
  ids.push_back(kEos);
  return ids;
}

namespace {

/// Sequences are numbered in 32 bits.
constexpr size_t kMaxSequences = UINT32_MAX;

/// Lines of a file or a pipe, in memory one at a time.
class LineReader {
public:
  static Result<LineReader> open(const std::string &path) {
    LineReader reader;
    if (isDirectory(path))
      return makeError(path, "is a directory; training data are one JSONL file");
    reader.file.reset(std::fopen(path.c_str(), "re"));
    if (!reader.file)
      return systemError(path, "cannot open", errno);
    reader.name = path;
    return reader;
  }

  /// The next line without its newline; nothing at the end.
  Result<std::optional<std::string_view>> next() {
    char *raw = text.release();
    errno = 0;
    ssize_t length = ::getline(&raw, &capacity, file.get());
    int reason = errno;
    text.reset(raw);
    if (length < 0) {
      if (std::ferror(file.get()) || (reason != 0 && !std::feof(file.get())))
        return systemError(name, "cannot read", reason);
      return std::optional<std::string_view>();
    }
    std::string_view line(raw, static_cast<size_t>(length));
    if (!line.empty() && line.back() == '\n')
      line.remove_suffix(1);
    return std::optional<std::string_view>(line);
  }

private:
  struct Close {
    void operator()(FILE *f) const { std::fclose(f); }
  };
  struct Release {
    void operator()(char *p) const { std::free(p); }
  };
  LineReader() = default;

  std::string name;
  std::unique_ptr<FILE, Close> file;
  std::unique_ptr<char, Release> text;
  size_t capacity = 0;
};

bool isBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

/// A line is parsed as a file of its own, so its errors say line 1 of `FILE:LINE`.
std::string withoutInnerLine(std::string text, const std::string &place) {
  std::string wrong = place + ":1";
  for (size_t at = text.find(wrong); at != std::string::npos; at = text.find(wrong, at)) {
    size_t end = at + wrong.size();
    at += place.size();
    if (end == text.size() || text[end] == ':')
      text.erase(at, 2);
  }
  return text;
}

/// The ids of one member, each checked by `isRight`.
template <class Predicate>
Status readIds(const json::Value &value, std::string_view key, const std::string &place,
               const std::string &expected, Predicate isRight, std::vector<int32_t> &ids) {
  auto at = [&](const json::Value &v) { return place + ':' + std::to_string(v.position().column); };
  if (!value.isArray())
    return makeError(at(value), quoted(key) + " must be an array of integers, got " +
                                    json::describe(value.kind()));
  ids.clear();
  ids.reserve(value.elements().size());
  for (const json::Value &element : value.elements()) {
    std::optional<int64_t> number = element.asInt64();
    if (!number || !isRight(*number))
      return makeError(at(element), quoted(key) + " element " + std::to_string(ids.size()) +
                                        " must be " + expected + ", got " +
                                        quoted(json::dump(element), 40));
    ids.push_back(static_cast<int32_t>(*number));
  }
  return Status::ok();
}

int64_t countPredicted(const int32_t *labels, size_t length) {
  int64_t count = 0;
  for (size_t i = 1; i < length; ++i)
    count += labels[i] != kIgnoredLabel;
  return count;
}

} // namespace

Status Dataset::addLine(std::string_view text, uint64_t line, const DatasetLimits &limits) {
  std::string where = name + ':' + std::to_string(line);
  Result<json::Value> object = json::parse(text, where);
  if (!object) {
    Error error = object.takeError();
    error.where = withoutInnerLine(std::move(error.where), where);
    for (std::string &note : error.notes)
      note = withoutInnerLine(std::move(note), where);
    return error;
  }
  if (!object->isObject())
    return makeError(where, std::string("a line of training data must be an object with "
                                        "'input_ids' or 'text', got ") +
                                json::describe(object->kind()));

  const json::Value *idsValue = object->find("input_ids");
  const json::Value *labelsValue = object->find("labels");
  const json::Value *textValue = object->find("text");
  std::vector<int32_t> lineIds, lineLabels;
  std::string range = " from 0 to " + std::to_string(limits.vocab - 1);
  auto isId = [&](int64_t id) { return id >= 0 && id < limits.vocab; };

  if (idsValue) {
    if (Status s = readIds(*idsValue, "input_ids", where,
                           "an integer" + range + " (the model's vocabulary)", isId, lineIds);
        !s)
      return s;
    if (lineIds.empty())
      return makeError(where, "'input_ids' is empty; leave the line out");
    if (const json::Value *mask = object->find("attention_mask"))
      for (const json::Value &element : mask->elements())
        if (element.asInt64() != 1)
          return makeError(where + ':' + std::to_string(element.position().column),
                           "'attention_mask' hides a token; leave padding out of 'input_ids'");
    if (!labelsValue) {
      lineLabels = lineIds;
    } else {
      if (Status s = readIds(
              *labelsValue, "labels", where, "-100 (no target) or an integer" + range,
              [&](int64_t id) { return id == kIgnoredLabel || isId(id); }, lineLabels);
          !s)
        return s;
      if (lineLabels.size() != lineIds.size())
        return makeError(where, "'labels' has " + std::to_string(lineLabels.size()) +
                                    " elements and 'input_ids' " + std::to_string(lineIds.size()) +
                                    "; they must have the same length");
    }
  } else if (textValue) {
    const std::string *string = textValue->asString();
    if (!string)
      return makeError(where + ':' + std::to_string(textValue->position().column),
                       std::string("'text' must be a string, got ") +
                           json::describe(textValue->kind()));
    if (labelsValue)
      return makeError(where, "'labels' needs 'input_ids': the tokens of 'text' are the targets");
    if (limits.vocab < byte_tokenizer::kVocab)
      return makeError(where, "'text' is read with the byte tokenizer of " +
                                  std::to_string(byte_tokenizer::kVocab) +
                                  " ids, and the model has " + std::to_string(limits.vocab) +
                                  "; give 'input_ids'");
    lineIds = byte_tokenizer::encode(*string);
    lineLabels = lineIds;
  } else {
    std::vector<std::string_view> names;
    for (const json::Member &member : object->members())
      names.push_back(member.key);
    std::string hint;
    for (const char *wanted : {"input_ids", "text"})
      if (std::string near = nearest(wanted, names); !near.empty() && hint.empty())
        hint = "; " + quoted(near) + " is none of them";
    return makeError(where, "has neither 'input_ids' nor 'text'" + hint);
  }
  addSequence(lineIds, lineLabels, line, limits);
  if (size() >= kMaxSequences)
    return makeError(where, "more than 4294967294 sequences; cut the file");
  return Status::ok();
}

void Dataset::addSequence(const std::vector<int32_t> &inputIds,
                          const std::vector<int32_t> &sequenceLabels, uint64_t line,
                          const DatasetLimits &limits) {
  size_t piece = static_cast<size_t>(limits.maxLength);
  for (size_t begin = 0; begin < inputIds.size(); begin += piece) {
    size_t length = std::min(piece, inputIds.size() - begin);
    splitCount += begin != 0;
    int64_t count = countPredicted(sequenceLabels.data() + begin, length);
    if (limits.predictsFirst && sequenceLabels[begin] != kIgnoredLabel)
      ++count;
    if (count == 0) {
      ++leftOutCount;
      continue;
    }
    predicted += count;
    auto from = static_cast<std::ptrdiff_t>(begin),
         to = static_cast<std::ptrdiff_t>(begin + length);
    ids.insert(ids.end(), inputIds.begin() + from, inputIds.begin() + to);
    labels.insert(labels.end(), sequenceLabels.begin() + from, sequenceLabels.begin() + to);
    begins.push_back(ids.size());
    lines.push_back(line);
    auto counted = static_cast<int64_t>(length);
    content.update(&counted, sizeof counted);
    content.update(inputIds.data() + begin, length * sizeof(int32_t));
    content.update(sequenceLabels.data() + begin, length * sizeof(int32_t));
  }
}

Result<Dataset> Dataset::load(const std::string &path, const DatasetLimits &limits) {
  Dataset data;
  data.name = path;
  Result<LineReader> reader = LineReader::open(path);
  if (!reader)
    return reader.takeError();
  for (uint64_t number = 1;; ++number) {
    Result<std::optional<std::string_view>> line = reader->next();
    if (!line)
      return line.takeError();
    if (!*line)
      break;
    if (!isBlank(**line))
      if (Status s = data.addLine(**line, number, limits); !s)
        return s.takeError();
  }
  if (data.size() == 0 && data.leftOutCount == 0)
    return makeError(path, "holds no sequence; a line is an object with 'input_ids' or 'text'");
  if (data.size() == 0)
    return makeError(path,
                     "predicts no token: every label but a sequence's first is -100, or every "
                     "sequence has one token");
  return data;
}

SequenceView Dataset::sequence(size_t index) const {
  size_t begin = begins[index];
  return {ids.data() + begin, labels.data() + begin,
          static_cast<int64_t>(begins[index + 1] - begin), lines[index]};
}

std::vector<int64_t> Dataset::lengths() const {
  std::vector<int64_t> result;
  result.reserve(size());
  for (size_t i = 0; i < size(); ++i)
    result.push_back(static_cast<int64_t>(begins[i + 1] - begins[i]));
  return result;
}

} // namespace ftc::trainer
