//===- DatasetLine.cpp - one line of training data -------------------------===//
// A scanner for lines of plain token ids, and the JSON reader for all others.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "DatasetLine.h"

#include "ftc/Support/Json.h"

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

/// Walks over a text of JSON.
class Scanner {
public:
  explicit Scanner(std::string_view text) : at(text.data()), end(text.data() + text.size()) {}

  /// Steps over white space and then `wanted`, if that is there.
  bool take(char wanted) {
    skip();
    if (at == end || *at != wanted)
      return false;
    ++at;
    return true;
  }
  bool atEnd() {
    skip();
    return at == end;
  }
  /// A string without escapes.
  bool name(std::string_view &text) {
    if (!take('"'))
      return false;
    const char *begin = at;
    while (at != end && ((*at >= 'a' && *at <= 'z') || *at == '_'))
      ++at;
    text = {begin, static_cast<size_t>(at - begin)};
    return at != end && *at++ == '"';
  }
  /// An integer below 10^9 in size as JSON writes it. What follows is for the caller to see.
  bool integer(int32_t &value) {
    skip();
    bool negative = at != end && *at == '-';
    at += negative;
    const char *begin = at;
    value = 0;
    for (; at != end && *at >= '0' && *at <= '9' && at - begin < 9; ++at)
      value = 10 * value + (*at - '0');
    if (at == begin || (*begin == '0' && (negative || at - begin > 1)))
      return false;
    value = negative ? -value : value;
    return true;
  }
  /// An array of integers from 0 to `vocab` - 1, or of those and of labels that are no target.
  bool integers(int64_t vocab, bool ignored, std::vector<int32_t> &values) {
    values.clear();
    if (!take('['))
      return false;
    do {
      int32_t value;
      if (!integer(value) || value >= vocab || (value < 0 && !(ignored && value == kIgnoredLabel)))
        return false;
      values.push_back(value);
    } while (take(','));
    return take(']');
  }

private:
  void skip() {
    while (at != end && (*at == ' ' || *at == '\t' || *at == '\r'))
      ++at;
  }

  const char *at, *end;
};

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

} // namespace

bool scanTokenLine(std::string_view text, const DatasetLimits &limits, LineTokens &tokens) {
  Scanner scanner(text);
  bool hasIds = false, hasLabels = false;
  if (!scanner.take('{'))
    return false;
  do {
    std::string_view name;
    if (!scanner.name(name) || !scanner.take(':'))
      return false;
    bool isIds = name == "input_ids";
    if (isIds ? hasIds : (hasLabels || name != "labels"))
      return false;
    if (!scanner.integers(limits.vocab, !isIds, isIds ? tokens.ids : tokens.labels))
      return false;
    (isIds ? hasIds : hasLabels) = true;
  } while (scanner.take(','));
  if (!hasIds || !scanner.take('}') || !scanner.atEnd())
    return false;
  if (!hasLabels)
    tokens.labels = tokens.ids;
  return tokens.labels.size() == tokens.ids.size();
}

Status readDataLine(std::string_view text, const std::string &file, uint64_t line,
                    const DatasetLimits &limits, LineTokens &tokens) {
  if (scanTokenLine(text, limits, tokens))
    return Status::ok();
  std::string where = file + ':' + std::to_string(line);
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
  std::string range = " from 0 to " + std::to_string(limits.vocab - 1);
  auto isId = [&](int64_t id) { return id >= 0 && id < limits.vocab; };

  if (idsValue) {
    if (Status s = readIds(*idsValue, "input_ids", where,
                           "an integer" + range + " (the model's vocabulary)", isId, tokens.ids);
        !s)
      return s;
    if (tokens.ids.empty())
      return makeError(where, "'input_ids' is empty; leave the line out");
    if (const json::Value *mask = object->find("attention_mask")) {
      if (mask->elements().size() != tokens.ids.size())
        return makeError(where + ':' + std::to_string(mask->position().column),
                         "'attention_mask' must be an array of as many ones as 'input_ids' has "
                         "elements; leave it out");
      for (const json::Value &element : mask->elements())
        if (element.asInt64() != 1)
          return makeError(where + ':' + std::to_string(element.position().column),
                           "'attention_mask' hides a token; leave padding out of 'input_ids'");
    }
    if (!labelsValue) {
      tokens.labels = tokens.ids;
    } else {
      if (Status s = readIds(
              *labelsValue, "labels", where, "-100 (no target) or an integer" + range,
              [&](int64_t id) { return id == kIgnoredLabel || isId(id); }, tokens.labels);
          !s)
        return s;
      if (tokens.labels.size() != tokens.ids.size())
        return makeError(where, "'labels' has " + std::to_string(tokens.labels.size()) +
                                    " elements and 'input_ids' " +
                                    std::to_string(tokens.ids.size()) +
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
    tokens.ids = byte_tokenizer::encode(*string);
    tokens.labels = tokens.ids;
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
  return Status::ok();
}

} // namespace ftc::trainer
