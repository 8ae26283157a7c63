//===- PatternTest.cpp - Python's regular expressions ----------------------===//
// Matches and refusals, each as Python's re has them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Frontend/Pattern.h"

#include "gtest/gtest.h"

#include <chrono>

using namespace ftc;

namespace {

struct Case {
  const char *pattern, *name;
  bool full, found;
};

// The two booleans are re.fullmatch and re.search of Python 3.11.
const Case kCases[] = {
    {"q_proj", "q_proj", true, true},
    {"q_proj", "model.layers.0.self_attn.q_proj", false, true},
    {".*q_proj", "model.layers.0.self_attn.q_proj", true, true},
    {".*\\.(q|v)_proj", "model.layers.11.self_attn.v_proj", true, true},
    {".*\\.(q|v)_proj", "model.layers.11.self_attn.k_proj", false, false},
    {"model\\.layers\\.1\\.(self_attn\\.(k|o)_proj|mlp\\.down_proj)",
     "model.layers.1.mlp.down_proj", true, true},
    {"model\\.layers\\.1\\.(self_attn\\.(k|o)_proj|mlp\\.down_proj)", "model.layers.1.mlp.up_proj",
     false, false},
    {"model.layers.1.*", "model.layers.10.mlp", true, true},
    {"layers\\.[0-9]\\.", "model.layers.7.mlp", false, true},
    {"layers\\.[0-9]\\.", "model.layers.17.mlp", false, false},
    {"^(?!.*lm_head).*_proj$", "model.layers.0.mlp.up_proj", true, true},
    {"^(?!.*mlp).*_proj$", "model.layers.0.mlp.up_proj", false, false},
    {"(?=.*attn).*", "model.layers.0.self_attn", true, true},
    {"(?:a|ab)(?:c|bcd)(?:d*)", "abcd", true, true},
    {"a|ab", "ab", true, true},
    {"(a|b)*c{2,3}?", "ababccc", true, true},
    {"a{,2}", "aaa", false, true},
    {"a{2}", "aa", true, true},
    {"a{2}", "a", false, false},
    {"a{1,2}b", "aab", true, true},
    {"a{x}", "a{x}", true, true},
    {"a{}", "a{}", true, true},
    {"(a*)*", "aaaa", true, true},
    {"(a|a)*b", "aaaac", false, false},
    {"[]a]+", "a]a", true, true},
    {"[^]a]+", "b", true, true},
    {"[a-c_-]+", "ab-_c", true, true},
    {"[\\d.]+", "1.2.3", true, true},
    {"[[:alpha:]]", "a]", true, true},
    {"\\w+", "q_proj", true, true},
    {"\\W", ".", true, true},
    {"\\S+\\s\\S+", "a b", true, true},
    {"\\D+\\d\\D+", "layers.3.mlp", true, true},
    {"\\bmlp\\b", "model.mlp.up", false, true},
    {"\\bml\\b", "model.mlp.up", false, false},
    {"m\\B.*", "mlp", true, true},
    {"\\Amlp\\Z", "mlp", true, true},
    {"mlp$", "mlp\n", false, true},
    {"mlp\\Z", "mlp\n", false, false},
    {".", "\n", false, false},
    {"(?P<layer>\\d+)\\.x", "12.x", true, true},
    {"a(?#nothing)b", "ab", true, true},
    {"\\x61\\.\\t", "a.\t", true, true},
    {"", "", true, true},
    {"", "a", false, true},
    {"a||b", "", true, true},
    {"x*?y??", "xx", true, true},
    {"((((((((((a))))))))))", "a", true, true},
};

struct Refusal {
  const char *pattern, *message;
};

const Refusal kRefusals[] = {
    {"(q_proj", "has a '(' that no ')' closes (at character 1)"},
    {"q)", "has a ')' that no '(' opens (at character 2)"},
    {"[abc", "has a '[' that no ']' closes (at character 1)"},
    {"*_proj", "has nothing to repeat (at character 1)"},
    {"a|+", "has nothing to repeat (at character 3)"},
    {"^*", "has nothing to repeat (at character 2)"},
    {"a**",
     "has a quantifier behind a quantifier; put the inner one in parentheses (at character 3)"},
    {"a{3,2}", "repeats at least 3 and at most 2 times (at character 2)"},
    {"[z-a]", "has a bad range of characters (at character 2)"},
    {"[\\d-z]", "has a bad range of characters (at character 2)"},
    {"\\q", "has the unknown escape \\q (at character 1)"},
    {"a\\", "ends in a backslash (at character 2)"},
    {"\\x6", "has an incomplete escape; write two hexadecimal digits (at character 1)"},
    {"(a)\\1", "has a back reference, which is not supported (at character 4)"},
    {"(?P<a>b)(?P=a)", "has a back reference, which is not supported (at character 9)"},
    {"(?P<a>b)(?P<a>c)", "names two groups alike (at character 13)"},
    {"(?P<1>b)", "has a group name that is no identifier (at character 5)"},
    {"(?<=a)b", "has a lookbehind, which is not supported (at character 1)"},
    {"(?>a)", "has an atomic or conditional group, which is not supported (at character 1)"},
    {"a++", "has a possessive quantifier, which is not supported (at character 2)"},
    {"(?i)a", "has inline flags, which are not supported"},
    {"\xc3\xa9", "has a character that is not ASCII, as names never have (at character 1)"},
    {"((a{90}){90}){90}", "is too large"},
};

TEST(Pattern, MatchesAsPython) {
  for (const Case &c : kCases) {
    Result<Pattern> pattern = Pattern::compile(c.pattern, "a.json:1:2");
    ASSERT_TRUE(static_cast<bool>(pattern)) << pattern.error().str();
    EXPECT_EQ(pattern->fullMatch(c.name), c.full) << c.pattern << " on " << c.name;
    EXPECT_EQ(pattern->search(c.name), c.found) << c.pattern << " in " << c.name;
  }
}

TEST(Pattern, RefusesWithAMessage) {
  for (const Refusal &r : kRefusals) {
    Result<Pattern> pattern = Pattern::compile(r.pattern, "a.json:1:2");
    ASSERT_FALSE(static_cast<bool>(pattern)) << r.pattern;
    std::string text = pattern.error().str();
    EXPECT_EQ(text.rfind("a.json:1:2: the regular expression '", 0), 0u) << text;
    EXPECT_NE(text.find(r.message), text.npos) << text;
  }
}

TEST(Pattern, NestingIsLimited) {
  std::string deep = std::string(1000, '(') + "a" + std::string(1000, ')');
  Result<Pattern> pattern = Pattern::compile(deep, "a.json");
  ASSERT_FALSE(static_cast<bool>(pattern));
  EXPECT_NE(pattern.error().str().find("nests deeper than 64 groups"), std::string::npos);
  EXPECT_FALSE(static_cast<bool>(Pattern::compile(std::string(5000, 'a'), "a.json")));
}

// What sends a backtracking matcher into exponential time is answered at once.
TEST(Pattern, TimeIsLinear) {
  auto start = std::chrono::steady_clock::now();
  std::string name(1000, 'a');
  for (const char *text : {"(a*)*b", "(a|a)*b", "(a|aa)+$b", "(.*)(.*)(.*)(.*)(.*)x",
                           "(?!(?!(?!.*a.*a.*a.*c)))(a*)*b"}) {
    Result<Pattern> pattern = Pattern::compile(text, "a.json");
    ASSERT_TRUE(static_cast<bool>(pattern)) << pattern.error().str();
    EXPECT_FALSE(pattern->fullMatch(name)) << text;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

} // namespace
