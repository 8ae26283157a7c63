//===- GoldenTest.cpp - passes and gradients against transformers + peft --===//
// The cases of test/golden, compiled step by step; after every step of the ft levels the
// interpreter must find their loss and gradients, and at the end their ten losses of AdamW.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "GoldenCase.h"

TEST_P(Golden, HoldsAfterEveryStep) {
  // What the frontend leaves is the model without its adapters.
  if (module->getOps<AdapterOp>().empty())
    expectLossAndGradients();
  unsigned steps = 0;
  for (const std::string &step : pipelineSteps()) {
    if (!StringRef(step).starts_with("ft-"))
      break;
    SCOPED_TRACE(step);
    PassManager manager(&context, ModuleOp::getOperationName());
    ASSERT_TRUE(buildPipeline(manager, *module, step));
    ASSERT_TRUE(succeeded(manager.run(*module))) << diagnostics;
    expectLossAndGradients();
    ++steps;
  }
  EXPECT_GE(steps, 5u);
  expectTenSteps();
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, ::testing::ValuesIn(kGoldenCases),
                         [](const auto &info) { return std::string(info.param); });
