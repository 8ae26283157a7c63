//===- Reference.cpp - what a run must be, and how closely ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Reference.h"

#include <gtest/gtest.h>

using namespace ftc;
using namespace ftc::ft;
using namespace ftc::test;

Reference::Reference(Experiment &program, State start, unsigned roundedRuns)
    : program(program), exactState(start), roundedStates(roundedRuns, start) {}

std::vector<Yardstick> Reference::run(llvm::StringRef entry, const Data &data,
                                      const ftc_run &step) {
  std::vector<double> exact = program.run(entry, data, step, exactState);
  std::vector<std::vector<double>> rounded;
  for (size_t order = 0; order < roundedStates.size(); ++order)
    rounded.push_back(program.run(entry, data, step, roundedStates[order], /*deadSeed=*/7,
                                  {/*rounded=*/true, order}));
  std::vector<Yardstick> yardsticks;
  for (size_t i = 0; i < exact.size() && program.ok(); ++i) {
    std::vector<std::vector<double>> values;
    for (const std::vector<double> &run : rounded)
      values.push_back({run.at(i)});
    yardsticks.emplace_back(std::vector<double>{exact[i]}, values, program.longestReduction());
  }
  return yardsticks;
}

std::map<std::string, Yardstick> Reference::state() const {
  std::map<std::string, Yardstick> yardsticks;
  for (const auto &[symbol, value] : exactState) {
    std::vector<std::vector<double>> values;
    for (const State &state : roundedStates)
      values.push_back(state.at(symbol).data);
    yardsticks.emplace(symbol, Yardstick(value.data, values, program.longestReduction()));
  }
  return yardsticks;
}

namespace {
/// The largest share of an allowance of each kind, printed behind the last test.
class Shares : public ::testing::Environment {
public:
  void keep(const std::string &kind, double share, const std::string &what) {
    auto [place, isNew] = largest.try_emplace(kind, share, what);
    if (!isNew && share > place->second.first)
      place->second = {share, what};
  }
  void TearDown() override {
    for (const auto &[kind, found] : largest)
      std::printf("largest share of the allowance, %s: %.2f (%s)\n", kind.c_str(), found.first,
                  found.second.c_str());
  }

private:
  std::map<std::string, std::pair<double, std::string>> largest;
};
} // namespace

static Shares *const shares = new Shares; // GoogleTest frees it
[[maybe_unused]] static ::testing::Environment *const added =
    ::testing::AddGlobalTestEnvironment(shares);

void ftc::test::expectWithin(const char *kind, const std::string &what, const Yardstick &yardstick,
                             llvm::ArrayRef<double> actual) {
  const ::testing::TestInfo *test = ::testing::UnitTest::GetInstance()->current_test_info();
  shares->keep(kind, yardstick.used(actual), std::string(test->name()) + ": " + what);
  EXPECT_EQ(yardstick.judge(actual), "") << kind << " of " << what;
}

void ftc::test::expectWithin(const char *kind, const std::map<std::string, Yardstick> &yardsticks,
                             const State &actual) {
  EXPECT_EQ(actual.size(), yardsticks.size());
  for (const auto &[symbol, yardstick] : yardsticks) {
    auto found = actual.find(symbol);
    ASSERT_TRUE(found != actual.end()) << symbol;
    expectWithin(kind, symbol, yardstick, found->second.data);
  }
}
