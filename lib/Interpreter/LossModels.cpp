//===- LossModels.cpp - evaluation of the loss ----------------------------===//
// Cross-entropy of a linear head against the next token's label, and its gradients.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Models.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace ftc::ft;

static constexpr int64_t kIgnored = -100;

static LogicalResult checkLabels(Operation *op, const HostValue &labels, int64_t classes) {
  for (double label : labels.data)
    if (label != kIgnored && !(label >= 0 && label < classes))
      return op->emitOpError("at site \"") << getSite(op) << "\" has label " << label << " for "
                                           << classes << " classes; expected one of them or -100";
  return success();
}

/// What token t is to predict, the label of the next token of its segment; kIgnored for nothing.
static int64_t targetOf(const HostValue &labels, const HostValue &segments, int64_t t) {
  return t + 1 < segmentEnd(segments, t) ? labels.data[t + 1] : kIgnored;
}

/// log softmax(W h_t).
static std::vector<double> logProbabilities(const HostValue &hidden, const HostValue &weight,
                                            int64_t t) {
  std::vector<double> logits(weight.shape[0], 0);
  for (int64_t c = 0; c < weight.shape[0]; ++c)
    for (int64_t d = 0; d < weight.shape[1]; ++d)
      logits[c] += at(weight, c, d) * at(hidden, t, d);
  double largest = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (double logit : logits)
    sum += std::exp(logit - largest);
  for (double &logit : logits)
    logit -= largest + std::log(sum);
  return logits;
}

static LogicalResult linearCrossEntropy(LinearCrossEntropyOp op, Operands in, Results &out) {
  const HostValue &hidden = in[0], &weight = in[1], &labels = in[2], &segments = in[3];
  if (failed(checkLabels(op, labels, weight.shape[0])))
    return failure();
  HostValue loss = zeros(op.getResult());
  for (int64_t t = 0; t < hidden.shape[0]; ++t) {
    int64_t target = targetOf(labels, segments, t);
    if (target != kIgnored)
      loss.data[0] -= in[4].data[0] * logProbabilities(hidden, weight, t)[target];
  }
  out.push_back(std::move(loss));
  return success();
}

/// Calls add(t, c, dz_tc) for every token that predicts and every class, where dz_t is the gradient
/// of the loss with respect to the token's logits: grad * inv_items * (softmax(z_t) - onehot(y_t)).
template <typename Op, typename Add>
static LogicalResult forEachLogit(Op op, Operands in, Add add) {
  const HostValue &hidden = in[0], &weight = in[1], &labels = in[2], &segments = in[3];
  if (failed(checkLabels(op, labels, weight.shape[0])))
    return failure();
  double factor = in[4].data[0] * in[5].data[0];
  for (int64_t t = 0; t < hidden.shape[0]; ++t) {
    int64_t target = targetOf(labels, segments, t);
    if (target == kIgnored)
      continue;
    std::vector<double> logs = logProbabilities(hidden, weight, t);
    for (int64_t c = 0; c < weight.shape[0]; ++c)
      add(t, c, factor * (std::exp(logs[c]) - (c == target ? 1 : 0)));
  }
  return success();
}

static LogicalResult gradInput(LinearCrossEntropyGradInputOp op, Operands in, Results &out) {
  HostValue dh = zeros(op.getResult());
  LogicalResult status = forEachLogit(op, in, [&](int64_t t, int64_t c, double dz) {
    for (int64_t d = 0; d < dh.shape[1]; ++d)
      at(dh, t, d) += dz * at(in[1], c, d);
  });
  out.push_back(std::move(dh));
  return status;
}

static LogicalResult gradWeight(LinearCrossEntropyGradWeightOp op, Operands in, Results &out) {
  HostValue dw = zeros(op.getResult());
  LogicalResult status = forEachLogit(op, in, [&](int64_t t, int64_t c, double dz) {
    for (int64_t d = 0; d < dw.shape[1]; ++d)
      at(dw, c, d) += dz * at(in[0], t, d);
  });
  out.push_back(std::move(dw));
  return status;
}

void ftc::ft::attachLossModels(MLIRContext &context) {
  attach<LinearCrossEntropyOp, linearCrossEntropy>(context);
  attach<LinearCrossEntropyGradInputOp, gradInput>(context);
  attach<LinearCrossEntropyGradWeightOp, gradWeight>(context);
}
