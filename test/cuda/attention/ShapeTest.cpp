//===- ShapeTest.cpp - tests of the tiles of attention --------------------===//
// Every head size that models have gets a kernel that fits every GPU.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Target/CUDA/AttentionShape.h"

#include <gtest/gtest.h>

using namespace ftc;
using namespace ftc::cuda;

namespace {
constexpr AttentionFamily families[] = {AttentionFamily::forward, AttentionFamily::gradQuery,
                                        AttentionFamily::gradKeyValue};

TEST(CudaAttentionShapeTest, FitsEverywhere) {
  for (AttentionFamily family : families)
    for (bool isBf16 : {false, true})
      for (int headDim = 1; headDim <= 1024; ++headDim) {
        AttentionShape shape = chooseAttentionShape(family, isBf16, headDim);
        ASSERT_TRUE(shape.isValid()) << headDim;
        ASSERT_LE(shape.sharedBytes(), sharedBytesEverywhere) << headDim;
        ASSERT_EQ(shape.threads() % 32, 0) << headDim;
        ASSERT_EQ(shape.ownRows() % shape.rowsPerWarp(), 0) << headDim;
      }
}

TEST(CudaAttentionShapeTest, TensorCoresWhereTheyApply) {
  for (AttentionFamily family : families)
    for (int headDim = 1; headDim <= 256; ++headDim) {
      EXPECT_FALSE(chooseAttentionShape(family, false, headDim).isMma());
      EXPECT_EQ(chooseAttentionShape(family, true, headDim).isMma(),
                headDim % 16 == 0 && headDim <= 128);
    }
}

TEST(CudaAttentionShapeTest, TilesOfLargeHeads) {
  AttentionShape forward = chooseAttentionShape(AttentionFamily::forward, true, 128);
  EXPECT_EQ(forward.queryTile, 64);
  EXPECT_EQ(forward.keyTile, 64);
  EXPECT_EQ(forward.threads(), 128);
  AttentionShape query = chooseAttentionShape(AttentionFamily::gradQuery, true, 128);
  EXPECT_EQ(query.queryTile, 64);
  EXPECT_EQ(query.keyTile, 32);
  AttentionShape keyValue = chooseAttentionShape(AttentionFamily::gradKeyValue, true, 128);
  EXPECT_EQ(keyValue.queryTile, 32);
  EXPECT_EQ(keyValue.keyTile, 64);
  // Two blocks a multiprocessor on sm_80, which has 164 KiB and keeps 1 KiB a block.
  for (AttentionFamily family : families)
    EXPECT_LE(2 * (chooseAttentionShape(family, true, 128).sharedBytes() + 1024), 164 * 1024);
}

TEST(CudaAttentionShapeTest, OddTilesAreNoReasonToFail) {
  AttentionShape shape{AttentionFamily::forward, true, 64, 20, 12};
  EXPECT_FALSE(shape.isMma());
  EXPECT_TRUE(shape.isValid());
  EXPECT_EQ(shape.rowsPerWarp(), 5);
  EXPECT_EQ(shape.threads(), 128);
  shape.keyTile = 6; // not whole vectors of weights
  EXPECT_FALSE(shape.isValid());
}
} // namespace
