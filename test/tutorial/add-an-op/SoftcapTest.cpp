//===- SoftcapTest.cpp - tutorial.softcap is what it says -----------------===//
// Its gradient against differences of its evaluation, and native code against the interpreter.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "../../unit/Pipelines/Native.h"
#include "Tutorial.h"

#include "mlir/Parser/Parser.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace ftc;
using namespace ftc::ft;
using namespace ftc::test;

namespace {
/// Runs @f of `module` on one tensor.
std::vector<double> runF(ModuleOp module, const std::vector<double> &x, int64_t count) {
  std::vector<HostValue> arguments;
  for (int64_t i = 0; i < count; ++i)
    arguments.push_back(
        {{int64_t(x.size()) / count},
         {x.begin() + i * x.size() / count, x.begin() + (i + 1) * x.size() / count}});
  State state;
  auto results =
      Interpreter(module).runFunction(module.lookupSymbol<func::FuncOp>("f"), arguments, state);
  EXPECT_TRUE(succeeded(results));
  return succeeded(results) ? results->front().data : std::vector<double>();
}

/// The small Llama with its gates capped: softcap between each gate and its silu.
struct Capped : Experiment {
  explicit Capped(const Case &one) : Experiment(one) {
    MLIRContext *context = get().getContext();
    context->loadDialect<tutorial::TutorialDialect>();
    SmallVector<LinearOp> gates;
    get().walk([&](LinearOp op) {
      if (op.getSite().ends_with("gate_proj"))
        gates.push_back(op);
    });
    EXPECT_FALSE(gates.empty());
    for (LinearOp gate : gates) {
      OpBuilder builder(context);
      builder.setInsertionPointAfter(gate);
      auto capped = tutorial::SoftcapOp::create(builder, gate.getLoc(), gate.getType(), gate,
                                                builder.getF64FloatAttr(0.75));
      gate.getResult().replaceAllUsesExcept(capped, capped);
    }
  }
};
} // namespace

// DOC: gradient
TEST(Softcap, GradientMatchesFiniteDifferences) {
  DialectRegistry registry;
  registry.insert<FTDialect, func::FuncDialect, tutorial::TutorialDialect>();
  registerEvaluationModels(registry);
  MLIRContext context(registry);
  auto forward = parseSourceString<ModuleOp>(R"(func.func @f(%x: tensor<4xf64>) -> tensor<4xf64> {
    %y = tutorial.softcap %x cap 0.75 : tensor<4xf64>
    return %y : tensor<4xf64>
  })",
                                             &context);
  ASSERT_TRUE(forward);
  // @f(x, dy) -> dx, by the op's own rule.
  auto backward = parseSourceString<ModuleOp>(
      R"(func.func @f(%x: tensor<4xf64>, %dy: tensor<4xf64>) -> tensor<4xf64> {
    %y = tutorial.softcap %x cap 0.75 : tensor<4xf64>
    return %dy : tensor<4xf64>
  })",
      &context);
  ASSERT_TRUE(backward);
  Block &block = backward->lookupSymbol<func::FuncOp>("f").getBody().front();
  OpBuilder builder(block.getTerminator());
  Value dy = block.getArgument(1);
  SmallVector<Value> grads;
  cast<DifferentiableOpInterface>(block.front()).buildGradient(builder, dy, grads);
  ASSERT_EQ(grads.size(), 1u);
  block.getTerminator()->setOperand(0, grads[0]);

  std::vector<double> x = {-2, -0.3, 0.01, 0.9}, seeds = {1, -2, 3, 0.5}, both = x;
  both.insert(both.end(), seeds.begin(), seeds.end());
  std::vector<double> gradient = runF(*backward, both, 2);
  for (size_t i = 0; i < x.size(); ++i) {
    constexpr double step = 1e-5;
    std::vector<double> above = x, below = x;
    above[i] += step;
    below[i] -= step;
    double slope = (runF(*forward, above, 1)[i] - runF(*forward, below, 1)[i]) / (2 * step);
    EXPECT_NEAR(gradient[i], seeds[i] * slope, 1e-9) << "element " << i;
  }
}
// DOC-END

TEST(Softcap, RoundedAsAPlainProgramRounds) {
  DialectRegistry registry;
  registry.insert<FTDialect, func::FuncDialect, tutorial::TutorialDialect>();
  MLIRContext context(registry);
  auto module = parseSourceString<ModuleOp>(R"(func.func @f(%x: tensor<2xf16>) -> tensor<2xf16> {
    %y = tutorial.softcap %x cap 0.75 : tensor<2xf16>
    return %y : tensor<2xf16>
  })",
                                            &context);
  ASSERT_TRUE(module);
  EvaluationOptions rounded;
  rounded.rounded = true;
  State state;
  auto results =
      Interpreter(*module, rounded)
          .runFunction(module->lookupSymbol<func::FuncOp>("f"), HostValue{{2}, {0.5, -3.0}}, state);
  ASSERT_TRUE(succeeded(results));
  // 0.75 tanh(2/3) = 0.4370872 lies between the numbers of f16 0.4370117 and 0.4372559.
  EXPECT_EQ(results->front().data[0], 0.43701171875);
  EXPECT_EQ(results->front().data[1], -0.74951171875);
}

// DOC: native
TEST(Softcap, NativeGradientsAreTheInterpreters) {
  const Case &one = findCase("lora_qv");
  Capped oracle(one), program(one);
  oracle.advance("ft-form-kernels");
  PackagePtr package = loadPackage(program.compile());
  ASSERT_TRUE(oracle.ok() && package);

  State state = oracle.makeState();
  Data data = oracle.makeData(1);
  ftc_run step = makeStep(itemsOf(data));
  Native native(package.get(), state);
  std::vector<double> expected = oracle.run("gradients", data, step, state);
  BatchArrays batch(oracle, data, one.layout);
  ftc_result actual = native.run("gradients", &batch, step);
  expectClose("loss", 2e-5, "gradients", actual.loss, expected.front());
  expectClose("gradients", 2e-5, native.read(), state);

  // The op does something: without it the loss is another.
  Experiment plain(one);
  plain.advance("ft-form-kernels");
  State plainState = plain.makeState();
  EXPECT_GT(std::abs(plain.run("gradients", data, step, plainState).front() - expected.front()),
            1e-4);
}
// DOC-END
