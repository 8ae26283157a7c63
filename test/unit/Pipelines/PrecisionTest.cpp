//===- PrecisionTest.cpp - programs that compute in bf16 ------------------===//
// What bf16 costs, and that launches which round what they store come as close to the exact program
// as plain programs in bf16 do.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Reference.h"
#include "ftc/Pipelines/Pipelines.h"
#include "ftc/Support/DType.h"

#include "mlir/Pass/PassManager.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace ftc;
using namespace ftc::ft;
using namespace ftc::test;

namespace {
class Precision : public ::testing::TestWithParam<Case> {
protected:
  void SetUp() override {
    plain.advance("ft-lower-precision");
    stored.advance("launch-plan-arena");
    ASSERT_TRUE(plain.ok() && stored.ok());
    data = plain.makeData(1);
    step = makeStep(itemsOf(data));
  }

  /// One entry point by the reference, and by launches that round their stores.
  void expectWithinPlainPrograms(const char *entry, Reference &reference, State &state) {
    SCOPED_TRACE(entry);
    std::vector<Yardstick> expected = reference.run(entry, data, step);
    std::vector<double> actual =
        stored.run(entry, data, step, state, /*deadSeed=*/7, {/*rounded=*/true, 0});
    ASSERT_TRUE(plain.ok() && stored.ok());
    ASSERT_EQ(expected.size(), actual.size());
    for (auto [yardstick, number] : llvm::zip_equal(expected, actual))
      expectWithin("scalars in bf16", entry, yardstick, number);
    // Shadows are their masters, rounded; the reference's exact state has the masters themselves.
    // The kernel that makes both rounds a number that is no f32: to either neighbour of a tie.
    for (ParameterOp parameter : plain.get().getOps<ParameterOp>())
      if (parameter.getRole() == Role::shadow)
        for (auto [shadow, master] : llvm::zip_equal(state[parameter.getSymName().str()].data,
                                                     state[parameter.getMaster().str()].data))
          ASSERT_LE(std::abs(shadow - master), 0x1.00001p-8 * std::abs(master));
    copyMasters(plain.get(), state);
    expectWithin("state in bf16", reference.state(), state);
  }

  Experiment plain{GetParam()}, stored{GetParam()};
  Data data;
  ftc_run step;
};
} // namespace

TEST_P(Precision, RoundedLaunchesAreAsGoodAsPlainPrograms) {
  State start = plain.makeState(), state = start;
  // Errors that have one cause (a scalar behind a norm) ask for more draws than four.
  constexpr unsigned runs = 12;
  Reference reference(plain, start, runs);
  expectWithinPlainPrograms("gradients", reference, state);
  Reference steps(plain, start, runs);
  state = start;
  for (int64_t count : {1, 4, 5}) {
    step = makeStep(itemsOf(data), count);
    expectWithinPlainPrograms("train_step", steps, state);
  }
}

// Neither nothing nor too much: a dtype that is lost somewhere shows as either.
TEST_P(Precision, GradientsAreOffByWhatBf16Is) {
  State exact = plain.makeState(), rounded = exact;
  plain.run("gradients", data, step, exact);
  plain.run("gradients", data, step, rounded, /*deadSeed=*/7, {/*rounded=*/true, 0});
  for (ParameterOp parameter : plain.get().getOps<ParameterOp>()) {
    if (parameter.getRole() != Role::accumulator)
      continue;
    std::string symbol = parameter.getSymName().str();
    double error = relativeError(rounded[symbol].data, exact[symbol].data);
    EXPECT_GT(error, 1e-4) << symbol;
    EXPECT_LT(error, 0.3) << symbol;
  }
}

// The update rounds the new master, and nothing else, into the shadow.
TEST_P(Precision, ShadowsAreTheirMastersRounded) {
  State state = plain.makeState();
  plain.run("train_step", data, step, state, /*deadSeed=*/7, {/*rounded=*/true, 3});
  unsigned shadows = 0;
  for (ParameterOp parameter : plain.get().getOps<ParameterOp>()) {
    if (parameter.getRole() != Role::shadow)
      continue;
    ++shadows;
    for (auto [shadow, master] : llvm::zip_equal(state[parameter.getSymName().str()].data,
                                                 state[parameter.getMaster().str()].data))
      ASSERT_EQ(shadow, bf16ToF32(f32ToBf16(float(master))));
  }
  bool noProducts = GetParam().name.find("norms_alone") == 0 || GetParam().name.find("biases") == 0;
  EXPECT_EQ(shadows == 0, noProducts);
}

// What a target says instead of the training config.
TEST(PrecisionOptions, ReachTheirPasses) {
  auto launches = [](const PipelineOptions &options) {
    Case one = findCase("lora_tied_bf16");
    Experiment program(one);
    PassManager manager(program.get()->getContext(), ModuleOp::getOperationName());
    EXPECT_TRUE(buildPipeline(manager, program.get(), options));
    EXPECT_TRUE(succeeded(manager.run(program.get())));
    std::string text;
    llvm::raw_string_ostream os(text);
    program.get().print(os);
    return text;
  };
  auto has = [](const std::string &text, StringRef part) { return StringRef(text).contains(part); };
  PipelineOptions options;
  std::string single = launches(options);
  EXPECT_FALSE(has(single, "launch.compute") || has(single, "\"widened\""));
  options.sameTypeProducts = true;
  EXPECT_TRUE(has(launches(options), "\"widened\""));
  // Weights in bf16 need no copies there.
  options.computeDType = "bf16";
  std::string narrow = launches(options);
  EXPECT_TRUE(has(narrow, "launch.compute = bf16") && has(narrow, "role(shadow)"));
  EXPECT_FALSE(has(narrow, "\"widened\""));
}

INSTANTIATE_TEST_SUITE_P(Cases, Precision, ::testing::ValuesIn(bf16Cases()),
                         [](const auto &info) { return std::string(info.param.name); });
