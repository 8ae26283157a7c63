//===- SavedValuesTest.cpp - choices against all choices ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/SavedValues.h"

#include "ftc/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace ftc;

namespace {
/// One block, a norm and a gated product; gate and down are trained.
constexpr const char *source = R"(
ft.parameter @embed : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @n : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @gate : tensor<16x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @up : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @down : tensor<4x16xf32> role(trainable) storage(dense<f32>) init("file")
func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>,
                           %segments: !ft.segments<8, 2>, %run: !ft.run) -> tensor<f32> {
  %e = ft.read @embed : tensor<16x4xf32>
  %n = ft.read @n : tensor<4xf32>
  %g = ft.read @gate : tensor<16x4xf32>
  %u = ft.read @up : tensor<16x4xf32>
  %d = ft.read @down : tensor<4x16xf32>
  %x = ft.embedding %ids, %e site("embed") : tensor<8xi32>, tensor<16x4xf32>
  %y, %r = ft.rms_norm %x, %n eps 1.0e-5 site("n") : tensor<8x4xf32>, tensor<4xf32>
  %gate = ft.linear %y, %g site("gate") : tensor<8x4xf32>, tensor<16x4xf32>
  %up = ft.linear %y, %u site("up") : tensor<8x4xf32>, tensor<16x4xf32>
  %s = ft.silu %gate : tensor<8x16xf32>
  %m = ft.mul %s, %up : tensor<8x16xf32>
  %down = ft.linear %m, %d site("down") : tensor<8x16xf32>, tensor<4x16xf32>
  %h = ft.add %x, %down : tensor<8x4xf32>
  %o, %q = ft.rms_norm %h, %n eps 1.0e-5 site("o") : tensor<8x4xf32>, tensor<4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %o, %e, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  return %loss : tensor<f32>
})";

class SavedValuesTest : public testing::Test {
protected:
  SavedValuesTest() {
    context.loadDialect<ft::FTDialect, func::FuncDialect>();
    module = parseSourceString<ModuleOp>(source, &context);
    PassManager manager(&context);
    manager.addPass(ft::createBuildBackward());
    manager.addPass(ft::createPruneGraph());
    EXPECT_TRUE(succeeded(manager.run(*module)));
    Block &block = module->lookupSymbol<func::FuncOp>("gradients").getBody().front();
    values.emplace(block, *block.getOps<ft::BoundaryOp>().begin(), /*segments=*/2,
                   /*flopsPerByte=*/1);
    // Every set of recipes that may be used.
    const std::vector<Recipe> &recipes = values->recipes();
    for (unsigned set = 0; set < 1u << recipes.size(); ++set) {
      std::vector<bool> chosen;
      bool allowed = true, streams = true;
      for (size_t i = 0; i < recipes.size(); ++i) {
        chosen.push_back((set >> i) % 2 == 1);
        allowed = allowed && (!chosen[i] || recipes[i].allowed);
        streams = streams && (!chosen[i] || recipes[i].streams);
      }
      if (!allowed)
        continue;
      all.push_back(values->measure(chosen));
      if (streams)
        free.push_back(all.back());
    }
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::optional<SavedValues> values;
  std::vector<Rebuilt> all, free;
};

TEST_F(SavedValuesTest, FreeIsTheFewestBytesWithoutAProduct) {
  Rebuilt chosen = values->rebuildFree();
  EXPECT_EQ(chosen.flops, 0);
  for (const Rebuilt &other : free)
    EXPECT_TRUE(chosen.savedBytes < other.savedBytes ||
                (chosen.savedBytes == other.savedBytes && chosen.cost <= other.cost));
  // gate and up, the norms' statistics, and what the loss reads: its norm's input and result.
  EXPECT_EQ(chosen.savedBytes, 2 * 512 + 2 * 32 + 2 * 128);
}

TEST_F(SavedValuesTest, HullIsConvexAndHasNothingBelow) {
  std::vector<Rebuilt> hull = values->hull();
  ASSERT_GE(hull.size(), 2u);
  for (size_t i = 1; i < hull.size(); ++i) {
    __int128 bytes = hull[i - 1].savedBytes - hull[i].savedBytes,
             cost = hull[i].cost - hull[i - 1].cost;
    EXPECT_GT(bytes, 0);
    EXPECT_GT(cost, 0);
    __int128 line = cost * hull[i].savedBytes + bytes * hull[i].cost;
    for (const Rebuilt &other : all)
      EXPECT_TRUE(cost * other.savedBytes + bytes * other.cost >= line);
  }
  for (const Rebuilt &other : all)
    EXPECT_GE(other.savedBytes, hull.back().savedBytes);
}

TEST_F(SavedValuesTest, LimitIsKeptAndItsBoundHolds) {
  std::vector<Rebuilt> hull = values->hull();
  for (int64_t limit = hull.back().savedBytes; limit <= hull.front().savedBytes; limit += 32) {
    int64_t leastCost = -1;
    Rebuilt chosen = values->withLimit(hull, limit, leastCost);
    EXPECT_LE(chosen.savedBytes, limit);
    int64_t optimum = INT64_MAX;
    for (const Rebuilt &other : all)
      if (other.savedBytes <= limit)
        optimum = std::min(optimum, other.cost);
    EXPECT_LE(leastCost, optimum) << limit;
    EXPECT_GE(chosen.cost, optimum) << limit;
  }
}

TEST_F(SavedValuesTest, StepsFallToTheFewest) {
  std::vector<Rebuilt> hull = values->hull();
  std::vector<int64_t> steps = values->steps(hull);
  EXPECT_EQ(steps.front(), hull.front().savedBytes);
  EXPECT_EQ(steps.back(), hull.back().savedBytes);
  for (size_t i = 1; i < steps.size(); ++i)
    EXPECT_LT(steps[i], steps[i - 1]);
  int64_t leastCost = 0;
  EXPECT_EQ(values->withLimit(hull, 0, leastCost).savedBytes, steps.back());
}
} // namespace
