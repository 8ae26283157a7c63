//===- ProductModels.cpp - evaluation of products and lookups -------------===//
// Matrix products, the embedding and its gradient, rotary positions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Models.h"

using namespace mlir;
using namespace ftc::ft;

static LogicalResult linear(LinearOp op, Operands in, Results &out) {
  const HostValue &x = in[0], &w = in[1];
  HostValue y = zeros(op.getResult());
  for (int64_t t = 0; t < y.shape[0]; ++t)
    for (int64_t n = 0; n < y.shape[1]; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < x.shape[1]; ++k)
        sum += at(x, t, k) * at(w, n, k);
      at(y, t, n) = op.getScale().convertToDouble() * sum;
    }
  out.push_back(std::move(y));
  return success();
}

static LogicalResult matmul(MatmulOp op, Operands in, Results &out) {
  const HostValue &a = in[0], &b = in[1];
  bool transposeA = op.getTransposeLhs(), transposeB = op.getTransposeRhs();
  HostValue c = zeros(op.getResult());
  for (int64_t m = 0; m < c.shape[0]; ++m)
    for (int64_t n = 0; n < c.shape[1]; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < a.shape[transposeA ? 0 : 1]; ++k)
        sum += (transposeA ? at(a, k, m) : at(a, m, k)) * (transposeB ? at(b, n, k) : at(b, k, n));
      at(c, m, n) = op.getScale().convertToDouble() * sum;
    }
  out.push_back(std::move(c));
  return success();
}

/// Ids index the rows of a table.
static LogicalResult checkIds(Operation *op, const HostValue &ids, int64_t rows) {
  for (double id : ids.data)
    if (!(id >= 0 && id < rows))
      return op->emitOpError("at site \"")
             << getSite(op) << "\" looks up id " << id << " in a table of " << rows << " rows";
  return success();
}

static LogicalResult embedding(EmbeddingOp op, Operands in, Results &out) {
  const HostValue &ids = in[0], &table = in[1];
  if (failed(checkIds(op, ids, table.shape[0])))
    return failure();
  HostValue y = zeros(op.getResult());
  for (int64_t t = 0; t < y.shape[0]; ++t)
    for (int64_t j = 0; j < y.shape[1]; ++j)
      at(y, t, j) = at(table, ids.data[t], j);
  out.push_back(std::move(y));
  return success();
}

static LogicalResult embeddingGrad(EmbeddingGradOp op, Operands in, Results &out) {
  const HostValue &ids = in[0], &grad = in[1];
  HostValue table = zeros(op.getResult());
  if (failed(checkIds(op, ids, table.shape[0])))
    return failure();
  for (int64_t t = 0; t < grad.shape[0]; ++t)
    for (int64_t j = 0; j < grad.shape[1]; ++j)
      at(table, ids.data[t], j) += at(grad, t, j);
  out.push_back(std::move(table));
  return success();
}

static LogicalResult rope(RopeOp op, Operands in, Results &out) {
  const HostValue &x = in[0], &cos = in[1], &sin = in[2], &segments = in[3];
  int64_t headDim = op.getHeadDim(), half = cos.shape[1];
  HostValue y = x;
  for (int64_t t = 0; t < x.shape[0]; ++t) {
    int64_t p = positionOf(segments, t);
    if (p >= cos.shape[0])
      return op->emitOpError("at site \"") << op.getSite() << "\" has a token at position " << p
                                           << ", but tables of " << cos.shape[0] << " positions";
    for (int64_t head = 0; head < x.shape[1]; head += headDim)
      for (int64_t i = 0; i < half; ++i) {
        double c = at(cos, p, i), s = op.getTransposed() ? -at(sin, p, i) : at(sin, p, i);
        double first = at(x, t, head + i), second = at(x, t, head + half + i);
        at(y, t, head + i) = first * c - second * s;
        at(y, t, head + half + i) = second * c + first * s;
      }
  }
  out.push_back(std::move(y));
  return success();
}

void ftc::ft::attachProductModels(MLIRContext &context) {
  attach<LinearOp, linear>(context);
  attach<MatmulOp, matmul>(context);
  attach<EmbeddingOp, embedding>(context);
  attach<EmbeddingGradOp, embeddingGrad>(context);
  attach<RopeOp, rope>(context);
}
