//===- NormModels.cpp - evaluation of norms and reductions ----------------===//
// rms_norm and its gradients, sums over rows, the global norm.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Models.h"

#include <cmath>

using namespace mlir;
using namespace ftc::ft;

static LogicalResult rmsNorm(RMSNormOp op, Operands in, Results &out) {
  const HostValue &x = in[0], &weight = in[1];
  HostValue y = zeros(op.getResult()), rstd = zeros(op.getRstd());
  for (int64_t t = 0; t < x.shape[0]; ++t) {
    double squares = 0;
    for (int64_t j = 0; j < x.shape[1]; ++j)
      squares += at(x, t, j) * at(x, t, j);
    rstd.data[t] = 1 / std::sqrt(squares / x.shape[1] + op.getEps().convertToDouble());
    for (int64_t j = 0; j < x.shape[1]; ++j)
      at(y, t, j) = at(x, t, j) * rstd.data[t] * weight.data[j];
  }
  out.push_back(std::move(y));
  out.push_back(std::move(rstd));
  return success();
}

static LogicalResult rmsNormGrad(RMSNormGradOp op, Operands in, Results &out) {
  const HostValue &grad = in[0], &x = in[1], &weight = in[2], &rstd = in[3];
  HostValue dx = zeros(op.getResult());
  for (int64_t t = 0; t < x.shape[0]; ++t) {
    double c = 0;
    for (int64_t j = 0; j < x.shape[1]; ++j)
      c += at(grad, t, j) * weight.data[j] * at(x, t, j) / x.shape[1];
    for (int64_t j = 0; j < x.shape[1]; ++j)
      at(dx, t, j) = rstd.data[t] * at(grad, t, j) * weight.data[j] -
                     at(x, t, j) * std::pow(rstd.data[t], 3) * c;
  }
  out.push_back(std::move(dx));
  return success();
}

static LogicalResult rmsNormWeightGrad(RMSNormWeightGradOp op, Operands in, Results &out) {
  const HostValue &grad = in[0], &x = in[1], &rstd = in[2];
  HostValue dw = zeros(op.getResult());
  for (int64_t t = 0; t < x.shape[0]; ++t)
    for (int64_t j = 0; j < x.shape[1]; ++j)
      dw.data[j] += at(grad, t, j) * at(x, t, j) * rstd.data[t];
  out.push_back(std::move(dw));
  return success();
}

static LogicalResult sumRows(SumRowsOp op, Operands in, Results &out) {
  HostValue sum = zeros(op.getResult());
  for (int64_t t = 0; t < in[0].shape[0]; ++t)
    for (int64_t j = 0; j < in[0].shape[1]; ++j)
      sum.data[j] += at(in[0], t, j);
  out.push_back(std::move(sum));
  return success();
}

static LogicalResult globalNorm(GlobalNormOp op, Operands in, Results &out) {
  HostValue norm = zeros(op.getResult());
  double squares = 0;
  for (const HostValue &tensor : in)
    for (double element : tensor.data)
      squares += element * element;
  norm.data[0] = std::sqrt(squares);
  out.push_back(std::move(norm));
  return success();
}

void ftc::ft::attachNormModels(MLIRContext &context) {
  attach<RMSNormOp, rmsNorm>(context);
  attach<RMSNormGradOp, rmsNormGrad>(context);
  attach<RMSNormWeightGradOp, rmsNormWeightGrad>(context);
  attach<SumRowsOp, sumRows>(context);
  attach<GlobalNormOp, globalNorm>(context);
}
