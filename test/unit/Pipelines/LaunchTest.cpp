//===- LaunchTest.cpp - launches mean what kernels of ft mean -------------===//
// Every case behind convert-ft-to-launch and behind launch-plan-arena, interpreted in double
// precision, against the formed kernels: losses, norms and all state after each entry point.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "dialects/Launch/IR/Launch.h"
#include "Experiment.h"

#include <gtest/gtest.h>

using namespace ftc;
using namespace ftc::ft;
using namespace ftc::test;

namespace {
// Constants in the scalar code of kernels are f32 numbers (an epsilon is off by up to 6e-8 of
// itself); sums and values are double.
constexpr double kDouble = 1e-9;

class Launches : public ::testing::TestWithParam<Case> {
protected:
  /// Both programs run an entry point on the same state, which is compared and goes on.
  void expectSame(Experiment &launches, const char *entry, const Data &data, const ftc_run &step,
                  State &state) {
    SCOPED_TRACE(entry);
    State lowered = state;
    std::vector<double> expected = kernels.run(entry, data, step, state);
    std::vector<double> actual = launches.run(entry, data, step, lowered);
    ASSERT_TRUE(kernels.ok() && launches.ok());
    expectClose("results of launches", kDouble, entry, actual, expected);
    expectClose("state behind launches", kDouble, lowered, state);
  }

  void expectSameProgram(Experiment &launches) {
    Data first = kernels.makeData(1), second = kernels.makeData(2);
    ftc_run step = makeStep(itemsOf(first) + itemsOf(second));
    State state = kernels.makeState();
    expectSame(launches, "evaluate", first, step, state);
    expectSame(launches, "gradients", first, step, state);
    expectSame(launches, "accumulate", second, step, state);
    expectSame(launches, "update", {}, step, state);
    expectSame(launches, "train_step", first, step, state);
    step.max_grad_norm = 0;
    expectSame(launches, "train_step", second, step, state);
  }

  Experiment kernels{GetParam()};
};
} // namespace

TEST_P(Launches, MeanWhatKernelsMean) {
  kernels.advance("ft-form-kernels");
  ASSERT_TRUE(kernels.ok());
  Experiment launches(GetParam());
  launches.advance("ft-form-kernels");
  for (const char *pass : {"convert-ft-to-launch", "launch-plan-arena"}) {
    SCOPED_TRACE(pass);
    launches.advance(pass);
    ASSERT_TRUE(launches.ok());
    ASSERT_TRUE(launches.get().lookupSymbol<launch::EntryOp>("train_step"));
    expectSameProgram(launches);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Launches, ::testing::ValuesIn(allCases()),
                         [](const auto &info) { return std::string(info.param.name); });
INSTANTIATE_TEST_SUITE_P(Bf16, Launches, ::testing::ValuesIn(bf16Cases()),
                         [](const auto &info) { return std::string(info.param.name); });
