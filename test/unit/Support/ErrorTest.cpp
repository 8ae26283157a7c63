//===- ErrorTest.cpp - tests of errors as values ---------------------------===//
// Formatting, quoting, nearest names, and the two carriers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Error.h"

#include "gtest/gtest.h"

#include <memory>

using namespace ftc;

namespace {

TEST(Error, FormatsOneLineAndNotes) {
  Error error = makeError("a.json:3:4", "wrong").note("b.json:1:1: first given here").note("two");
  EXPECT_EQ(error.str(), "a.json:3:4: wrong");
  EXPECT_EQ(formatError(error),
            "error: a.json:3:4: wrong\nnote: b.json:1:1: first given here\nnote: two\n");
  EXPECT_EQ(makeError("", "bare").str(), "bare");
  EXPECT_EQ(formatWarning("careful"), "warning: careful\n");
}

TEST(Error, PlaceLeavesOutZeros) {
  EXPECT_EQ(place("f", 3, 4), "f:3:4");
  EXPECT_EQ(place("f", 3), "f:3");
  EXPECT_EQ(place("f", 0, 4), "f");
}

TEST(Error, QuotedStaysOnOneLine) {
  EXPECT_EQ(quoted("plain"), "'plain'");
  EXPECT_EQ(quoted("a\nb\tc"), "'a\\nb\\tc'");
  EXPECT_EQ(quoted("it's \\"), "'it\\'s \\\\'");
  EXPECT_EQ(quoted(std::string_view("\0\x1b\x7f", 3)), "'\\x00\\x1b\\x7f'");
  EXPECT_EQ(quoted("\xc3\xa9"), "'\xc3\xa9'");
  EXPECT_EQ(quoted("\xc3"), "'\\xc3'");
  EXPECT_EQ(quoted("\xed\xa0\x80"), "'\\xed\\xa0\\x80'");
  EXPECT_EQ(quoted("abcdef", 3), "'abc...'");
  EXPECT_EQ(quoted("abc", 3), "'abc'");
}

TEST(Nearest, FindsTyposOnly) {
  std::vector<std::string> keys = {"learning_rate", "max_steps", "max_length", "seed", "bf16"};
  EXPECT_EQ(nearest("learing_rate", keys), "learning_rate");
  EXPECT_EQ(nearest("max_setps", keys), "max_steps");
  EXPECT_EQ(nearest("Seed", keys), "seed");
  EXPECT_EQ(nearest("bf61", keys), "bf16");
  EXPECT_EQ(nearest("dropout", keys), "");
  EXPECT_EQ(nearest("", keys), "");
  EXPECT_EQ(nearest("x", std::vector<std::string>{}), "");
  EXPECT_EQ(nearest("max_len", keys), "");
  EXPECT_EQ(nearest("max_lengths", keys), "max_length");
}

TEST(Nearest, FirstOfEqualsWins) {
  EXPECT_EQ(nearest("cat", std::vector<std::string>{"bat", "hat"}), "bat");
  EXPECT_EQ(nearest("hat", std::vector<std::string>{"bat", "hat"}), "hat");
}

TEST(Nearest, Hint) {
  EXPECT_EQ(didYouMean("sead", std::vector<std::string>{"seed"}), "; did you mean 'seed'?");
  EXPECT_EQ(didYouMean("other", std::vector<std::string>{"seed"}), "");
}

TEST(Result, HoldsValueOrError) {
  Result<int> good = 3;
  ASSERT_TRUE(static_cast<bool>(good));
  EXPECT_EQ(*good, 3);
  Result<int> bad = makeError("f", "no");
  ASSERT_FALSE(static_cast<bool>(bad));
  EXPECT_EQ(bad.error().message, "no");
  EXPECT_EQ(bad.takeError().where, "f");
}

TEST(Result, MovesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  ASSERT_TRUE(static_cast<bool>(result));
  std::unique_ptr<int> taken = std::move(*result);
  EXPECT_EQ(*taken, 5);
}

TEST(Status, OkOrError) {
  EXPECT_TRUE(static_cast<bool>(Status::ok()));
  Status failed = makeError("f", "no");
  ASSERT_FALSE(static_cast<bool>(failed));
  EXPECT_EQ(failed.error().str(), "f: no");
}

} // namespace
