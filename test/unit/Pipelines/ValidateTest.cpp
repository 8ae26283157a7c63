//===- ValidateTest.cpp - a wrong pass is named ---------------------------===//
// PassValidator against passes that are wrong on purpose, and one that is right.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Experiment.h"
#include "ftc/Conversion/Passes.h"
#include "ftc/Pipelines/Pipelines.h"
#include "ftc/Pipelines/RegisterAll.h"
#include "ftc/Pipelines/ValidatePasses.h"
#include "ftc/Support/Json.h"

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
  std::optional<Verdict> verdict;
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
  return {validator.finding()->text, validator.finding()->pass, validator.finding()->reproducer,
          validator.finding()};
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
  // The first op that differs is the one that was changed.
  EXPECT_NE(finding.what.find("; first at model.layers.0.mlp."), std::string::npos) << finding.what;
  EXPECT_NE(finding.what.find(" (ft.linear in @forward): element "), std::string::npos)
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
  EXPECT_NE(finding.what.find("; first at " + site + " (ft.matmul in @gradients): element "),
            std::string::npos)
      << finding.what << " at " << site;
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
  ASSERT_TRUE(finding.verdict);
  std::string path = ::testing::TempDir() + "validate-test.reproducer.mlir";
  Error error = findingError(*finding.verdict, path);
  EXPECT_EQ(error.where, "--validate-passes");
  EXPECT_EQ(error.message, finding.what);
  ASSERT_EQ(error.notes.size(), 2u);
  EXPECT_EQ(error.notes[1], "ft-opt --validate-passes --run-reproducer " + path);
  Result<std::string> written = readFile(path);
  ASSERT_TRUE(static_cast<bool>(written));
  EXPECT_EQ(*written, finding.reproducer);
  EXPECT_EQ(std::remove(path.c_str()), 0);
  ParserConfig config(experiment.get().getContext());
  EXPECT_TRUE(parseSourceString<ModuleOp>(finding.reproducer, config));
}

//===-- Modules of any kind -----------------------------------------------===//

namespace {
/// What a validator says of one pass over a module.
struct Judgement {
  Verdict::Kind kind;
  std::string text;
};
Judgement judge(const std::string &text, std::function<void(ModuleOp)> change) {
  DialectRegistry registry;
  registerAllDialects(registry);
  auto context = std::make_unique<MLIRContext>(registry);
  context->loadAllAvailableDialects();
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(context.get()));
  Judgement last{Verdict::nothing, "no pass was run"};
  EXPECT_TRUE(module);
  if (!module)
    return last;
  PassManager manager(context.get(), ModuleOp::getOperationName());
  manager.addPass(std::make_unique<TestPass>(std::move(change)));
  ValidationOptions options;
  options.tell = [&](const Verdict &verdict) { last = {verdict.kind, verdict.text}; };
  manager.addInstrumentation(std::make_unique<PassValidator>(options));
  EXPECT_TRUE(succeeded(manager.run(*module)));
  return last;
}

std::string keep(const std::string &text) {
  return stringify(judge(text, [](ModuleOp) {}).kind).str();
}

/// The text of a finding.
std::string found(const std::string &text, std::function<void(ModuleOp)> change) {
  Judgement verdict = judge(text, std::move(change));
  EXPECT_EQ(verdict.kind, Verdict::differs);
  return verdict.text;
}

/// A table of 5 rows, read by ids; labels of 7 classes; segments over rotary tables of 3 positions.
const char *const kLookups = R"mlir(
ft.parameter @table : tensor<5x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @head : tensor<7x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @cos : tensor<3x2xf32> role(table) storage(dense<f32>) init("rope_cos"
    {inv_freq = array<f32: 1.0, 0.1>, scale = 1.0 : f64})
ft.parameter @sin : tensor<3x2xf32> role(table) storage(dense<f32>) init("rope_sin"
    {inv_freq = array<f32: 1.0, 0.1>, scale = 1.0 : f64})
func.func private @lookup(%ids: tensor<16xi32>) -> tensor<16x4xf32> {
  %table = ft.read @table : tensor<5x4xf32>
  %0 = ft.embedding %ids, %table site("embed") : tensor<16xi32>, tensor<5x4xf32>
  return %0 : tensor<16x4xf32>
}
func.func @f(%labels: tensor<16xi32>, %ids: tensor<16xi32>, %segments: !ft.segments<16, 8>,
             %run: !ft.run) -> tensor<f32> {
  %x = func.call @lookup(%ids) : (tensor<16xi32>) -> tensor<16x4xf32>
  %cos = ft.read @cos : tensor<3x2xf32>
  %sin = ft.read @sin : tensor<3x2xf32>
  %r = ft.rope %x, %cos, %sin, %segments head_dim 4 site("rope")
      : tensor<16x4xf32>, tensor<3x2xf32>, !ft.segments<16, 8>
  %head = ft.read @head : tensor<7x4xf32>
  %items = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %r, %head, %labels, %segments, %items site("loss")
      : tensor<16x4xf32>, tensor<7x4xf32>, tensor<16xi32>, !ft.segments<16, 8> -> tensor<f32>
  return %loss : tensor<f32>
}
)mlir";

const char *const kCommits = R"mlir(
ft.parameter @a : tensor<2x3xf32> role(trainable) storage(dense<f32>) init("zeros")
ft.parameter @b : tensor<2x3xf32> role(trainable) storage(dense<f32>) init("zeros")
func.func @f() {
  %a = ft.read @a : tensor<2x3xf32>
  %b = ft.read @b : tensor<2x3xf32>
  %0 = ft.add %a, %b : tensor<2x3xf32>
  ft.commit @a, %0 : tensor<2x3xf32>
  return
}
func.func @g() -> tensor<2x3xf32> {
  %b = ft.read @b : tensor<2x3xf32>
  return %b : tensor<2x3xf32>
}
)mlir";
} // namespace

TEST(ValidateAny, IdsLabelsAndSegmentsFitTheOpsThatUseThem) {
  EXPECT_EQ(keep(kLookups), "agrees");
  std::string finding = found(kLookups, [](ModuleOp module) {
    ft::RopeOp rope = first<ft::RopeOp>(module, "f", "rope");
    rope.getResult().replaceAllUsesWith(rope.getInput());
  });
  EXPECT_NE(finding.find("test-pass changed what @f computes: result 0 of @f: element 0 was"),
            std::string::npos)
      << finding;
  EXPECT_NE(finding.find("; first at loss (ft.linear_cross_entropy in @f): element 0 was"),
            std::string::npos)
      << finding;
}

TEST(ValidateAny, CommitsAreCompared) {
  EXPECT_EQ(keep(kCommits), "agrees");
  auto commitOf = [](ModuleOp module) { return *module.getOps<func::FuncOp>().begin(); };
  EXPECT_NE(
      found(kCommits,
            [&](ModuleOp module) { commitOf(module).walk([](ft::CommitOp op) { op.erase(); }); })
          .find("a after @f: element "),
      std::string::npos);
  EXPECT_NE(found(kCommits,
                  [&](ModuleOp module) {
                    commitOf(module).walk([](ft::CommitOp op) {
                      OpBuilder builder(op);
                      ft::CommitOp::create(builder, op.getLoc(), "b", op.getValue());
                    });
                  })
                .find("b after @f: element "),
            std::string::npos);
}

TEST(ValidateAny, AFunctionThatIsGoneIsMissed) {
  EXPECT_NE(found(kCommits, [](ModuleOp module) { module.lookupSymbol("g")->erase(); })
                .find("result 0 of @g is gone"),
            std::string::npos);
}

TEST(ValidateAny, WhatCannotBeRunIsNoFinding) {
  EXPECT_EQ(keep("launch.entry @e {\n}"), "nothing");
  EXPECT_EQ(keep("func.func @f(%x: memref<2xf32>) { return }"), "nothing");
  EXPECT_EQ(keep("func.func private @f(%x: tensor<2xf32>)"), "nothing");
  Judgement foreign = judge("func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {\n"
                            "  %0 = arith.negf %x : tensor<2xf32>\n  return %0 : tensor<2xf32>\n}",
                            [](ModuleOp) {});
  EXPECT_EQ(foreign.kind, Verdict::notRun);
  EXPECT_EQ(foreign.text,
            "test-pass is not validated: @f holds arith.negf, which has no evaluation");
  // Tables of 3 positions and one segment at most: the tokens behind the third are dead.
  std::string text = kLookups;
  for (size_t at; (at = text.find("<16, 8>")) != std::string::npos;)
    text.replace(at, 7, "<16, 1>");
  EXPECT_EQ(keep(text), "agrees");
}

TEST(ValidateAny, CallsAreCountedAndMayNotGoRound) {
  // f0 calls f1 twice, which calls f2 twice, ...: a run takes 2^60 additions.
  std::string text;
  for (int i = 0; i < 60; ++i) {
    std::string next = std::to_string(i + 1), call = "func.call @f" + next;
    text += "func.func @f" + std::to_string(i) + "(%x: tensor<2xf32>) -> tensor<2xf32> {\n" +
            "  %a = " + call + "(%x) : (tensor<2xf32>) -> tensor<2xf32>\n" + "  %b = " + call +
            "(%a) : (tensor<2xf32>) -> tensor<2xf32>\n  return %b : tensor<2xf32>\n}\n";
  }
  text += "func.func @f60(%x: tensor<2xf32>) -> tensor<2xf32> {\n"
          "  %a = ft.silu %x : tensor<2xf32>\n  return %a : tensor<2xf32>\n}\n";
  EXPECT_EQ(keep(text), "too-large");
  Judgement round = judge("func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {\n"
                          "  %a = func.call @f(%x) : (tensor<2xf32>) -> tensor<2xf32>\n"
                          "  %b = func.call @f(%a) : (tensor<2xf32>) -> tensor<2xf32>\n"
                          "  return %b : tensor<2xf32>\n}\n",
                          [](ModuleOp) {});
  EXPECT_EQ(round.kind, Verdict::notRun);
  EXPECT_NE(round.text.find("calls itself"), std::string::npos) << round.text;
}

TEST(ValidateAny, APassThatLeavesTheInterpreterIsNoFinding) {
  Judgement verdict = judge(kCommits, [](ModuleOp module) {
    module.walk([](ft::AddOp op) {
      OpBuilder builder(op);
      op.replaceAllUsesWith(
          arith::AddFOp::create(builder, op.getLoc(), op.getLhs(), op.getRhs()).getResult());
      op.erase();
    });
  });
  EXPECT_EQ(verdict.kind, Verdict::notRun) << verdict.text;
  EXPECT_EQ(verdict.text, "test-pass is not validated: behind it @f holds arith.addf, which has no "
                          "evaluation");
}

TEST(ValidateAny, AZeroThatIsRoundedIsNoFinding) {
  // What was zero becomes (0 + x) - x.
  EXPECT_EQ(stringify(judge(R"mlir(
func.func @f(%x: tensor<4x4xf32>, %y: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %a = ft.add %x, %y : tensor<4x4xf32>
  %b = ft.scale %a by -1.0 : tensor<4x4xf32>
  %c = ft.add %a, %b : tensor<4x4xf32>
  return %c : tensor<4x4xf32>
})mlir",
                            [](ModuleOp module) {
                              module.walk([](func::ReturnOp op) {
                                auto function = op->getParentOfType<func::FuncOp>();
                                OpBuilder builder(op);
                                Value x = function.getArgument(0);
                                Value c = op.getOperand(0);
                                Value d = ft::AddOp::create(builder, op.getLoc(), c, x);
                                Value e = ft::ScaleOp::create(builder, op.getLoc(), x.getType(), x,
                                                              builder.getF64FloatAttr(-1.0));
                                op.setOperand(0, ft::AddOp::create(builder, op.getLoc(), d, e));
                              });
                            })
                          .kind)
                .str(),
            "agrees");
}

TEST(Phases, EveryNamedPhaseHasACheck) {
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllPasses();
  MLIRContext context(registry);
  std::vector<std::string> refused;
  for (const std::string &phase : pipelinePhases()) {
    std::string errors;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      errors += diagnostic.str();
      return success();
    });
    bool launch = phase == "launched" || phase == "planned";
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    PassManager manager(&context);
    ASSERT_TRUE(succeeded(parsePassPipeline(
        (launch ? "launch" : "ft") + std::string("-verify-phase{phase=") + phase + "}", manager)));
    // An empty module breaks every phase, and is told so.
    EXPECT_TRUE(failed(manager.run(*module))) << phase;
    EXPECT_EQ(errors.find("unknown phase"), std::string::npos) << phase;
    EXPECT_NE(errors, "") << phase;
  }
  EXPECT_EQ(pipelinePhases(),
            (std::vector<std::string>{"forward", "bypasses", "lowered", "backward", "precision",
                                      "kernels", "launched", "planned"}));
}
