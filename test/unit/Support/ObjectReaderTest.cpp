//===- ObjectReaderTest.cpp - tests of typed access to objects -------------===//
// Required, defaulted and optional getters; messages; unknown keys.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/ObjectReader.h"

#include "gtest/gtest.h"

using namespace ftc;
using json::ObjectReader;
using json::Value;

namespace {

Value parsed(std::string_view text) {
  Result<Value> value = json::parse(text, "c.json");
  EXPECT_TRUE(static_cast<bool>(value));
  return *value;
}

TEST(ObjectReader, ReadsEachType) {
  Value value = parsed(R"({"i": 3, "d": 2.5, "b": true, "s": "x", "l": ["a", "b"], "one": "a",
                           "n": [1, 2], "o": {"k": 1}, "null": null})");
  ObjectReader reader(value, "c.json");
  EXPECT_TRUE(static_cast<bool>(reader.status()));
  EXPECT_EQ(*reader.getInt("i"), 3);
  EXPECT_EQ(*reader.getDouble("d"), 2.5);
  EXPECT_EQ(*reader.getDouble("i"), 3.0);
  EXPECT_EQ(*reader.getBool("b"), true);
  EXPECT_EQ(*reader.getString("s"), "x");
  EXPECT_EQ(*reader.getStringList("l"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(*reader.getStringList("one"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(*reader.getIntList("n"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ((*reader.getObject("o"))->find("k")->asInt64(), 1);
  EXPECT_EQ((*reader.getArray("n"))->elements().size(), 2u);
}

TEST(ObjectReader, AbsentAndNull) {
  Value value = parsed(R"({"null": null})");
  ObjectReader reader(value, "c.json", "top");
  EXPECT_EQ(*reader.getIntOr("none", 7), 7);
  EXPECT_EQ(*reader.getDoubleOr("none", 0.5), 0.5);
  EXPECT_EQ(*reader.getBoolOr("none", true), true);
  EXPECT_EQ(*reader.getStringOr("none", "d"), "d");
  EXPECT_EQ(*reader.getOptionalInt("none"), std::nullopt);
  EXPECT_EQ(*reader.getOptionalInt("null"), std::nullopt);
  EXPECT_EQ(*reader.getOptionalString("null"), std::nullopt);
  EXPECT_TRUE(reader.getStringList("null")->empty());
  EXPECT_EQ(*reader.getOptionalObject("null"), nullptr);
  EXPECT_EQ(reader.getInt("none").error().str(),
            "c.json:1:1: 'top.none' is missing; it must be an integer");
  EXPECT_EQ(reader.getInt("null", 1).error().str(),
            "c.json:1:10: 'top.null' must be an integer of at least 1, got null");
  EXPECT_EQ(reader.getIntOr("null", 3).error().str(),
            "c.json:1:10: 'top.null' must be an integer, got null");
  EXPECT_EQ(reader.getObject("none").error().str(),
            "c.json:1:1: 'top.none' is missing; it must be an object");
}

TEST(ObjectReader, RangesAndTypes) {
  Value value = parsed("{\n\"i\": 3, \"d\": 2.5, \"s\": \"text\", \"l\": [1, \"x\"], \"u\": "
                       "18446744073709551615}");
  ObjectReader reader(value, "c.json");
  EXPECT_EQ(*reader.getInt("i", 3, 3), 3);
  EXPECT_EQ(reader.getInt("i", 4, 9).error().str(),
            "c.json:2:6: 'i' must be an integer from 4 to 9, got 3");
  EXPECT_EQ(reader.getInt("d").error().str(), "c.json:2:14: 'd' must be an integer, got 2.5");
  EXPECT_EQ(reader.getInt("u").error().str(),
            "c.json:2:52: 'u' must be an integer, got 18446744073709551615");
  EXPECT_EQ(reader.getDouble("d", 0, 1).error().str(),
            "c.json:2:14: 'd' must be a number from 0.0 to 1.0, got 2.5");
  EXPECT_EQ(reader.getInt("s").error().str(),
            "c.json:2:24: 's' must be an integer, got the string 'text'");
  EXPECT_EQ(reader.getBool("i").error().str(), "c.json:2:6: 'i' must be true or false, got 3");
  EXPECT_EQ(reader.getString("l").error().str(), "c.json:2:37: 'l' must be a string, got an array");
  EXPECT_EQ(reader.getStringList("l").error().str(),
            "c.json:2:38: 'l' must be a string or an array of strings; an element is 1");
  EXPECT_EQ(reader.getIntList("l").error().str(),
            "c.json:2:41: 'l': an element must be an integer, got the string 'x'");
  EXPECT_EQ(reader.getArray("s").error().str(),
            "c.json:2:24: 's' must be an array, got the string 'text'");
}

TEST(ObjectReader, NotAnObject) {
  Value value = parsed("\n [1]");
  ObjectReader reader(value, "c.json");
  const char *message = "c.json:2:2: the file's value must be an object, got an array";
  EXPECT_EQ(reader.status().error().str(), message);
  EXPECT_EQ(reader.getInt("a").error().str(), message);
  EXPECT_EQ(reader.getIntOr("a", 1).error().str(), message);
  EXPECT_EQ(reader.getOptionalBool("a").error().str(), message);
  EXPECT_EQ(reader.getStringList("a").error().str(), message);
  EXPECT_EQ(reader.get("a"), nullptr);
  EXPECT_EQ(ObjectReader(value, "c.json", "rope").status().error().str(),
            "c.json:2:2: 'rope' must be an object, got an array");
}

TEST(ObjectReader, KnowsWhatWasRead) {
  Value value = parsed(R"({"b": 1, "typo": 2, "a": 3, "skip": 4, "raw": null})");
  ObjectReader reader(value, "c.json");
  EXPECT_TRUE(static_cast<bool>(reader.getInt("a")));
  EXPECT_TRUE(static_cast<bool>(reader.getIntOr("absent", 0)));
  reader.ignore("skip");
  EXPECT_TRUE(reader.has("raw"));
  EXPECT_TRUE(reader.get("raw")->isNull());
  ASSERT_EQ(reader.unknownKeys().size(), 2u);
  EXPECT_EQ(reader.unknownKeys()[0]->key, "b");
  EXPECT_EQ(reader.unknownKeys()[1]->key, "typo");
  EXPECT_EQ(reader.knownKeys(), (std::vector<std::string_view>{"a", "absent", "raw", "skip"}));
}

TEST(ObjectReader, Places) {
  Value value = parsed("{\"a\": 1}");
  ObjectReader reader(value, "c.json", "x.y");
  EXPECT_EQ(reader.pathOf("a"), "x.y.a");
  EXPECT_EQ(reader.whereOf("a"), "c.json:1:7");
  EXPECT_EQ(reader.whereOf("none"), "c.json:1:1");
  EXPECT_EQ(reader.errorAt("a", "is odd; make it even").str(),
            "c.json:1:7: 'x.y.a' is odd; make it even");
}

} // namespace
