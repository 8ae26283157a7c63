//===- JsonTest.cpp - tests of the JSON tree, reader and writer ------------===//
// What is accepted, how it is kept, and that writing it gives it back.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Json.h"

#include "TestFiles.h"

#include <cmath>
#include <limits>

using namespace ftc;
using json::Kind;
using json::Value;

namespace {

Value parsed(std::string_view text) {
  Result<Value> value = json::parse(text, "t.json");
  EXPECT_TRUE(static_cast<bool>(value)) << text << ": " << value.error().str();
  return value ? *value : Value("PARSE FAILED");
}

TEST(Json, Scalars) {
  EXPECT_TRUE(parsed("null").isNull());
  EXPECT_EQ(parsed(" true ").asBool(), true);
  EXPECT_EQ(parsed("false").asBool(), false);
  EXPECT_EQ(parsed("0").asInt64(), 0);
  EXPECT_EQ(parsed("-17").asInt64(), -17);
  EXPECT_EQ(parsed("1.5").asDouble(), 1.5);
  EXPECT_EQ(parsed("-1e-4").asDouble(), -1e-4);
  EXPECT_EQ(*parsed("\"x\"").asString(), "x");
}

TEST(Json, IntegersAreExact) {
  EXPECT_EQ(parsed("9223372036854775807").asInt64(), INT64_MAX);
  EXPECT_EQ(parsed("-9223372036854775808").asInt64(), INT64_MIN);
  Value wide = parsed("18446744073709551615");
  EXPECT_EQ(wide.kind(), Kind::UInt);
  EXPECT_EQ(wide.asUInt64(), UINT64_MAX);
  EXPECT_EQ(wide.asInt64(), std::nullopt);
  EXPECT_EQ(parsed("-1").asUInt64(), std::nullopt);
  EXPECT_EQ(parsed("9007199254740993").asInt64(), 9007199254740993);
}

TEST(Json, NumbersWithPointOrExponentAreNoIntegers) {
  for (const char *text : {"1.0", "1e3", "1E3", "1e+3"}) {
    Value value = parsed(text);
    EXPECT_EQ(value.kind(), Kind::Double) << text;
    EXPECT_EQ(value.asInt64(), std::nullopt) << text;
    EXPECT_EQ(value.asUInt64(), std::nullopt) << text;
  }
  EXPECT_EQ(parsed("1e3").asDouble(), 1000.0);
}

TEST(Json, DoublesAreCorrectlyRounded) {
  // Half way cases and extremes, from the literature on decimal conversion.
  EXPECT_EQ(parsed("9007199254740993.0").asDouble(), 9007199254740992.0);
  EXPECT_EQ(parsed("2.2250738585072011e-308").asDouble(), 2.2250738585072011e-308);
  EXPECT_EQ(parsed("1.7976931348623157e308").asDouble(), std::numeric_limits<double>::max());
  EXPECT_EQ(parsed("5e-324").asDouble(), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(parsed("0.1").asDouble(), 0.1);
  EXPECT_EQ(parsed("0.000001e2").asDouble(), 1e-4);
}

TEST(Json, Strings) {
  EXPECT_EQ(*parsed(R"("\"\\\/\b\f\n\r\t")").asString(), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(*parsed(R"("\u00e9\u20ac\ud83d\ude00")").asString(), "é€😀");
  EXPECT_EQ(*parsed(R"("\u0000x")").asString(), std::string("\0x", 2));
  EXPECT_EQ(*parsed("\"é€😀\"").asString(), "é€😀");
}

TEST(Json, ObjectsKeepOrder) {
  Value value = parsed(R"({"z": 1, "a": [1, 2], "m": {"x": null}})");
  ASSERT_EQ(value.members().size(), 3u);
  EXPECT_EQ(value.members()[0].key, "z");
  EXPECT_EQ(value.members()[2].key, "m");
  EXPECT_EQ(value.find("a")->elements()[1].asInt64(), 2);
  EXPECT_TRUE(value.find("m")->find("x")->isNull());
  EXPECT_EQ(value.find("none"), nullptr);
  EXPECT_EQ(parsed("{}").members().size(), 0u);
  EXPECT_EQ(parsed("[]").elements().size(), 0u);
}

TEST(Json, WrongKindAnswersNothing) {
  Value text("x");
  EXPECT_EQ(text.asInt64(), std::nullopt);
  EXPECT_EQ(text.asBool(), std::nullopt);
  EXPECT_EQ(text.asDouble(), std::nullopt);
  EXPECT_TRUE(text.elements().empty());
  EXPECT_TRUE(text.members().empty());
  EXPECT_EQ(text.find("x"), nullptr);
  EXPECT_EQ(Value(1).asString(), nullptr);
}

void expectAt(const Value &value, uint32_t line, uint32_t column) {
  EXPECT_EQ(value.position().line, line) << json::dump(value);
  EXPECT_EQ(value.position().column, column) << json::dump(value);
}

TEST(Json, Positions) {
  Value value = parsed("{\n"
                       "  \"a\": [1, -2.5,\n"
                       "    \"x\\\\\", \"a\\\"b\\\\\\\"c\", \"\"],\n"
                       "  \"é€\": true, \"b\": false, \"c\": null,\n"
                       "  \"d\": {\"e\": []}\n"
                       "}");
  expectAt(value, 1, 1);
  const Value &a = *value.find("a");
  expectAt(a, 2, 8);
  expectAt(a.elements()[0], 2, 9);
  expectAt(a.elements()[1], 2, 12);
  expectAt(a.elements()[2], 3, 5);
  expectAt(a.elements()[3], 3, 12);
  expectAt(a.elements()[4], 3, 25);
  EXPECT_EQ(value.findMember("é€")->keyPosition.column, 3u);
  expectAt(*value.find("é€"), 4, 9); // columns count characters
  expectAt(*value.find("b"), 4, 20);
  expectAt(*value.find("c"), 4, 32);
  const Value &d = *value.find("d");
  expectAt(d, 5, 8);
  EXPECT_EQ(d.findMember("e")->keyPosition.line, 5u);
  EXPECT_EQ(d.findMember("e")->keyPosition.column, 9u);
  expectAt(*d.find("e"), 5, 14);
}

TEST(Json, NestedBracketsHaveTheirOwnPositions) {
  Value value = parsed("[[[1]]]");
  expectAt(value, 1, 1);
  expectAt(value.elements()[0], 1, 2);
  expectAt(value.elements()[0].elements()[0], 1, 3);
}

TEST(Json, DepthLimitIsInclusive) {
  EXPECT_TRUE(
      static_cast<bool>(json::parse(std::string(64, '[') + std::string(64, ']'), "t.json")));
  Result<Value> deep = json::parse(std::string(65, '[') + std::string(65, ']'), "t.json");
  ASSERT_FALSE(static_cast<bool>(deep));
  EXPECT_EQ(deep.error().str(), "t.json:1:65: nested deeper than 64 levels; flatten the file");
}

TEST(JsonWriter, Compact) {
  Value value = Value::object();
  value.set("a", 1).set("b", Value::array({Value(), Value(true), Value(2.5)})).set("c", "x\"\n");
  value.set("a", uint64_t{UINT64_MAX});
  EXPECT_EQ(json::dump(value), R"({"a":18446744073709551615,"b":[null,true,2.5],"c":"x\"\n"})");
}

TEST(JsonWriter, Indented) {
  EXPECT_EQ(json::dump(parsed(R"({"a":[1,{}],"b":{"c":[]}})"), 2), "{\n"
                                                                   "  \"a\": [\n"
                                                                   "    1,\n"
                                                                   "    {}\n"
                                                                   "  ],\n"
                                                                   "  \"b\": {\n"
                                                                   "    \"c\": []\n"
                                                                   "  }\n"
                                                                   "}");
}

TEST(JsonWriter, DoublesAreShortestAndStayDoubles) {
  EXPECT_EQ(json::formatDouble(0.1), "0.1");
  EXPECT_EQ(json::formatDouble(3.0), "3.0");
  EXPECT_EQ(json::formatDouble(-0.0), "-0.0");
  EXPECT_EQ(json::formatDouble(5e-5), "5e-05");
  EXPECT_EQ(json::formatDouble(1e300), "1e+300");
  EXPECT_EQ(json::formatDouble(NAN), "null");
  EXPECT_EQ(json::formatDouble(INFINITY), "null");
  for (double value : {1.0 / 3, 1e-320, 1.7976931348623157e308, 123456789.125, -2.5e-7}) {
    Value back = parsed(json::dump(Value(value)));
    EXPECT_EQ(back.kind(), Kind::Double);
    EXPECT_EQ(back.asDouble(), value);
  }
}

TEST(JsonWriter, InvalidUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(json::dump(Value(std::string("a\xff"
                                         "b"))),
            "\"a\xEF\xBF\xBD"
            "b\"");
  EXPECT_EQ(json::dump(Value(std::string("\x01\x1f"))), R"("\u0001\u001f")");
}

TEST(JsonWriter, RoundTrip) {
  const char *text = R"({"name":"x","list":[1,-2,3.5,"é\u0000",null,true,{"deep":[[],{}]}],)"
                     R"("n":18446744073709551615})";
  Value value = parsed(text);
  EXPECT_EQ(json::dump(value), text);
  EXPECT_EQ(parsed(json::dump(value, 4)), value);
}

TEST(Json, Equality) {
  EXPECT_EQ(parsed("[1,{\"a\":2}]"), parsed(" [ 1 , {\"a\" : 2} ]"));
  EXPECT_NE(parsed("1"), parsed("1.0"));
  EXPECT_NE(parsed("{\"a\":1}"), parsed("{\"a\":2}"));
  EXPECT_NE(parsed("{\"a\":1}"), parsed("{\"b\":1}"));
  EXPECT_NE(parsed("[1]"), parsed("[1,1]"));
  EXPECT_NE(parsed("null"), parsed("false"));
}

TEST(Json, CopiesAreDeep) {
  Value value = parsed(R"({"a":[1]})");
  Value copy = value;
  copy.set("a", 2);
  EXPECT_EQ(json::dump(value), R"({"a":[1]})");
  EXPECT_EQ(json::dump(copy), R"({"a":2})");
}

TEST(Json, ParseFile) {
  test::TempDirectory directory;
  std::string path = directory.write("a.json", "{\"x\": 1}\n");
  Result<Value> value = json::parseFile(path);
  ASSERT_TRUE(static_cast<bool>(value));
  EXPECT_EQ(value->find("x")->asInt64(), 1);
}

TEST(Json, ManyMembersWithoutQuadraticWork) {
  std::string text = "{";
  for (int i = 0; i < 200000; ++i)
    text += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
  text += '}';
  EXPECT_EQ(parsed(text).members().size(), 200000u);
}

} // namespace
