//===- YamlTest.cpp - tests of the YAML reader -----------------------------===//
// Core-schema scalars, positions, refusals, and choice of format by name.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Yaml.h"

#include "TestFiles.h"

using namespace ftc;
using json::Kind;
using json::Value;

namespace {

Value parsed(std::string_view text) {
  Result<Value> value = parseYaml(text, "t.yaml");
  EXPECT_TRUE(static_cast<bool>(value)) << text << ": " << value.error().str();
  return value ? *value : Value("PARSE FAILED");
}

Error errorOf(std::string_view text) {
  Result<Value> value = parseYaml(text, "t.yaml");
  EXPECT_FALSE(static_cast<bool>(value))
      << "accepted: " << text << " as " << (value ? json::dump(*value) : "");
  return value ? Error{} : value.takeError();
}

TEST(Yaml, CoreSchemaScalars) {
  for (const char *text : {"", "~", "null", "Null", "NULL", "# only a comment\n", "---\n...\n"})
    EXPECT_TRUE(parsed(text).isNull()) << text;
  for (const char *text : {"true", "True", "TRUE"})
    EXPECT_EQ(parsed(text).asBool(), true) << text;
  for (const char *text : {"false", "False", "FALSE"})
    EXPECT_EQ(parsed(text).asBool(), false) << text;
  struct {
    const char *text;
    int64_t value;
  } integers[] = {{"0", 0},     {"-7", -7},     {"+7", 7}, {"007", 7},
                  {"0o17", 15}, {"0x1fF", 511}, {"-0", 0}, {"9223372036854775807", INT64_MAX}};
  for (auto &[text, value] : integers)
    EXPECT_EQ(parsed(text).asInt64(), value) << text;
  EXPECT_EQ(parsed("18446744073709551615").asUInt64(), UINT64_MAX);
  struct {
    const char *text;
    double value;
  } doubles[] = {{"1e-4", 1e-4}, {"1.5", 1.5},    {"-.5", -0.5}, {"+1.", 1.0},
                 {"5E+3", 5000}, {"2e-05", 2e-5}, {"1.0", 1.0}};
  for (auto &[text, value] : doubles) {
    EXPECT_EQ(parsed(text).kind(), Kind::Double) << text;
    EXPECT_EQ(parsed(text).asDouble(), value) << text;
  }
}

TEST(Yaml, Strings) {
  for (const char *text : {"yes", "no", "on", "off", "1.2.3", "1e", "0o8", "0x", "+", ".", "e5",
                           "1_000", "12:30", "nULL", "tRUE", "24GiB", "tp=2,dp=2", "1-2"})
    EXPECT_TRUE(parsed(text).isString()) << text;
  EXPECT_EQ(*parsed("'1'").asString(), "1");
  EXPECT_EQ(*parsed("\"true\"").asString(), "true");
  EXPECT_EQ(*parsed("\"a\\n\\u00e9\"").asString(), "a\né");
  EXPECT_EQ(*parsed("|\n  two\n  lines\n").asString(), "two\nlines\n");
  EXPECT_EQ(*parsed(">-\n  two\n  lines\n").asString(), "two lines");
  EXPECT_EQ(*parsed("''").asString(), "");
}

TEST(Yaml, Structure) {
  Value value = parsed("# a comment\n"
                       "learning_rate: 1e-4   # the rate\n"
                       "trainable:\n"
                       "  - q_proj\n"
                       "  - 'v_.*'\n"
                       "mesh: {tp: 2, dp: 4}\n"
                       "list: [1, 2.5, x]\n"
                       "empty:\n");
  EXPECT_EQ(json::dump(value), R"({"learning_rate":1e-04,"trainable":["q_proj","v_.*"],)"
                               R"("mesh":{"tp":2,"dp":4},"list":[1,2.5,"x"],"empty":null})");
}

TEST(Yaml, JsonIsYaml) {
  const char *text = R"({"a": [1, -2.5e-3, "x\/\u00e9", true, null], "b": {"c": {}}, "d": []})";
  Result<Value> strict = json::parse(text, "t.json");
  ASSERT_TRUE(static_cast<bool>(strict));
  EXPECT_EQ(parsed(text), *strict);
}

TEST(Yaml, Positions) {
  Value value = parsed("é: 1\nouter:\n  inner: [x, 2]\n");
  EXPECT_EQ(value.findMember("outer")->keyPosition.line, 2u);
  EXPECT_EQ(value.findMember("outer")->keyPosition.column, 1u);
  EXPECT_EQ(value.find("é")->position().column, 4u);
  const Value &inner = *value.find("outer")->find("inner");
  EXPECT_EQ(inner.position().line, 3u);
  EXPECT_EQ(inner.position().column, 10u);
  EXPECT_EQ(inner.elements()[1].position().column, 14u);
}

TEST(Yaml, NumericAndQuotedKeysAreText) {
  Value value = parsed("1: a\n'true': b\n\"q k\": c\n");
  EXPECT_EQ(json::dump(value), R"({"1":"a","true":"b","q k":"c"})");
}

TEST(Yaml, Refusals) {
  struct {
    const char *text;
    const char *message;
  } cases[] = {
      {"a: &x 1\n", "t.yaml:1:4: anchors are not supported; write the value out where it is used"},
      {"a: &x [1]\n",
       "t.yaml:1:4: anchors are not supported; write the value out where it is used"},
      {"a: *x\n", "t.yaml:1:4: aliases are not supported; write the value out"},
      {"a: !!str 1\n", "t.yaml:1:4: tags are not supported; quote a text that shall be a string"},
      {"a: !x {}\n", "t.yaml:1:4: tags are not supported; quote a text that shall be a string"},
      {"a: !!python/object:os.system []\n",
       "t.yaml:1:4: tags are not supported; quote a text that shall be a string"},
      {"%TAG ! tag:x,2000:\n---\na: 1\n",
       "t.yaml:1:1: tag directives are not supported; remove it"},
      {"a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document; keep one document in a file"},
      {"a:\n  <<: {b: 1}\n", "t.yaml:2:3: merge keys are not supported; write the members out"},
      {"? [1, 2]\n: x\n", "t.yaml:1:3: a key must be a plain text, not a list or a mapping"},
      {"? {a: 1}\n: x\n", "t.yaml:1:3: a key must be a plain text, not a list or a mapping"},
      {"?\n: x\n", "t.yaml:1:2: a key is empty; write `key: value`"},
      {"a: .inf\n", "t.yaml:1:4: number '.inf' is not finite; quote it for a string"},
      {"a: -.INF\n", "t.yaml:1:4: number '-.INF' is not finite; quote it for a string"},
      {"a: .nan\n", "t.yaml:1:4: number '.nan' is not finite; quote it for a string"},
      {"a: 1e400\n", "t.yaml:1:4: number '1e400' is beyond the range of a double"},
      {"a: 18446744073709551616\n",
       "t.yaml:1:4: integer '18446744073709551616' does not fit in 64 bits"},
      {"a: 0x1ffffffffffffffff\n",
       "t.yaml:1:4: integer '0x1ffffffffffffffff' does not fit in 64 bits"},
      {"\xEF\xBB\xBF"
       "a: 1\n",
       "t.yaml:1:1: a byte order mark; save the file as UTF-8 without one"},
      {"a: \"\xff\"\n", "t.yaml:1:5: not valid UTF-8; save the file as UTF-8"},
      {"a: b: c\n", "t.yaml:1:5: not YAML: mapping values are not allowed in this context"},
      {"a: [1, 2\n", "t.yaml:2:1: not YAML: did not find expected ',' or ']'"},
      {"\tb: 1\n", "t.yaml:1:1: not YAML: found character that cannot start any token"},
      {"a: \"x\n", "t.yaml:2:1: not YAML: found unexpected end of stream"},
      {"a: \x01\n", "t.yaml:1:4: not YAML: control characters are not allowed"},
  };
  for (auto &[text, message] : cases)
    EXPECT_EQ(errorOf(text).str(), message) << text;
  EXPECT_NE(errorOf(std::string_view("a: \0b\n", 6)).message.find("NUL"), std::string::npos);
}

TEST(Yaml, DuplicateKeysNameBothPlaces) {
  EXPECT_EQ(formatError(errorOf("a: 1\nb: 2\n'a': 3\n")),
            "error: t.yaml:3:1: key 'a' is given twice; remove one of the two\n"
            "note: t.yaml:1:1: first given here\n");
}

TEST(Yaml, Depth) {
  EXPECT_EQ(parsed(std::string(64, '[') + std::string(64, ']')).kind(), Kind::Array);
  EXPECT_EQ(errorOf(std::string(65, '[') + std::string(65, ']')).str(),
            "t.yaml:1:65: nested deeper than 64 levels; flatten the file");
  EXPECT_FALSE(errorOf(std::string(200000, '[')).message.empty());
  std::string block;
  for (int i = 0; i < 200; ++i)
    block += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_NE(errorOf(block).message.find("nested deeper"), std::string::npos);
  std::string dashes;
  for (int i = 0; i < 5000; ++i)
    dashes += "- ";
  EXPECT_NE(errorOf(dashes).message.find("nested deeper"), std::string::npos);
}

TEST(Yaml, EveryPrefixIsHandled) {
  std::string text = "a: [1, \"x\\n\", {b: 'q'}]\nc: |\n  block\nd: 1e-4\n";
  for (size_t length = 0; length <= text.size(); ++length) {
    Result<Value> value = parseYaml(std::string_view(text).substr(0, length), "t.yaml");
    if (!value) {
      EXPECT_EQ(value.error().where.substr(0, 7), "t.yaml:");
    }
  }
}

TEST(LoadConfigFile, ChoosesTheFormatByName) {
  test::TempDirectory directory;
  EXPECT_TRUE(static_cast<bool>(loadConfigFile(directory.write("a.yaml", "a: 1\n"))));
  EXPECT_TRUE(static_cast<bool>(loadConfigFile(directory.write("b.json", "{\"a\": 1}\n"))));
  EXPECT_TRUE(static_cast<bool>(loadConfigFile(directory.write("c.yml", "{\"a\": 1}\n"))));
  std::string wrong = directory.write("d.json", "a: 1\n");
  EXPECT_EQ(loadConfigFile(wrong).error().where, wrong + ":1:1");
  std::string none = directory.file("none.yaml");
  EXPECT_EQ(loadConfigFile(none).error().str(), none + ": cannot open: No such file or directory");
}

} // namespace
