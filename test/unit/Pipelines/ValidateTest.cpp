//===- ValidateTest.cpp - a wrong pass is named ---------------------------===//
// PassValidator against passes that are wrong on purpose, and one that is right.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Experiment.h"
#include "ftc/Pipelines/Pipelines.h"
#include "ftc/Pipelines/ValidatePasses.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <functional>

using namespace mlir;
using namespace ftc;
using namespace ftc::test;

namespace {
/// A pass that does what the test says.
struct TestPass : PassWrapper<TestPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestPass)
  explicit TestPass(std::function<void(ModuleOp)> change) : change(std::move(change)) {}
  StringRef getArgument() const override { return "test-pass"; }
  void runOnOperation() override { change(getOperation()); }
  std::function<void(ModuleOp)> change;
};

/// The finding after one pass over the module that `step` leaves; empty when there is none.
struct Finding {
  std::string what, culprit, reproducer;
};
Finding validate(Experiment &experiment, std::function<void(ModuleOp)> change) {
  ModuleOp module = experiment.get();
  PassManager manager(module.getContext(), ModuleOp::getOperationName());
  manager.addPass(std::make_unique<TestPass>(std::move(change)));
  auto instrumentation = std::make_unique<PassValidator>();
  PassValidator &validator = *instrumentation;
  manager.addInstrumentation(std::move(instrumentation));
  EXPECT_TRUE(succeeded(manager.run(module)));
  if (!validator.finding())
    return {};
  return {validator.finding()->text, validator.finding()->pass, validator.finding()->reproducer};
}

template <typename Op> Op first(ModuleOp module, StringRef function, StringRef site) {
  Op found;
  module.lookupSymbol<func::FuncOp>(function).walk([&](Op op) {
    if (!found && op.getSite().contains(site))
      found = op;
  });
  return found;
}

std::string anyLora() {
  for (const Case &one : allCases())
    if (one.adapter)
      return one.name;
  return "";
}
} // namespace

TEST(Validate, APassThatChangesNothingIsNotNamed) {
  Experiment experiment(findCase(anyLora()));
  experiment.advance("ft-prune-graph");
  ASSERT_TRUE(experiment.ok());
  EXPECT_EQ(validate(experiment, [](ModuleOp) {}).what, "");
}

TEST(Validate, AChangedScaleIsNamed) {
  Experiment experiment(findCase(anyLora()));
  experiment.advance("ft-lower-bypasses");
  ASSERT_TRUE(experiment.ok());
  Finding finding = validate(experiment, [](ModuleOp module) {
    ft::LinearOp linear = first<ft::LinearOp>(module, "forward", ".mlp.");
    ASSERT_TRUE(linear);
    linear.setScaleAttr(Builder(module.getContext()).getF64FloatAttr(1.25));
  });
  EXPECT_EQ(finding.culprit, "test-pass");
  EXPECT_NE(finding.what.find("test-pass changed what the step computes: loss: element 0 was"),
            std::string::npos)
      << finding.what;
}

TEST(Validate, AWrongGradientIsNamedByItsParameter) {
  Experiment experiment(findCase(anyLora()));
  experiment.advance("ft-prune-graph");
  ASSERT_TRUE(experiment.ok());
  std::string site;
  Finding finding = validate(experiment, [&](ModuleOp module) {
    ft::MatmulOp gradient;
    module.lookupSymbol<func::FuncOp>("gradients").walk([&](ft::MatmulOp op) {
      if (!gradient && op.getTransposeLhs())
        gradient = op;
    });
    ASSERT_TRUE(gradient);
    site = gradient.getSite().str();
    gradient.setScaleAttr(
        Builder(module.getContext()).getF64FloatAttr(-gradient.getScale().convertToDouble()));
  });
  EXPECT_NE(finding.what.find("gradient of "), std::string::npos) << finding.what;
  EXPECT_NE(finding.what.find(site), std::string::npos) << finding.what << " at " << site;
}

TEST(Validate, AnAddedNumberInTheBackwardIsCaughtByDifferences) {
  // From the forward step: the wrong pass builds the backward and gets a sign wrong everywhere.
  Experiment experiment(findCase(anyLora()));
  experiment.advance("ft-lower-bypasses");
  ASSERT_TRUE(experiment.ok());
  Finding finding = validate(experiment, [](ModuleOp module) {
    PassManager manager(module.getContext(), ModuleOp::getOperationName());
    ASSERT_TRUE(static_cast<bool>(buildPipeline(manager, module, "ft-build-backward")));
    ASSERT_TRUE(succeeded(manager.run(module)));
    module.walk([&](ft::SiluGradOp op) {
      OpBuilder builder(op->getContext());
      builder.setInsertionPointAfter(op);
      auto twice = ft::ScaleOp::create(builder, op.getLoc(), op.getType(), op.getResult(),
                                       builder.getF64FloatAttr(-1.0));
      op.getResult().replaceAllUsesExcept(twice, twice);
    });
  });
  EXPECT_NE(finding.what.find("differences of the loss say"), std::string::npos) << finding.what;
}

TEST(Validate, TheReproducerReadsBack) {
  Experiment experiment(findCase(anyLora()));
  experiment.advance("ft-prune-graph");
  ASSERT_TRUE(experiment.ok());
  Finding finding = validate(experiment, [](ModuleOp module) {
    ft::LinearOp linear = first<ft::LinearOp>(module, "evaluate", ".mlp.");
    linear.setScaleAttr(Builder(module.getContext()).getF64FloatAttr(3.0));
  });
  EXPECT_NE(finding.reproducer.find("pipeline: \"builtin.module(test-pass)\""), std::string::npos);
  ParserConfig config(experiment.get().getContext());
  EXPECT_TRUE(parseSourceString<ModuleOp>(finding.reproducer, config));
}
