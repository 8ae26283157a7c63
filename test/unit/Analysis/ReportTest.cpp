//===- ReportTest.cpp - what passes say, summed up and read back ----------===//
// Layer numbers, counts, order, bounds; and attributes that a hand wrote.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/Report.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace ftc;

namespace {

std::vector<Candidate> either(bool first, int64_t bytes = 8) {
  return {{"one", "fits", first, {{"bytes", bytes}}}, {"other", "is larger", !first, {}}};
}

TEST(Report, SitePattern) {
  EXPECT_EQ(sitePattern("model.layers.12.mlp.up_proj"), "model.layers.*.mlp.up_proj");
  EXPECT_EQ(sitePattern("model.layers.12"), "model.layers.*");
  EXPECT_EQ(sitePattern("a.0.1.b2.3c"), "a.*.*.b2.3c");
  EXPECT_EQ(sitePattern("12.a"), "12.a"); // no layer of anything
  EXPECT_EQ(sitePattern("lm_head"), "lm_head");
  EXPECT_EQ(sitePattern(""), "");
  EXPECT_EQ(sitePattern("a..1."), "a..*.");
  EXPECT_EQ(sitePattern("behind fc1.3.x (layers.1)"), "behind fc1.*.x (layers.*)");
  EXPECT_EQ(sitePattern("1.05 ms for 2.5.7"), "1.05 ms for 2.5.7");
}

TEST(Report, StatisticsAddUpInOrderOfMention) {
  Observer observer("p");
  observer.count("z", 0);
  observer.count("a", 3);
  observer.count("z", 4);
  observer.count("a");
  std::vector<std::pair<std::string, int64_t>> expected = {{"z", 4}, {"a", 4}};
  EXPECT_EQ(observer.get().statistics, expected);
}

TEST(Report, LayersAreOneDecision) {
  Observer observer("p");
  observer.decide("which", "lm_head", either(true));
  for (int layer = 0; layer < 80; ++layer)
    observer.decide("which", "model.layers." + std::to_string(layer) + ".mlp", either(true));
  observer.decide("which", "model.layers.80.mlp", either(false));   // another verdict
  observer.decide("which", "model.layers.81.mlp", either(true, 9)); // another score
  observer.decide("whither", "model.layers.82.mlp", either(true));  // another question
  observer.decide("which", "lm_head", either(true));
  PassReport report = observer.get();
  ASSERT_EQ(report.decisions.size(), 5u);
  EXPECT_EQ(report.decisions[0].site, "lm_head");
  EXPECT_EQ(report.decisions[0].count, 2);
  EXPECT_EQ(report.decisions[1].site, "model.layers.*.mlp");
  EXPECT_EQ(report.decisions[1].count, 80);
  EXPECT_TRUE(report.decisions[1].candidates[0].chosen);
  for (int i : {2, 3, 4})
    EXPECT_EQ(report.decisions[i].count, 1) << i;
  EXPECT_TRUE(report.remarks.empty());
}

// Numbers of layers in names and reasons must not keep equal decisions apart, and parts that run
// into each other must not join different ones.
TEST(Report, NamesAndReasons) {
  Observer observer("p");
  for (std::string layer : {"3", "4"})
    observer.decide("q", "s",
                    {{"map of model.layers." + layer + ".mlp",
                      "behind model.layers." + layer + ".norm",
                      true,
                      {}}});
  observer.decide("q", "s", {{"ab", "c", true, {}}});
  observer.decide("q", "s", {{"a", "bc", true, {}}});
  PassReport report = observer.get();
  ASSERT_EQ(report.decisions.size(), 3u);
  EXPECT_EQ(report.decisions[0].count, 2);
  EXPECT_EQ(report.decisions[0].candidates[0].name, "map of model.layers.*.mlp");
  EXPECT_EQ(report.decisions[0].candidates[0].why, "behind model.layers.*.norm");
}

TEST(Report, Bounds) {
  Observer observer("p");
  for (size_t i = 0; i < kMaxDecisions + 3; ++i)
    observer.decide("q" + std::to_string(i), "s", either(true));
  observer.decide("q0", "s", either(true)); // counted still
  std::vector<Candidate> many(kMaxCandidates + 1, Candidate{std::string(1000, 'x'), "", false, {}});
  Observer wide("p");
  wide.decide(std::string(1000, 'q'), std::string(1000, 's'), many);
  PassReport report = observer.get();
  EXPECT_EQ(report.decisions.size(), kMaxDecisions);
  EXPECT_EQ(report.decisions[0].count, 2);
  ASSERT_EQ(report.remarks.size(), 1u);
  EXPECT_EQ(report.remarks[0], "3 more decisions are not listed");
  EXPECT_EQ(wide.get().decisions[0].candidates.size(), kMaxCandidates);
  EXPECT_EQ(wide.get().decisions[0].question.size(), kMaxText);
  EXPECT_EQ(wide.get().decisions[0].site.size(), kMaxText);
  EXPECT_EQ(wide.get().decisions[0].candidates[0].name.size(), kMaxText);
}

class OnModule : public ::testing::Test {
protected:
  OwningOpRef<ModuleOp> parse(const std::string &report) {
    return parseSourceString<ModuleOp>("module attributes {ft.report = " + report + "} {}",
                                       &context);
  }
  MLIRContext context;
  OnModule() { context.allowUnregisteredDialects(); }
};

TEST_F(OnModule, ReadsBack) {
  OwningOpRef<ModuleOp> module = parse("[]");
  Observer first("a"), second("b");
  first.count("n", -5);
  first.remark("say \"so\"");
  first.decide("q", "model.layers.0.x", either(true));
  first.decide("q", "model.layers.1.x", either(true));
  first.commit(*module);
  second.commit(*module);
  std::vector<PassReport> reports = getReports(*module);
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[0].pass, "a");
  EXPECT_EQ(reports[0].statistics[0].second, -5);
  EXPECT_EQ(reports[0].remarks[0], "say \"so\"");
  ASSERT_EQ(reports[0].decisions.size(), 1u);
  const Decision &decision = reports[0].decisions[0];
  EXPECT_EQ(decision.question, "q");
  EXPECT_EQ(decision.site, "model.layers.*.x");
  EXPECT_EQ(decision.count, 2);
  ASSERT_EQ(decision.candidates.size(), 2u);
  EXPECT_EQ(decision.candidates[0].name, "one");
  EXPECT_EQ(decision.candidates[0].why, "fits");
  EXPECT_TRUE(decision.candidates[0].chosen);
  EXPECT_EQ(decision.candidates[0].scores[0].first, "bytes");
  EXPECT_EQ(decision.candidates[0].scores[0].second, 8);
  EXPECT_FALSE(decision.candidates[1].chosen);
  EXPECT_EQ(reports[1].pass, "b");
  EXPECT_TRUE(reports[1].decisions.empty());
}

// What is not of our form is left out, and the rest is read.
TEST_F(OnModule, IllFormed) {
  const std::string good =
      R"({candidates = [["c", true, "w", []]], count = 7, question = "q", site = "s"})";
  const char *bad[] = {
      "1",
      "[]",
      "\"decision\"",
      "{}",
      R"({candidates = 1, count = 1, question = "q", site = "s"})",
      R"({candidates = [], count = 1, question = "q", site = "s"})",
      R"({candidates = [1, [], ["c", true, "w"]], count = 1, question = "q", site = "s"})",
      R"({candidates = [["", true, "w", []]], count = 1, question = "q", site = "s"})",
      R"({candidates = [["c", 1, "w", []]], count = 1, question = "q", site = "s"})",
      R"({candidates = [["c", true, 2.0, []]], count = 1, question = "q", site = "s"})",
      R"({candidates = [["c", true, "w", 3]], count = 1, question = "q", site = "s"})",
      R"({candidates = [["c", true, "w", []]], count = 0, question = "q", site = "s"})",
      R"({candidates = [["c", true, "w", []]], count = 1.0, question = "q", site = "s"})",
      R"({candidates = [["c", true, "w", []]], count = 123456789012345678901234567890 : i128, question = "q", site = "s"})",
      R"({candidates = [["c", true, "w", []]], question = "q", site = "s"})",
      R"({candidates = [["c", true, "w", []]], count = 1, question = "", site = "s"})",
      R"({candidates = [["c", true, "w", []]], count = 1, question = 1, site = "s"})",
      R"({candidates = [["c", true, "w", []]], count = 1, question = "q"})",
  };
  for (const char *entry : bad) {
    OwningOpRef<ModuleOp> module =
        parse("[{pass = \"p\", decisions = [" + std::string(entry) + ", " + good + "]}]");
    ASSERT_TRUE(module) << entry;
    std::vector<PassReport> reports = getReports(*module);
    ASSERT_EQ(reports.size(), 1u) << entry;
    ASSERT_EQ(reports[0].decisions.size(), 1u) << entry;
    EXPECT_EQ(reports[0].decisions[0].count, 7) << entry;
  }
  for (const char *report : {"1", "[1]", "[{pass = 1}]", "[{}]", "{}"})
    EXPECT_TRUE(getReports(*parse(report)).empty()) << report;
  for (const char *parts :
       {"decisions = 1", "statistics = 1", "remarks = [1]", "statistics = [[\"a\"], [1, 2], 3]",
        "statistics = [[\"a\", 123456789012345678901234567890 : i128]]"}) {
    std::vector<PassReport> reports =
        getReports(*parse("[{pass = \"p\", " + std::string(parts) + "}]"));
    ASSERT_EQ(reports.size(), 1u) << parts;
    EXPECT_TRUE(reports[0].decisions.empty() && reports[0].statistics.empty() &&
                reports[0].remarks.empty())
        << parts;
  }
}

// A hand may write more than a pass would; what is read is within the bounds.
TEST_F(OnModule, TooMuch) {
  std::string decisions, scores, candidates, text(1000, 't');
  for (int i = 0; i < 10; ++i)
    scores += std::string(i ? ", " : "") + "[\"" + text + "\", " + std::to_string(i) + "]";
  for (int i = 0; i < 100; ++i)
    candidates +=
        std::string(i ? ", " : "") + "[\"" + text + "\", true, \"" + text + "\", [" + scores + "]]";
  for (int i = 0; i < 200; ++i)
    decisions += std::string(i ? ", " : "") + "{candidates = [" +
                 (i ? "[\"c\", false, \"\", []]" : candidates) + "], count = 1, question = \"" +
                 text + "\", site = \"" + text + "\"}";
  std::vector<PassReport> reports =
      getReports(*parse("[{pass = \"p\", decisions = [" + decisions + "]}]"));
  ASSERT_EQ(reports[0].decisions.size(), kMaxDecisions);
  const Decision &decision = reports[0].decisions[0];
  EXPECT_EQ(decision.question.size(), kMaxText);
  EXPECT_EQ(decision.site.size(), kMaxText);
  ASSERT_EQ(decision.candidates.size(), kMaxCandidates);
  EXPECT_EQ(decision.candidates[0].name.size(), kMaxText);
  EXPECT_EQ(decision.candidates[0].why.size(), kMaxText);
  ASSERT_EQ(decision.candidates[0].scores.size(), kMaxScores);
  EXPECT_EQ(decision.candidates[0].scores[0].first.size(), kMaxText);
}

// Numbers as they are written, sentences and names within their bounds, text as UTF-8.
TEST_F(OnModule, OddParts) {
  std::string accents;
  for (int i = 0; i < 150; ++i)
    accents += "\xC3\xA9"; // 300 bytes of two-byte letters
  std::vector<PassReport> reports = getReports(
      *parse("[{pass = \"p\", statistics = [[\"a\", 200 : ui8], [\"\", 1], [\"b\", -3 : i8], "
             "[\"c\", 18446744073709551615 : ui64]], remarks = [\"" +
             std::string(5000, 'r') + "\", \"\\FFx\", \"" + accents +
             "\"], decisions = [{candidates = [[\"c\", true, \"" + accents +
             "\", []]], count = 1, question = \"q\", site = \"s\"}]}, {pass = \"\"}]"));
  ASSERT_EQ(reports.size(), 1u);
  std::vector<std::pair<std::string, int64_t>> expected = {{"a", 200}, {"b", -3}};
  EXPECT_EQ(reports[0].statistics, expected);
  ASSERT_EQ(reports[0].remarks.size(), 3u);
  EXPECT_EQ(reports[0].remarks[0].size(), kMaxRemark);
  EXPECT_EQ(reports[0].remarks[1], "\xEF\xBF\xBDx");
  EXPECT_EQ(reports[0].remarks[2], accents);
  const std::string &why = reports[0].decisions[0].candidates[0].why;
  EXPECT_EQ(why, accents.substr(0, 196) + "...");
}

// What was chosen is listed, wherever it stood.
TEST_F(OnModule, ChosenBehindTheLast) {
  std::vector<Candidate> many(20, Candidate{"no", "", false, {}});
  many[15] = {"yes", "", true, {}};
  Observer observer("p");
  observer.decide("q", "s", many);
  std::vector<Candidate> kept = observer.get().decisions[0].candidates;
  ASSERT_EQ(kept.size(), kMaxCandidates);
  EXPECT_TRUE(kept.back().chosen);
  EXPECT_EQ(kept.back().name, "yes");
  std::string candidates;
  for (int i = 0; i < 20; ++i)
    candidates +=
        std::string(i ? ", " : "") + "[\"c\", " + (i == 19 ? "true" : "false") + ", \"\", []]";
  std::vector<PassReport> reports =
      getReports(*parse("[{pass = \"p\", decisions = [{candidates = [" + candidates +
                        "], count = 1, question = \"q\", site = \"s\"}]}]"));
  EXPECT_TRUE(reports[0].decisions[0].candidates.back().chosen);
}

} // namespace
