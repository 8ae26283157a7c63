//===- JsonParser.cpp - strict JSON over RapidJSON's streaming parser ------===//
// Grammar by RapidJSON's iterative reader; positions and further refusals by us.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/JsonMembers.h"

#include "SourceText.h"
#include "TreeBuilder.h"
#include "Unicode.h"

// RapidJSON states its own invariants with this; none depends on the input, and a library may not
// abort its process.
#define RAPIDJSON_ASSERT(condition) static_cast<void>(0)
#define RAPIDJSON_HAS_STDSTRING 0
// Its stack adds offsets to a null pointer before the first allocation: harmless, but the sanitizer
// for undefined behaviour stops there.
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/error/error.h>
#include <rapidjson/reader.h>
#ifdef __clang__
#pragma clang attribute pop
#endif

namespace ftc::json {

namespace {

/// A text as RapidJSON's stream concept: bounded, ends with NUL characters.
class TextStream {
public:
  using Ch = char;
  explicit TextStream(std::string_view text) : text(text) {}
  Ch Peek() const { return offset < text.size() ? text[offset] : '\0'; }
  Ch Take() { return offset < text.size() ? text[offset++] : '\0'; }
  size_t Tell() const { return offset; }
  // Writing is for in-place parsing only.
  Ch *PutBegin() { return nullptr; }
  void Put(Ch) {}
  void Flush() {}
  size_t PutEnd(Ch *) { return 0; }

private:
  std::string_view text;
  size_t offset = 0;
};

constexpr const char *kHalfPair =
    "half of a surrogate pair; write \\uD800-\\uDBFF followed by \\uDC00-\\uDFFF";

class Handler {
public:
  Handler(std::string_view text, std::string_view file, const ParseOptions &options)
      : builder(file, text.size(), options.maxDepth), finder(text), text(text), stream(text) {}

  bool Null() { return builder.scalar(Value(), before(4)); }
  bool Bool(bool value) { return builder.scalar(Value(value), before(value ? 4 : 5)); }
  bool RawNumber(const char *digits, rapidjson::SizeType length, bool) {
    std::string_view number(digits, length);
    Position at = before(length);
    if (number.find_first_of(".eE") == std::string_view::npos) {
      std::optional<Value> value = integerFromText(number);
      if (!value)
        return builder.fail(at, "integer " + quoted(number, 40) + " does not fit in 64 bits");
      return builder.scalar(std::move(*value), at);
    }
    std::optional<Value> value = doubleFromText(number);
    if (!value)
      return builder.fail(at, "number " + quoted(number, 40) + " is beyond the range of a double");
    return builder.scalar(std::move(*value), at);
  }
  bool String(const char *characters, rapidjson::SizeType length, bool) {
    return isWhole({characters, length}) &&
           builder.string(std::string(characters, length), finder.at(openingQuote()));
  }
  bool Key(const char *characters, rapidjson::SizeType length, bool) {
    return isWhole({characters, length}) &&
           builder.key(std::string(characters, length), finder.at(openingQuote()));
  }
  bool StartObject() { return builder.beginObject(finder.at(stream.Tell())); }
  bool StartArray() { return builder.beginArray(finder.at(stream.Tell())); }
  bool EndObject(rapidjson::SizeType) { return builder.endObject(); }
  bool EndArray(rapidjson::SizeType) { return builder.endArray(); }

  // RawNumber gets all numbers.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

  TreeBuilder builder;
  PositionFinder finder;
  std::string_view text;
  TextStream stream;

private:
  Position before(size_t length) { return finder.at(stream.Tell() - length); }

  /// Where the string that ends here began: the last quote not escaped by an odd run of
  /// backslashes.
  size_t openingQuote() const {
    size_t quote = stream.Tell() - 1;
    while (quote > 0) {
      --quote;
      if (text[quote] != '"')
        continue;
      size_t run = quote;
      while (run > 0 && text[run - 1] == '\\')
        --run;
      if ((quote - run) % 2 == 0)
        break;
      quote = run;
    }
    return quote;
  }

  /// RapidJSON takes the second half of a surrogate pair alone, which no UTF-8 can hold.
  bool isWhole(std::string_view characters) {
    if (firstInvalidUtf8(characters) == characters.size())
      return true;
    size_t at = openingQuote() + 1;
    for (; at + 3 < stream.Tell(); ++at) {
      if (text[at] != '\\')
        continue;
      bool isUnicode = text[at + 1] == 'u';
      char digits[] = {text[at + 2], text[at + 3]};
      bool isSurrogate = isUnicode && (digits[0] == 'd' || digits[0] == 'D');
      if (isSurrogate && (digits[1] >= 'c' || (digits[1] >= 'C' && digits[1] <= 'F')))
        break;
      at += isSurrogate && digits[1] >= '8' ? 11 : 1;
    }
    return builder.fail(finder.at(at), kHalfPair);
  }
};

const char *grammarMessage(rapidjson::ParseErrorCode code) {
  switch (code) {
  case rapidjson::kParseErrorDocumentEmpty:
    return "the text is empty; a JSON value was expected";
  case rapidjson::kParseErrorDocumentRootNotSingular:
    return "text after the end of the JSON value; remove it";
  case rapidjson::kParseErrorValueInvalid:
    return "not a JSON value; expected null, true, false, a number, a string in double quotes, an "
           "array or an object";
  case rapidjson::kParseErrorObjectMissName:
    return "expected a key in double quotes (no trailing commas, no comments)";
  case rapidjson::kParseErrorObjectMissColon:
    return "expected ':' after the key";
  case rapidjson::kParseErrorObjectMissCommaOrCurlyBracket:
    return "expected ',' or '}' after a member of an object";
  case rapidjson::kParseErrorArrayMissCommaOrSquareBracket:
    return "expected ',' or ']' after an element of an array";
  case rapidjson::kParseErrorStringUnicodeEscapeInvalidHex:
    return "expected four hexadecimal digits after \\u";
  case rapidjson::kParseErrorStringUnicodeSurrogateInvalid:
    return kHalfPair;
  case rapidjson::kParseErrorStringEscapeInvalid:
    return "unknown escape in a string; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX";
  case rapidjson::kParseErrorStringMissQuotationMark:
    return "a string has no closing quote";
  case rapidjson::kParseErrorNumberTooBig:
    return "a number is beyond the range of a double";
  case rapidjson::kParseErrorNumberMissFraction:
    return "expected a digit after the point of a number";
  case rapidjson::kParseErrorNumberMissExponent:
    return "expected a digit in the exponent of a number";
  default:
    return "not JSON";
  }
}

} // namespace

/// Sends the text's events to the handler.
static Status readInto(Handler &handler, std::string_view text, std::string_view file,
                       const ParseOptions &options) {
  // RapidJSON takes NUL for the end of the text: that such bytes are refused here matters.
  if (Status checked = checkText(text, file, options); !checked)
    return checked;
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseFullPrecisionFlag |
                             rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::Reader reader;
  rapidjson::ParseResult result = reader.Parse<flags>(handler.stream, handler);
  if (handler.builder.error())
    return handler.builder.takeError();
  if (!result.IsError())
    return Status::ok();
  size_t offset = result.Offset();
  // RapidJSON has one code for wrong escapes and for characters that need one.
  bool isControl = result.Code() == rapidjson::kParseErrorStringEscapeInvalid &&
                   offset < text.size() && static_cast<unsigned char>(text[offset]) < 0x20;
  return errorAt(text, file, offset,
                 isControl ? "a control character in a string; write it as an escape"
                           : grammarMessage(result.Code()));
}

Result<Value> parse(std::string_view text, std::string_view file, const ParseOptions &options) {
  Handler handler(text, file, options);
  if (Status read = readInto(handler, text, file, options); !read)
    return read.takeError();
  return handler.builder.takeRoot();
}

Result<Value> parseMembers(std::string_view text, std::string_view file,
                           const ParseOptions &options, std::function<Status(Member &&)> sink) {
  Handler handler(text, file, options);
  handler.builder.handMembersTo(std::move(sink));
  if (Status read = readInto(handler, text, file, options); !read)
    return read.takeError();
  return handler.builder.takeRoot();
}

Result<Value> parseFile(const std::string &path, const ParseOptions &options) {
  Result<std::string> text = readFile(path, options.maxBytes);
  if (!text)
    return text.takeError();
  return parse(*text, path, options);
}

} // namespace ftc::json
