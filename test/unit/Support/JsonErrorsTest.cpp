//===- JsonErrorsTest.cpp - what the JSON reader refuses -------------------===//
// Each refusal with its place and message.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Json.h"

#include "TestFiles.h"

#include <sys/stat.h>

using namespace ftc;

namespace {

Error errorOf(std::string_view text, const json::ParseOptions &options = {}) {
  Result<json::Value> value = json::parse(text, "t.json", options);
  EXPECT_FALSE(static_cast<bool>(value)) << "accepted: " << text;
  return value ? Error{} : value.takeError();
}

struct Case {
  std::string text;
  const char *message;
};

class JsonRefuses : public ::testing::TestWithParam<Case> {};

TEST_P(JsonRefuses, WithPlaceAndMessage) {
  EXPECT_EQ(errorOf(GetParam().text).str(), GetParam().message);
}

const char kNoValue[] =
    ": not a JSON value; expected null, true, false, a number, a string in double "
    "quotes, an array or an object";

INSTANTIATE_TEST_SUITE_P(
    Grammar, JsonRefuses,
    ::testing::Values(
        Case{"", "t.json:1:1: the text is empty; a JSON value was expected"},
        Case{" \n ", "t.json:2:2: the text is empty; a JSON value was expected"},
        Case{"{} x", "t.json:1:4: text after the end of the JSON value; remove it"},
        Case{"1 2", "t.json:1:3: text after the end of the JSON value; remove it"},
        Case{"{\"a\":1,}", "t.json:1:8: expected a key in double quotes (no trailing commas, no "
                           "comments)"},
        Case{"{a:1}",
             "t.json:1:2: expected a key in double quotes (no trailing commas, no comments)"},
        Case{"{\"a\" 1}", "t.json:1:6: expected ':' after the key"},
        Case{"{\"a\":1 \"b\":2}", "t.json:1:8: expected ',' or '}' after a member of an object"},
        Case{"[1 2]", "t.json:1:4: expected ',' or ']' after an element of an array"},
        Case{"[1,2", "t.json:1:5: expected ',' or ']' after an element of an array"},
        Case{"{\"a\":1", "t.json:1:7: expected ',' or '}' after a member of an object"},
        Case{"\"abc", "t.json:1:5: a string has no closing quote"},
        Case{"\"a\\x\"",
             "t.json:1:3: unknown escape in a string; JSON has \\\" \\\\ \\/ \\b \\f \\n "
             "\\r \\t and \\uXXXX"},
        Case{"\"\\u12g4\"", "t.json:1:2: expected four hexadecimal digits after \\u"},
        Case{"\"\\ud800\"",
             "t.json:1:2: half of a surrogate pair; write \\uD800-\\uDBFF followed by "
             "\\uDC00-\\uDFFF"},
        Case{"\"\\\\\\uD83d\\ude00x\\uDE00\"",
             "t.json:1:17: half of a surrogate pair; write \\uD800-\\uDBFF followed by "
             "\\uDC00-\\uDFFF"},
        Case{"{\"k\\udfff\":1}",
             "t.json:1:4: half of a surrogate pair; write \\uD800-\\uDBFF followed by "
             "\\uDC00-\\uDFFF"},
        Case{"\"a\nb\"", "t.json:1:3: a control character in a string; write it as an escape"},
        Case{"1.", "t.json:1:3: expected a digit after the point of a number"},
        Case{"1e", "t.json:1:3: expected a digit in the exponent of a number"}));

TEST(JsonErrors, NoValues) {
  for (const char *text :
       {"tru", "nul", "NaN", "Infinity", "-Infinity", "+1", ".5", "-", "'a'", "/* c */ 1",
        "// c\n1", "[1,]", "[,1]", "{\"a\":}", "]", "}", ",", ":"}) {
    Error error = errorOf(text);
    EXPECT_FALSE(error.message.empty()) << text;
    EXPECT_EQ(error.where.substr(0, 7), "t.json:") << text;
  }
  EXPECT_EQ(errorOf("\n  x").str(), std::string("t.json:2:3") + kNoValue);
  for (const char *text : {"01", "1.5.2", "0x10", "1_000", "--1"})
    errorOf(text);
}

TEST(JsonErrors, IntegersBeyond64Bits) {
  EXPECT_EQ(errorOf("{\"a\": 18446744073709551616}").str(),
            "t.json:1:7: integer '18446744073709551616' does not fit in 64 bits");
  EXPECT_EQ(errorOf("-9223372036854775809").str(),
            "t.json:1:1: integer '-9223372036854775809' does not fit in 64 bits");
  EXPECT_EQ(errorOf(std::string(300, '9')).where, "t.json:1:1");
  EXPECT_EQ(errorOf(std::string(500, '9')).where, "t.json:1:1");
}

TEST(JsonErrors, NumbersBeyondDouble) {
  for (const char *text : {"1e400", "-1e400", "1.8e308", "1e99999999999999999999", "1e-400"}) {
    Error error = errorOf(text);
    EXPECT_NE(error.message.find("beyond the range of a double"), std::string::npos)
        << text << ": " << error.str();
    EXPECT_EQ(error.where, "t.json:1:1");
  }
}

TEST(JsonErrors, DuplicateKeysNameBothPlaces) {
  Error error = errorOf("{\"a\": 1,\n \"b\": 2,\n \"a\": 3, \"b\": 4}");
  EXPECT_EQ(formatError(error), "error: t.json:3:2: key 'a' is given twice; remove one of the two\n"
                                "note: t.json:1:2: first given here\n");
  EXPECT_EQ(errorOf(R"({"x":{"a":1,"\u0061":1}})").str(),
            "t.json:1:13: key 'a' is given twice; remove one of the two");
}

TEST(JsonErrors, Encoding) {
  EXPECT_EQ(errorOf("\xEF\xBB\xBF{}").str(),
            "t.json:1:1: a byte order mark; save the file as UTF-8 without one");
  EXPECT_EQ(errorOf(std::string_view("{}\0", 3)).str(), "t.json:1:3: a NUL byte; text has none");
  EXPECT_EQ(errorOf(std::string_view("\"a\0b\"", 5)).str(),
            "t.json:1:3: a NUL byte; text has none");
  // Bare continuation, overlong, surrogate, beyond U+10FFFF, cut short, UTF-16.
  for (const char *bytes : {"\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                            "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xff\xfe"}) {
    EXPECT_EQ(errorOf("{\"é\": \"" + std::string(bytes) + "\"}").str(),
              "t.json:1:8: not valid UTF-8; save the file as UTF-8");
  }
  EXPECT_EQ(errorOf("\"\xe2\x82").str(), "t.json:1:2: not valid UTF-8; save the file as UTF-8");
}

TEST(JsonErrors, DepthBombs) {
  std::string arrays(100000, '[');
  EXPECT_EQ(errorOf(arrays).where, "t.json:1:65");
  std::string objects;
  for (int i = 0; i < 100000; ++i)
    objects += "{\"a\":";
  EXPECT_NE(errorOf(objects).message.find("nested deeper"), std::string::npos);
}

TEST(JsonErrors, SizeLimit) {
  json::ParseOptions options;
  options.maxBytes = 10;
  EXPECT_EQ(errorOf("[1,2,3,4,5]", options).str(),
            "t.json: the text has 11 bytes; at most 10 are read");
  EXPECT_TRUE(static_cast<bool>(json::parse("[1,2,3,45]", "t.json", options)));
}

TEST(JsonErrors, ValuesThatTakeFarMoreThanTheText) {
  for (const char *element : {"[],", "{},", "0,", "\"\","}) {
    std::string text = "[";
    while (text.size() < size_t{6} << 20)
      text += element;
    text += "0]";
    Error error = errorOf(text);
    EXPECT_EQ(error.message,
              "the values up to here take more than 96 MiB of memory, too much for the text; split "
              "the file")
        << element;
    EXPECT_EQ(error.where.substr(0, 9), "t.json:1:");
  }
}

TEST(JsonErrors, EveryPrefixIsRefused) {
  std::string text = R"({"a": [1.5e-3, "x\u00e9\\", true, null, {"b": -2}], "c": "é"})";
  ASSERT_TRUE(static_cast<bool>(json::parse(text, "t.json")));
  for (size_t length = 0; length < text.size(); ++length)
    errorOf(std::string_view(text).substr(0, length));
}

TEST(JsonErrors, EveryByteMayBeAnything) {
  // No crash and no wrong tree: what is accepted must survive a round trip.
  std::string text = R"({"a":[1.5e-3,"x\u00e9",true],"b":{"c":null}})";
  for (size_t i = 0; i < text.size(); ++i)
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[i] = static_cast<char>(byte);
      Result<json::Value> value = json::parse(changed, "t.json");
      if (!value)
        continue;
      Result<json::Value> back = json::parse(json::dump(*value), "t.json");
      ASSERT_TRUE(static_cast<bool>(back)) << changed;
      EXPECT_EQ(*back, *value) << changed;
    }
}

TEST(JsonErrors, Files) {
  test::TempDirectory directory;
  EXPECT_EQ(json::parseFile(directory.file("none.json")).error().str(),
            directory.file("none.json") + ": cannot open: No such file or directory");
  EXPECT_EQ(json::parseFile(directory.path()).error().str(),
            directory.path() + ": is a directory; give a file");
  std::string pipe = directory.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(json::parseFile(pipe).error().str(), pipe + ": is not a regular file");
  std::string bad = directory.write("bad.json", "{\n  \"a\" 1}");
  EXPECT_EQ(json::parseFile(bad).error().str(), bad + ":2:7: expected ':' after the key");
  json::ParseOptions options;
  options.maxBytes = 4;
  EXPECT_EQ(json::parseFile(bad, options).error().str(),
            bad + ": has 10 bytes; at most 4 are read");
}

} // namespace
