//===- FactorScalesTest.cpp - the pass keeps what a step computes ---------===//
// The tutorial's pass under PassValidator, right and wrong.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Passes.h"
#include "ftc/Pipelines/RegisterAll.h"
#include "ftc/Pipelines/ValidatePasses.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace ftc;

/// A forward step whose loss reads 2 q + `factor` v.
static std::string stepWith(const char *factor) {
  return std::string(R"(module attributes {ft.tokens = 8 : i64} {
  ft.parameter @e : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
  ft.parameter @q : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
  ft.parameter @v : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
  func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>,
                             %segments: !ft.segments<8, 3>, %run: !ft.run) -> tensor<f32> {
    %e = ft.read @e : tensor<16x4xf32>
    %x = ft.embedding %ids, %e site("e") : tensor<8xi32>, tensor<16x4xf32>
    %wq = ft.read @q : tensor<4x4xf32>
    %wv = ft.read @v : tensor<4x4xf32>
    %q = ft.linear %x, %wq site("q") : tensor<8x4xf32>, tensor<4x4xf32>
    %v = ft.linear %x, %wv site("v") : tensor<8x4xf32>, tensor<4x4xf32>
    %a = ft.scale %q by 2.0 : tensor<8x4xf32>
    %b = ft.scale %v by )") +
         factor + R"( : tensor<8x4xf32>
    %h = ft.add %a, %b : tensor<8x4xf32>
    %inv = ft.run_value %run[inv_items] : tensor<f32>
    %loss = ft.linear_cross_entropy %h, %e, %labels, %segments, %inv site("lm_head")
      : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 3> -> tensor<f32>
    return %loss : tensor<f32>
  }
})";
}

// DOC: validate
/// What validation says of the pass over `text`.
static std::string verdictOf(const std::string &text, tutorial::FactorScalesOptions options) {
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  auto module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    return "does not parse";
  std::string said;
  ValidationOptions validation;
  validation.tell = [&](const Verdict &verdict) {
    said += stringify(verdict.kind).str() + " " + verdict.text;
  };
  PassManager manager(&context, ModuleOp::getOperationName());
  manager.addPass(tutorial::createFactorScales(options));
  manager.addInstrumentation(std::make_unique<PassValidator>(validation));
  return succeeded(manager.run(*module)) ? said : "the pass fails";
}

TEST(FactorScales, KeepsWhatTheStepComputes) {
  EXPECT_EQ(verdictOf(stepWith("2.0"), {}), "agrees ");
  EXPECT_EQ(verdictOf(stepWith("3.0"), {}), "agrees ");
}

TEST(FactorScales, IsCaughtWhenItIgnoresAFactor) {
  tutorial::FactorScalesOptions wrong;
  wrong.ignoreFactors = true;
  std::string verdict = verdictOf(stepWith("3.0"), wrong);
  EXPECT_NE(verdict.find("differs tutorial-factor-scales changed what "), std::string::npos)
      << verdict;
}
// DOC-END
