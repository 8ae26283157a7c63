//===- FactorScales.cpp - tutorial-factor-scales --------------------------===//
// s a + s b becomes s (a + b).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Passes.h"
#include "ftc/Analysis/Report.h"

#include "llvm/Support/FormatVariadic.h"

namespace tutorial {
#define GEN_PASS_DEF_FACTORSCALES
#include "test/tutorial/TutorialPasses.h.inc"
} // namespace tutorial

using namespace mlir;
using namespace ftc::ft;

namespace {
// DOC: pass
struct FactorScalesPass : tutorial::impl::FactorScalesBase<FactorScalesPass> {
  using FactorScalesBase::FactorScalesBase;

  void runOnOperation() override {
    int64_t factored = 0, considered = 0;
    getOperation().walk([&](AddOp sum) {
      auto left = sum.getLhs().getDefiningOp<ScaleOp>();
      auto right = sum.getRhs().getDefiningOp<ScaleOp>();
      if (!left || !right)
        return;
      ++considered;
      if (!mayFactor(left, right))
        return;
      factor(sum, left, right);
      ++factored;
    });
    ftc::Observer observer("tutorial-factor-scales");
    observer.count("factored", factored);
    observer.remark(llvm::formatv("factored {0} of {1} sums of two scales", factored, considered));
    observer.commit(getOperation());
  }

  bool mayFactor(ScaleOp left, ScaleOp right) {
    if (left == right || !left->hasOneUse() || !right->hasOneUse())
      return false;
    if (left.getType().getNumElements() < minElements)
      return false;
    return ignoreFactors || left.getFactor() == right.getFactor();
  }

  static void factor(AddOp sum, ScaleOp left, ScaleOp right) {
    OpBuilder builder(sum);
    Value inner = AddOp::create(builder, sum.getLoc(), left.getInput(), right.getInput());
    auto outer = ScaleOp::create(builder, sum.getLoc(), sum.getType(), inner, left.getFactorAttr());
    sum.replaceAllUsesWith(outer.getResult());
    sum.erase();
    left.erase();
    right.erase();
  }
};
// DOC-END
} // namespace
