//===- Yaml.cpp - YAML into the same value tree as JSON --------------------===//
// libyaml's event stream, resolved by the core schema of YAML 1.2.2.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Yaml.h"

#include "SourceText.h"
#include "TreeBuilder.h"

#include <charconv>
#include <yaml.h>

namespace ftc {

namespace {

using json::Position;
using json::Value;

bool isDigit(char c) { return c >= '0' && c <= '9'; }

bool isAny(std::string_view text, std::initializer_list<std::string_view> words) {
  for (std::string_view word : words)
    if (text == word)
      return true;
  return false;
}

size_t skipDigits(std::string_view text, size_t i) {
  while (i < text.size() && isDigit(text[i]))
    ++i;
  return i;
}

enum class Number { None, Integer, Float };

/// [-+]?[0-9]+, or [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
Number decimalKind(std::string_view text) {
  size_t i = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  size_t whole = skipDigits(text, i);
  bool hasWhole = whole > i;
  if (hasWhole && whole == text.size())
    return Number::Integer;
  i = whole;
  if (i < text.size() && text[i] == '.') {
    size_t end = skipDigits(text, i + 1);
    if (!hasWhole && end == i + 1)
      return Number::None;
    i = end;
  } else if (!hasWhole) {
    return Number::None;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+'))
      ++i;
    size_t end = skipDigits(text, i);
    if (end == i)
      return Number::None;
    i = end;
  }
  return i == text.size() ? Number::Float : Number::None;
}

/// 0o[0-7]+ or 0x[0-9a-fA-F]+: the base, else 0.
int prefixedBase(std::string_view text) {
  if (text.size() < 3 || text[0] != '0' || (text[1] != 'o' && text[1] != 'x'))
    return 0;
  std::string_view digits = text[1] == 'o' ? "01234567" : "0123456789abcdefABCDEF";
  if (text.find_first_not_of(digits, 2) != std::string_view::npos)
    return 0;
  return text[1] == 'o' ? 8 : 16;
}

class YamlReader {
public:
  YamlReader(std::string_view text, std::string_view file, const json::ParseOptions &options)
      : text(text), file(file), builder(file, text.size(), options.maxDepth) {
    initialized = yaml_parser_initialize(&parser) != 0;
    if (!initialized)
      return;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    // It asserts that there is a pointer, of an empty text too.
    const char *begin = text.empty() ? "" : text.data();
    yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char *>(begin),
                                 text.size());
  }
  ~YamlReader() {
    if (initialized)
      yaml_parser_delete(&parser);
  }
  YamlReader(const YamlReader &) = delete;
  YamlReader &operator=(const YamlReader &) = delete;

  Result<Value> read() {
    if (!initialized)
      return makeError(file, "out of memory");
    bool more = true;
    while (more) {
      yaml_event_t event;
      if (!yaml_parser_parse(&parser, &event))
        return parserError();
      more = event.type != YAML_STREAM_END_EVENT;
      bool fine = handle(event);
      yaml_event_delete(&event);
      if (!fine)
        return builder.takeError();
    }
    return builder.takeRoot();
  }

private:
  static Position positionOf(const yaml_mark_t &mark) {
    return {static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
  }

  bool handle(const yaml_event_t &event) {
    Position at = positionOf(event.start_mark);
    switch (event.type) {
    case YAML_DOCUMENT_START_EVENT:
      if (documents++)
        return builder.fail(at, "a second document; keep one document in a file");
      if (event.data.document_start.tag_directives.start !=
          event.data.document_start.tag_directives.end)
        return builder.fail(at, "tag directives are not supported; remove it");
      return true;
    case YAML_ALIAS_EVENT:
      return builder.fail(at, "aliases are not supported; write the value out");
    case YAML_SCALAR_EVENT:
      return plain(event.data.scalar.anchor, event.data.scalar.tag, at) && scalar(event, at);
    case YAML_SEQUENCE_START_EVENT:
      return plain(event.data.sequence_start.anchor, event.data.sequence_start.tag, at) &&
             valueMayStand(at) && builder.beginArray(at);
    case YAML_MAPPING_START_EVENT:
      return plain(event.data.mapping_start.anchor, event.data.mapping_start.tag, at) &&
             valueMayStand(at) && builder.beginObject(at);
    case YAML_SEQUENCE_END_EVENT:
      return builder.endArray();
    case YAML_MAPPING_END_EVENT:
      return builder.endObject();
    default:
      return true;
    }
  }

  bool plain(const yaml_char_t *anchor, const yaml_char_t *tag, Position at) {
    if (anchor)
      return builder.fail(at, "anchors are not supported; write the value out where it is used");
    if (tag)
      return builder.fail(at, "tags are not supported; quote a text that shall be a string");
    return true;
  }

  bool valueMayStand(Position at) {
    if (builder.wantsKey())
      return builder.fail(at, "a key must be a plain text, not a list or a mapping");
    return true;
  }

  bool scalar(const yaml_event_t &event, Position at) {
    std::string_view content(reinterpret_cast<const char *>(event.data.scalar.value),
                             event.data.scalar.length);
    bool isPlain = event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (builder.wantsKey()) {
      if (isPlain && content.empty())
        return builder.fail(at, "a key is empty; write `key: value`");
      if (isPlain && content == "<<")
        return builder.fail(at, "merge keys are not supported; write the members out");
      return builder.key(std::string(content), at);
    }
    if (!isPlain)
      return builder.string(std::string(content), at);
    return resolve(content, at);
  }

  bool resolve(std::string_view content, Position at) {
    if (isAny(content, {"", "~", "null", "Null", "NULL"}))
      return builder.scalar(Value(), at);
    if (isAny(content, {"true", "True", "TRUE"}))
      return builder.scalar(Value(true), at);
    if (isAny(content, {"false", "False", "FALSE"}))
      return builder.scalar(Value(false), at);
    std::string_view magnitude = content;
    if (magnitude[0] == '-' || magnitude[0] == '+')
      magnitude.remove_prefix(1);
    if (isAny(magnitude, {".inf", ".Inf", ".INF"}) || isAny(content, {".nan", ".NaN", ".NAN"}))
      return builder.fail(at,
                          "number " + quoted(content) + " is not finite; quote it for a string");
    if (int base = prefixedBase(content)) {
      uint64_t number = 0;
      const char *end = content.data() + content.size();
      if (std::from_chars(content.data() + 2, end, number, base).ec != std::errc())
        return builder.fail(at, "integer " + quoted(content, 40) + " does not fit in 64 bits");
      return builder.scalar(Value(number), at);
    }
    switch (decimalKind(content)) {
    case Number::None:
      return builder.string(std::string(content), at);
    case Number::Integer:
      if (std::optional<Value> number = json::integerFromText(content))
        return builder.scalar(std::move(*number), at);
      return builder.fail(at, "integer " + quoted(content, 40) + " does not fit in 64 bits");
    case Number::Float:
      if (std::optional<Value> number = json::doubleFromText(content))
        return builder.scalar(std::move(*number), at);
      return builder.fail(at, "number " + quoted(content, 40) + " is beyond the range of a double");
    }
    return true;
  }

  Error parserError() {
    std::string problem = parser.problem ? parser.problem : "out of memory";
    if (parser.error == YAML_READER_ERROR)
      return json::errorAt(text, file, parser.problem_offset, "not YAML: " + problem);
    Position at = positionOf(parser.problem_mark);
    Error error = makeError(place(file, at.line, at.column), "not YAML: " + problem);
    if (parser.context) {
      Position start = positionOf(parser.context_mark);
      error.note(place(file, start.line, start.column) + ": " + parser.context);
    }
    return error;
  }

  std::string_view text;
  std::string file;
  json::TreeBuilder builder;
  yaml_parser_t parser;
  bool initialized = false;
  int documents = 0;
};

bool endsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

} // namespace

Result<Value> parseYaml(std::string_view text, std::string_view file,
                        const json::ParseOptions &options) {
  if (Status checked = json::checkText(text, file, options); !checked)
    return checked.takeError();
  return YamlReader(text, file, options).read();
}

Result<Value> loadConfigFile(const std::string &path, const json::ParseOptions &options) {
  Result<std::string> text = readFile(path, options.maxBytes);
  if (!text)
    return text.takeError();
  if (endsWith(path, ".json"))
    return json::parse(*text, path, options);
  return parseYaml(*text, path, options);
}

} // namespace ftc
