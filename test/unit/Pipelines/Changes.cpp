//===- Changes.cpp - forward steps that no config asks for ----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Changes.h"

#include "dialects/FT/IR/FT.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace ftc::ft;

static void useRelu(ModuleOp module) {
  SmallVector<MulOp> products;
  module.walk([&](MulOp op) { products.push_back(op); });
  for (MulOp product : products) {
    Value gate = product.getLhs(), up = product.getRhs();
    if (!gate.getDefiningOp<SiluOp>())
      std::swap(gate, up);
    ASSERT_TRUE(gate.getDefiningOp<SiluOp>());
    OpBuilder builder(product);
    product.replaceAllUsesWith(
        ReluOp::create(builder, product.getLoc(), product.getType(), up).getResult());
    product.erase();
  }
}

/// Makes the weight of `linear` of a frozen parameter and a trained one, along `dimension`.
static void slice(ModuleOp module, LinearOp linear, int64_t dimension) {
  auto read = linear.getWeight().getDefiningOp<ReadOp>();
  ASSERT_TRUE(read);
  auto whole = module.lookupSymbol<ParameterOp>(read.getParameter());
  RankedTensorType type = whole.getTensorType();
  int64_t trained = type.getDimSize(dimension) / 4;
  OpBuilder builder(linear);
  auto part = [&](StringRef suffix, int64_t size, Role role) -> Value {
    SmallVector<int64_t> shape(type.getShape());
    shape[dimension] = size;
    auto partType = RankedTensorType::get(shape, type.getElementType());
    std::string name = (whole.getSymName() + suffix).str();
    Type stored = role == Role::trainable
                      ? builder.getF32Type()
                      : cast<DenseStorageAttr>(whole.getStorage()).getElementType();
    OpBuilder outside(whole);
    ParameterOp::create(outside, whole.getLoc(), name, partType, role, stored, "file");
    return ReadOp::create(builder, linear.getLoc(), partType, name);
  };
  Value frozen = part(".frozen", type.getDimSize(dimension) - trained, Role::base);
  Value own = part(".trained", trained, Role::trainable);
  linear.getWeightMutable().assign(ConcatOp::create(
      builder, linear.getLoc(), type, ValueRange{frozen, own}, dimension, whole.getSymName()));
  read.erase();
  whole.erase();
}

static void sliceWeights(ModuleOp module) {
  SmallVector<LinearOp> linears;
  module.walk([&](LinearOp op) { linears.push_back(op); });
  for (LinearOp linear : linears) {
    if (linear.getSite().ends_with("up_proj"))
      slice(module, linear, 0);
    else if (linear.getSite().ends_with("down_proj"))
      slice(module, linear, 1);
  }
}

void ftc::test::changeForward(ModuleOp module, llvm::StringRef change) {
  for (StringRef word : llvm::split(change, ' ')) {
    if (word == "relu")
      useRelu(module);
    else if (word == "sliced")
      sliceWeights(module);
    else if (!word.empty())
      ADD_FAILURE() << "no change '" << word.str() << "'";
  }
}
