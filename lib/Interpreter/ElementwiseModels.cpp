//===- ElementwiseModels.cpp - evaluation of elementwise ops --------------===//
// Elementwise and optimizer ops, and the scalars of the run.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Models.h"

#include <cmath>

using namespace mlir;
using namespace ftc::ft;

static LogicalResult add(AddOp op, Operands in, Results &out) {
  HostValue y = zeros(op.getResult());
  for (size_t i = 0; i < y.data.size(); ++i)
    y.data[i] = in[0].data[i] + in[1].data[i];
  out.push_back(std::move(y));
  return success();
}

static LogicalResult mul(MulOp op, Operands in, Results &out) {
  HostValue y = zeros(op.getResult());
  for (size_t i = 0; i < y.data.size(); ++i)
    y.data[i] = in[0].data[i] * in[1].data[i];
  out.push_back(std::move(y));
  return success();
}

static LogicalResult constant(ConstantOp op, Operands, Results &out) {
  HostValue y = zeros(op.getResult());
  for (double &element : y.data)
    element = op.getValue().convertToDouble();
  out.push_back(std::move(y));
  return success();
}

static LogicalResult scale(ScaleOp op, Operands in, Results &out) {
  HostValue y = zeros(op.getResult());
  for (size_t i = 0; i < y.data.size(); ++i)
    y.data[i] = in[0].data[i] * op.getFactor().convertToDouble();
  out.push_back(std::move(y));
  return success();
}

static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

static LogicalResult silu(SiluOp op, Operands in, Results &out) {
  HostValue y = zeros(op.getResult());
  for (size_t i = 0; i < y.data.size(); ++i)
    y.data[i] = in[0].data[i] * sigmoid(in[0].data[i]);
  out.push_back(std::move(y));
  return success();
}

static LogicalResult siluGrad(SiluGradOp op, Operands in, Results &out) {
  HostValue y = zeros(op.getResult());
  for (size_t i = 0; i < y.data.size(); ++i) {
    double grad = in[0].data[i], x = in[1].data[i], s = sigmoid(x);
    y.data[i] = grad * (s + x * s * (1 - s));
  }
  out.push_back(std::move(y));
  return success();
}

static LogicalResult biasAdd(BiasAddOp op, Operands in, Results &out) {
  HostValue y = zeros(op.getResult());
  for (int64_t t = 0; t < y.shape[0]; ++t)
    for (int64_t j = 0; j < y.shape[1]; ++j)
      at(y, t, j) = at(in[0], t, j) + in[1].data[j];
  out.push_back(std::move(y));
  return success();
}

static LogicalResult clipScale(ClipScaleOp op, Operands in, Results &out) {
  HostValue y = zeros(op.getResult());
  double ratio = in[1].data[0] / (in[0].data[0] + 1e-6);
  // A norm that is not a number stays visible, as in torch.clamp.
  y.data[0] = ratio > 1 ? 1 : ratio;
  out.push_back(std::move(y));
  return success();
}

static LogicalResult adamw(AdamWOp op, Operands in, Results &out) {
  HostValue newParam = zeros(op.getNewParam());
  HostValue newMoment1 = newParam, newMoment2 = newParam;
  double clip = in[4].data[0], learningRate = in[5].data[0], alpha1 = in[6].data[0],
         alpha2 = in[7].data[0], epsilon = in[8].data[0], weightDecay = in[9].data[0],
         biasCorrection1 = in[10].data[0], biasCorrection2Sqrt = in[11].data[0];
  for (size_t i = 0; i < newParam.data.size(); ++i) {
    double p = in[0].data[i], g = in[1].data[i] * clip, m = in[2].data[i], v = in[3].data[i];
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

static LogicalResult runValue(RunValueOp op, Operands in, Results &out) {
  HostValue y = zeros(op.getResult());
  y.data[0] = in[0].data[static_cast<size_t>(op.getField())];
  out.push_back(std::move(y));
  return success();
}

void ftc::ft::attachElementwiseModels(MLIRContext &context) {
  attach<AddOp, add>(context);
  attach<MulOp, mul>(context);
  attach<ConstantOp, constant>(context);
  attach<ScaleOp, scale>(context);
  attach<SiluOp, silu>(context);
  attach<SiluGradOp, siluGrad>(context);
  attach<BiasAddOp, biasAdd>(context);
  attach<ClipScaleOp, clipScale>(context);
  attach<AdamWOp, adamw>(context);
  attach<RunValueOp, runValue>(context);
}
