//===- Softcap.cpp - everything that a pass asks tutorial.softcap ---------===//
// Verifier, gradient, evaluation, cost, scalar body, name.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Tutorial.h"
#include "ftc/Analysis/ValueChanges.h"
#include "ftc/Interpreter/Evaluation.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using namespace ftc::ft;
using tutorial::SoftcapOp;

#include "test/tutorial/Tutorial.cpp.inc"

#define GET_OP_CLASSES
#include "test/tutorial/TutorialOps.cpp.inc"

void tutorial::TutorialDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "test/tutorial/TutorialOps.cpp.inc"
      >();
}

// DOC: verifier
LogicalResult SoftcapOp::verify() {
  double cap = getCap().convertToDouble();
  if (!(cap > 0 && std::isfinite(cap)))
    return emitOpError("has cap ") << cap << "; expected a positive number";
  return success();
}
// DOC-END

// DOC: gradient
// y = c tanh(x / c):  dx = dy (1 - tanh^2(x / c)) = dy - dy y^2 / c^2.
void SoftcapOp::buildGradient(OpBuilder &builder, ValueRange resultGrads,
                              SmallVectorImpl<Value> &operandGrads) {
  Value grad = resultGrads[0], y = getResult();
  double cap = getCap().convertToDouble();
  Value squared = MulOp::create(builder, getLoc(), y, y);
  Value product = MulOp::create(builder, getLoc(), grad, squared);
  Value correction = ScaleOp::create(builder, getLoc(), product.getType(), product,
                                     builder.getF64FloatAttr(-1 / (cap * cap)));
  operandGrads.push_back(AddOp::create(builder, getLoc(), grad, correction));
}
// DOC-END

// DOC: evaluation
template <typename Real> static HostValue capped(HostValue x, Real cap) {
  for (double &element : x.data)
    element = cap * std::tanh(Real(element) / cap);
  return x;
}

LogicalResult SoftcapOp::evaluate(EvaluationContext &context, ArrayRef<HostValue> operands,
                                  SmallVectorImpl<HostValue> &results) {
  double cap = getCap().convertToDouble();
  auto type = cast<FloatType>(getElementTypeOrSelf(getType()));
  if (!context.isRounded() || type.isF64()) {
    results.push_back(capped(operands[0], cap));
    return success();
  }
  results.push_back(capped<float>(operands[0], cap));
  ftc::roundedTo(type)(results.back());
  return success();
}
// DOC-END

// DOC: cost
Cost SoftcapOp::getCost() { return elementwiseCost(*this, /*flopsPerElement=*/3); }
// DOC-END

// DOC: scalar
void SoftcapOp::buildScalar(OpBuilder &builder, Location loc, ValueRange scalars,
                            SmallVectorImpl<Value> &results) {
  Value x = scalars[0];
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(builder, loc, builder.getFloatAttr(x.getType(), value));
  };
  double cap = getCap().convertToDouble();
  Value ratio = arith::MulFOp::create(builder, loc, x, constant(1 / cap));
  Value tanh = math::TanhOp::create(builder, loc, ratio);
  results.push_back(arith::MulFOp::create(builder, loc, tanh, constant(cap)));
}
// DOC-END

void SoftcapOp::getAsmResultNames(OpAsmSetValueNameFn setName) { setName(getResult(), "capped"); }
