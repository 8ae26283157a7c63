//===- AttentionModels.cpp - evaluation of attention ----------------------===//
// Causal attention inside segments, and its three gradients.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Models.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace ftc::ft;

/// The inner product of head `aHead` of row i of `a` with head `bHead` of row j of `b`.
static double dot(const HostValue &a, int64_t i, int64_t aHead, const HostValue &b, int64_t j,
                  int64_t bHead, int64_t headDim) {
  double sum = 0;
  for (int64_t d = 0; d < headDim; ++d)
    sum += at(a, i, aHead * headDim + d) * at(b, j, bHead * headDim + d);
  return sum;
}

static LogicalResult attention(AttentionOp op, Operands in, Results &out) {
  const HostValue &q = in[0], &k = in[1], &v = in[2], &segments = in[3];
  HostValue y = zeros(op.getResult()), logsumexp = zeros(op.getLogsumexp());
  int64_t tokens = q.shape[0], headDim = op.getHeadDim(), heads = q.shape[1] / headDim;
  int64_t group = q.shape[1] / k.shape[1];
  for (int64_t i = 0; i < tokens; ++i)
    for (int64_t h = 0; h < heads; ++h) {
      int64_t begin = segmentBegin(segments, i);
      if (begin > i)
        continue;
      std::vector<double> scores;
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t j = begin; j <= i; ++j) {
        scores.push_back(op.getScale().convertToDouble() * dot(q, i, h, k, j, h / group, headDim));
        largest = std::max(largest, scores.back());
      }
      for (double score : scores)
        sum += std::exp(score - largest);
      at(logsumexp, i, h) = largest + std::log(sum);
      for (int64_t j = begin; j <= i; ++j)
        for (int64_t d = 0; d < headDim; ++d)
          at(y, i, h * headDim + d) +=
              std::exp(scores[j - begin] - largest) / sum * at(v, j, h / group * headDim + d);
    }
  out.push_back(std::move(y));
  out.push_back(std::move(logsumexp));
  return success();
}

static LogicalResult attentionDelta(AttentionDeltaOp op, Operands in, Results &out) {
  HostValue delta = zeros(op.getResult());
  for (int64_t t = 0; t < delta.shape[0]; ++t)
    for (int64_t h = 0; h < delta.shape[1]; ++h)
      at(delta, t, h) = dot(in[0], t, h, in[1], t, h, op.getHeadDim());
  out.push_back(std::move(delta));
  return success();
}

/// Calls add(i, j, head, key head, P_ij, dS_ij) for every pair of a query and a key that it sees.
template <typename Op, typename Add> static void forEachPair(Op op, Operands in, Add add) {
  const HostValue &q = in[0], &k = in[1], &v = in[2], &grad = in[3], &logsumexp = in[4],
                  &delta = in[5], &segments = in[6];
  int64_t headDim = op.getHeadDim(), heads = q.shape[1] / headDim;
  int64_t group = q.shape[1] / k.shape[1];
  double scale = op.getScale().convertToDouble();
  for (int64_t i = 0; i < q.shape[0]; ++i)
    for (int64_t j = segmentBegin(segments, i); j <= i; ++j)
      for (int64_t h = 0; h < heads; ++h) {
        double p = std::exp(scale * dot(q, i, h, k, j, h / group, headDim) - at(logsumexp, i, h));
        double ds = p * (dot(grad, i, h, v, j, h / group, headDim) - at(delta, i, h));
        add(i, j, h, h / group, p, ds);
      }
}

static LogicalResult attentionGradQuery(AttentionGradQueryOp op, Operands in, Results &out) {
  HostValue dq = zeros(op.getResult());
  int64_t headDim = op.getHeadDim();
  forEachPair(op, in, [&](int64_t i, int64_t j, int64_t h, int64_t kv, double, double ds) {
    for (int64_t d = 0; d < headDim; ++d)
      at(dq, i, h * headDim + d) +=
          op.getScale().convertToDouble() * ds * at(in[1], j, kv * headDim + d);
  });
  out.push_back(std::move(dq));
  return success();
}

static LogicalResult attentionGradKey(AttentionGradKeyOp op, Operands in, Results &out) {
  HostValue dk = zeros(op.getResult());
  int64_t headDim = op.getHeadDim();
  forEachPair(op, in, [&](int64_t i, int64_t j, int64_t h, int64_t kv, double, double ds) {
    for (int64_t d = 0; d < headDim; ++d)
      at(dk, j, kv * headDim + d) +=
          op.getScale().convertToDouble() * ds * at(in[0], i, h * headDim + d);
  });
  out.push_back(std::move(dk));
  return success();
}

static LogicalResult attentionGradValue(AttentionGradValueOp op, Operands in, Results &out) {
  HostValue dv = zeros(op.getResult());
  int64_t headDim = op.getHeadDim();
  forEachPair(op, in, [&](int64_t i, int64_t j, int64_t h, int64_t kv, double p, double) {
    for (int64_t d = 0; d < headDim; ++d)
      at(dv, j, kv * headDim + d) += p * at(in[3], i, h * headDim + d);
  });
  out.push_back(std::move(dv));
  return success();
}

void ftc::ft::attachAttentionModels(MLIRContext &context) {
  attach<AttentionOp, attention>(context);
  attach<AttentionDeltaOp, attentionDelta>(context);
  attach<AttentionGradQueryOp, attentionGradQuery>(context);
  attach<AttentionGradKeyOp, attentionGradKey>(context);
  attach<AttentionGradValueOp, attentionGradValue>(context);
}
