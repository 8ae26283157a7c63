//===- ElementwiseModels.cpp - evaluation of elementwise ops --------------===//
// Elementwise and optimizer ops, and the scalars of the run.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Models.h"

#include <cmath>

using namespace mlir;
using namespace ftc::ft;

using Context = EvaluationContext;

/// y_i = f(i) for every element of `result`.
template <typename Compute> static void fill(Value result, Results &out, Compute compute) {
  HostValue y = zeros(result);
  for (size_t i = 0; i < y.data.size(); ++i)
    y.data[i] = compute(i);
  out.push_back(std::move(y));
}

template <typename Real> static LogicalResult add(AddOp op, Context &, Operands in, Results &out) {
  fill(op.getResult(), out, [&](size_t i) { return at<Real>(in[0], i) + at<Real>(in[1], i); });
  return success();
}

template <typename Real> static LogicalResult mul(MulOp op, Context &, Operands in, Results &out) {
  fill(op.getResult(), out, [&](size_t i) { return at<Real>(in[0], i) * at<Real>(in[1], i); });
  return success();
}

template <typename Real>
static LogicalResult constant(ConstantOp op, Context &, Operands, Results &out) {
  fill(op.getResult(), out, [&](size_t) { return number<Real>(op.getValue()); });
  return success();
}

template <typename Real>
static LogicalResult scale(ScaleOp op, Context &, Operands in, Results &out) {
  Real factor = number<Real>(op.getFactor());
  fill(op.getResult(), out, [&](size_t i) { return at<Real>(in[0], i) * factor; });
  return success();
}

template <typename Real>
static LogicalResult convert(CastOp op, Context &, Operands in, Results &out) {
  fill(op.getResult(), out, [&](size_t i) { return at<Real>(in[0], i); });
  return success();
}

template <typename Real> static Real sigmoid(Real x) { return 1 / (1 + std::exp(-x)); }

template <typename Real>
static LogicalResult silu(SiluOp op, Context &, Operands in, Results &out) {
  fill(op.getResult(), out, [&](size_t i) {
    Real x = at<Real>(in[0], i);
    return x * sigmoid(x);
  });
  return success();
}

template <typename Real>
static LogicalResult siluGrad(SiluGradOp op, Context &, Operands in, Results &out) {
  fill(op.getResult(), out, [&](size_t i) {
    Real grad = at<Real>(in[0], i), x = at<Real>(in[1], i), s = sigmoid(x);
    return grad * (s + x * s * (1 - s));
  });
  return success();
}

template <typename Real>
static LogicalResult relu(ReluOp op, Context &, Operands in, Results &out) {
  // What is no number stays none.
  fill(op.getResult(), out,
       [&](size_t i) { return at<Real>(in[0], i) <= 0 ? 0 : at<Real>(in[0], i); });
  return success();
}

template <typename Real>
static LogicalResult reluGrad(ReluGradOp op, Context &, Operands in, Results &out) {
  fill(op.getResult(), out,
       [&](size_t i) { return at<Real>(in[1], i) > 0 ? at<Real>(in[0], i) : 0; });
  return success();
}

template <typename Real>
static LogicalResult biasAdd(BiasAddOp op, Context &, Operands in, Results &out) {
  int64_t columns = op.getType().getDimSize(1);
  fill(op.getResult(), out,
       [&](size_t i) { return at<Real>(in[0], i) + at<Real>(in[1], i % columns); });
  return success();
}

template <typename Real>
static LogicalResult clipScale(ClipScaleOp op, Context &, Operands in, Results &out) {
  fill(op.getResult(), out, [&](size_t i) {
    Real ratio = at<Real>(in[1], i) / (at<Real>(in[0], i) + Real(1e-6));
    // A norm that is not a number stays visible, as in torch.clamp.
    return ratio > 1 ? Real(1) : ratio;
  });
  return success();
}

template <typename Real>
static LogicalResult adamw(AdamWOp op, Context &, Operands in, Results &out) {
  HostValue newParam = zeros(op.getNewParam());
  HostValue newMoment1 = newParam, newMoment2 = newParam;
  auto scalar = [&](unsigned index) { return at<Real>(in[index], 0); };
  Real clip = scalar(4), learningRate = scalar(5), alpha1 = scalar(6), alpha2 = scalar(7),
       epsilon = scalar(8), weightDecay = scalar(9), biasCorrection1 = scalar(10),
       biasCorrection2Sqrt = scalar(11);
  for (size_t i = 0; i < newParam.data.size(); ++i) {
    Real p = at<Real>(in[0], i), g = at<Real>(in[1], i) * clip, m = at<Real>(in[2], i),
         v = at<Real>(in[3], i);
    if (op.getDecay())
      p = p * (1 - learningRate * weightDecay);
    m = m + alpha1 * (g - m);
    v = (1 - alpha2) * v + alpha2 * g * g;
    newParam.data[i] =
        p - learningRate / biasCorrection1 * m / (std::sqrt(v) / biasCorrection2Sqrt + epsilon);
    newMoment1.data[i] = m;
    newMoment2.data[i] = v;
  }
  out.push_back(std::move(newParam));
  out.push_back(std::move(newMoment1));
  out.push_back(std::move(newMoment2));
  return success();
}

template <typename Real>
static LogicalResult runValue(RunValueOp op, Context &, Operands in, Results &out) {
  fill(op.getResult(), out,
       [&](size_t) { return at<Real>(in[0], static_cast<size_t>(op.getField())); });
  return success();
}

void ftc::ft::attachElementwiseModels(MLIRContext &context) {
  attach<AddOp, add<double>, add<float>>(context);
  attach<MulOp, mul<double>, mul<float>>(context);
  attach<ConstantOp, constant<double>, constant<float>>(context);
  attach<ScaleOp, scale<double>, scale<float>>(context);
  attach<CastOp, convert<double>, convert<float>>(context);
  attach<SiluOp, silu<double>, silu<float>>(context);
  attach<SiluGradOp, siluGrad<double>, siluGrad<float>>(context);
  attach<ReluOp, relu<double>, relu<float>>(context);
  attach<ReluGradOp, reluGrad<double>, reluGrad<float>>(context);
  attach<BiasAddOp, biasAdd<double>, biasAdd<float>>(context);
  attach<ClipScaleOp, clipScale<double>, clipScale<float>>(context);
  attach<AdamWOp, adamw<double>, adamw<float>>(context);
  attach<RunValueOp, runValue<double>, runValue<float>>(context);
}
