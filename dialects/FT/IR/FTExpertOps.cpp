//===- FTExpertOps.cpp - routed experts -----------------------------------===//
// Builders, verifiers, gradients, costs and names of routing, dispatch and products by expert.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FTNames.h"
#include "dialects/FT/IR/FT.h"
#include "ftc/Mutants.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace ftc::ft;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
static int64_t rowsOf(Value value) { return typeOf(value).getDimSize(0); }
static int64_t columnsOf(Value value) { return typeOf(value).getDimSize(1); }

/// The type of what is kept per row: f32 where the values are narrower.
static Type statisticOf(Type like) {
  auto element = cast<FloatType>(getElementTypeOrSelf(like));
  return element.getWidth() < 32 ? Float32Type::get(like.getContext()) : element;
}

static RankedTensorType indices(MLIRContext *context, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, IntegerType::get(context, 32));
}

//===-- Routing -----------------------------------------------------------===//

void RouteOp::build(OpBuilder &builder, OperationState &state, Value logits, int64_t topK,
                    bool normalized, StringRef site) {
  RankedTensorType type = typeOf(logits);
  int64_t tokens = type.getDimSize(0);
  Type statistic = statisticOf(type);
  build(builder, state, RankedTensorType::get({tokens, topK}, statistic),
        RankedTensorType::get(type.getShape(), statistic),
        indices(builder.getContext(), {tokens, topK}), logits,
        normalized ? builder.getUnitAttr() : UnitAttr(), builder.getStringAttr(site));
}

LogicalResult RouteOp::verify() {
  RankedTensorType logits = getLogits().getType(), weights = getWeights().getType();
  Type statistic = statisticOf(logits);
  if (getProbabilities().getType() != logits.clone(statistic))
    return emitOpError("gives probabilities ")
           << getProbabilities().getType() << " for logits " << logits << "; expected "
           << logits.clone(statistic);
  if (weights.getDimSize(0) != logits.getDimSize(0) || weights.getElementType() != statistic ||
      weights.getDimSize(1) > logits.getDimSize(1))
    return emitOpError("gives weights ") << weights << " for logits " << logits;
  if (getExperts().getType().getShape() != weights.getShape())
    return emitOpError("gives experts ")
           << getExperts().getType() << " and weights " << weights << "; expected one shape";
  return success();
}

LogicalResult RouteGradOp::verify() {
  RankedTensorType weights = getWeights().getType();
  if (getExperts().getType().getShape() != weights.getShape() ||
      rowsOf(getProbabilities()) != weights.getDimSize(0) ||
      columnsOf(getProbabilities()) < weights.getDimSize(1))
    return emitOpError("has probabilities ")
           << getProbabilities().getType() << ", weights " << weights << " and experts "
           << getExperts().getType();
  return success();
}

void ExpertOrderOp::build(OpBuilder &builder, OperationState &state, Value experts,
                          int64_t numExperts, StringRef site) {
  MLIRContext *context = builder.getContext();
  build(builder, state, indices(context, {typeOf(experts).getNumElements()}), experts.getType(),
        indices(context, {numExperts + 1}), experts, builder.getStringAttr(site));
}

LogicalResult ExpertOrderOp::verify() {
  if (rowsOf(getOrder()) != typeOf(getExperts()).getNumElements() ||
      getPlaces().getType() != getExperts().getType())
    return emitOpError("sorts ") << getExperts().getType() << " into " << getOrder().getType()
                                 << " and " << getPlaces().getType();
  if (rowsOf(getOffsets()) < columnsOf(getExperts()) + 1)
    return emitOpError("has offsets ")
           << getOffsets().getType() << " for " << columnsOf(getExperts()) << " experts a token";
  return success();
}

/// One shape in all layers, of as many tokens as the segments have.
static LogicalResult verifyLayers(Operation *op, OperandRange experts, SegmentsType segments,
                                  int64_t tokens) {
  if (experts.empty())
    return op->emitOpError("has no layer");
  for (Value layer : experts)
    if (layer.getType() != experts[0].getType())
      return op->emitOpError("has experts ")
             << layer.getType() << " and " << experts[0].getType() << "; expected one shape";
  if (rowsOf(experts[0]) != tokens || segments.getTokens() != tokens)
    return op->emitOpError("has experts ")
           << experts[0].getType() << " and segments over " << segments.getTokens()
           << " tokens for " << tokens << " rows of probabilities";
  return success();
}

LogicalResult BalanceLossOp::verify() {
  for (Value layer : getProbabilities())
    if (layer.getType() != getProbabilities()[0].getType())
      return emitOpError("has probabilities ")
             << layer.getType() << " and " << getProbabilities()[0].getType()
             << "; expected one shape";
  int64_t tokens = getProbabilities().empty() ? 0 : rowsOf(getProbabilities()[0]);
  return verifyLayers(*this, getExperts(), getSegments().getType(), tokens);
}
LogicalResult BalanceLossGradOp::verify() {
  return verifyLayers(*this, getExperts(), getSegments().getType(), getType().getDimSize(0));
}

//===-- Tokens to experts and back ----------------------------------------===//

static RankedTensorType resized(Value matrix, int64_t rows) {
  return typeOf(matrix).clone(ArrayRef<int64_t>{rows, columnsOf(matrix)});
}

void DispatchOp::build(OpBuilder &builder, OperationState &state, Value input, Value order,
                       Value places, Value weights, StringRef site) {
  build(builder, state, resized(input, rowsOf(order)), input, order, places, weights,
        builder.getStringAttr(site));
}

void CombineOp::build(OpBuilder &builder, OperationState &state, Value input, Value order,
                      Value places, Value weights, StringRef site) {
  build(builder, state, resized(input, rowsOf(places)), input, order, places, weights,
        builder.getStringAttr(site));
}

/// Tables of pairs, and matrices with a row for each token and for each pair.
template <typename Op>
static LogicalResult verifyPairs(Op op, RankedTensorType tokens, RankedTensorType pairs) {
  RankedTensorType places = op.getPlaces().getType();
  if (places.getDimSize(0) != tokens.getDimSize(0) ||
      places.getNumElements() != pairs.getDimSize(0) || tokens.getDimSize(1) != pairs.getDimSize(1))
    return op.emitOpError("has places ")
           << places << " for tokens' rows " << tokens << " and experts' rows " << pairs;
  return success();
}

template <typename Op> static LogicalResult verifyTables(Op op) {
  RankedTensorType places = op.getPlaces().getType();
  if (rowsOf(op.getOrder()) != places.getNumElements())
    return op.emitOpError("has order ") << op.getOrder().getType() << " for places " << places;
  if (op.getWeights() && typeOf(op.getWeights()).getShape() != places.getShape())
    return op.emitOpError("has weights ") << op.getWeights().getType() << " for places " << places;
  if (getElementTypeOrSelf(op.getInput()) != op.getType().getElementType())
    return op.emitOpError("gives ") << op.getType() << " for " << op.getInput().getType();
  return success();
}

LogicalResult DispatchOp::verify() {
  return failed(verifyTables(*this)) ? failure()
                                     : verifyPairs(*this, getInput().getType(), getType());
}
LogicalResult CombineOp::verify() {
  return failed(verifyTables(*this)) ? failure()
                                     : verifyPairs(*this, getType(), getInput().getType());
}
LogicalResult CombineWeightGradOp::verify() {
  if (getType().getShape() != getPlaces().getType().getShape())
    return emitOpError("gives ") << getType() << " for places " << getPlaces().getType();
  return verifyPairs(*this, getGrad().getType(), getInput().getType());
}

//===-- Products by expert ------------------------------------------------===//

/// Rows and columns of one expert's weight; rows 0 where there is none such.
static std::pair<int64_t, int64_t> expertShape(RankedTensorType weights, Value offsets) {
  int64_t experts = rowsOf(offsets) - 1;
  if (weights.getRank() == 3 && weights.getDimSize(0) == experts)
    return {weights.getDimSize(1), weights.getDimSize(2)};
  if (weights.getRank() == 2 && experts > 0 && weights.getDimSize(0) % experts == 0)
    return {weights.getDimSize(0) / experts, weights.getDimSize(1)};
  return {0, 0};
}

static LogicalResult verifyExperts(Operation *op, RankedTensorType weights, Value offsets) {
  if (expertShape(weights, offsets).first == 0)
    return op->emitOpError("has weights ")
           << weights << " for the experts of offsets " << offsets.getType();
  return success();
}

void GroupedMatmulOp::build(OpBuilder &builder, OperationState &state, Value input, Value weights,
                            Value offsets, bool transposeRhs, StringRef site, double scale) {
  auto [rows, columns] = expertShape(typeOf(weights), offsets);
  RankedTensorType type = typeOf(input);
  build(builder, state, type.clone({type.getDimSize(0), transposeRhs ? rows : columns}), input,
        weights, offsets, transposeRhs ? builder.getUnitAttr() : UnitAttr(),
        builder.getStringAttr(site), builder.getF64FloatAttr(scale));
}

LogicalResult GroupedMatmulOp::verify() {
  RankedTensorType weights = getWeights().getType(), input = getInput().getType();
  if (failed(verifyExperts(*this, weights, getOffsets())))
    return failure();
  auto [rows, columns] = expertShape(weights, getOffsets());
  if (getTransposeRhs())
    std::swap(rows, columns);
  if (input.getDimSize(1) != rows)
    return emitOpError("contracts ") << input.getDimSize(1) << " input columns with " << rows
                                     << " of an expert's weight " << weights;
  if (getType() != input.clone({input.getDimSize(0), columns}))
    return emitOpError("gives ") << getType() << " for " << input << " by " << weights;
  return success();
}

LogicalResult GroupedWeightGradOp::verify() {
  if (failed(verifyExperts(*this, getType(), getOffsets())))
    return failure();
  auto [rows, columns] = expertShape(getType(), getOffsets());
  if (rowsOf(getLhs()) != rowsOf(getRhs()) || columnsOf(getLhs()) != rows ||
      columnsOf(getRhs()) != columns)
    return emitOpError("gives ") << getType() << " for " << getLhs().getType() << " and "
                                 << getRhs().getType();
  return success();
}

//===-- Gradients ---------------------------------------------------------===//

// w depends on p, and p = softmax(z).
void RouteOp::buildGradient(OpBuilder &builder, ValueRange resultGrads,
                            SmallVectorImpl<Value> &operandGrads) {
  Value grad = resultGrads[1];
  if (resultGrads[0]) {
    Value chosen =
        RouteGradOp::create(builder, getLoc(), resultGrads[0], getProbabilities(), getWeights(),
                            getExperts(), getNormalizedAttr(), getSiteAttr());
    grad = grad ? AddOp::create(builder, getLoc(), chosen, grad) : chosen;
  }
  if (!grad) {
    operandGrads.push_back(Value());
    return;
  }
  grad = SoftmaxGradOp::create(builder, getLoc(), grad, getProbabilities(), getSiteAttr());
  if (grad.getType() != getLogits().getType())
    grad = CastOp::create(builder, getLoc(), getLogits().getType(), grad);
  operandGrads.push_back(grad);
}

void BalanceLossOp::buildGradient(OpBuilder &builder, ValueRange resultGrads,
                                  SmallVectorImpl<Value> &operandGrads) {
  Value grad =
      BalanceLossGradOp::create(builder, getLoc(), getProbabilities()[0].getType(), getExperts(),
                                getSegments(), resultGrads[0], getCoefficientAttr());
  operandGrads.append(getProbabilities().size(), grad);
  operandGrads.append(getExperts().size() + 1, Value());
}

void DispatchOp::buildGradient(OpBuilder &builder, ValueRange resultGrads,
                               SmallVectorImpl<Value> &operandGrads) {
  Value grad = resultGrads[0];
  operandGrads.append(
      {CombineOp::create(builder, getLoc(), grad, getOrder(), getPlaces(), getWeights(), getSite()),
       Value(), Value()});
  if (getWeights())
    operandGrads.push_back(CombineWeightGradOp::create(
        builder, getLoc(), getWeights().getType(), getInput(), grad, getPlaces(), getSiteAttr()));
}

void CombineOp::buildGradient(OpBuilder &builder, ValueRange resultGrads,
                              SmallVectorImpl<Value> &operandGrads) {
  Value grad = resultGrads[0];
  operandGrads.append(
      {DispatchOp::create(builder, getLoc(), grad, getOrder(), getPlaces(),
                          FTC_MUTATE("unweighted-experts", getWeights(), Value()), getSite()),
       Value(), Value()});
  if (getWeights())
    operandGrads.push_back(CombineWeightGradOp::create(
        builder, getLoc(), getWeights().getType(), grad, getInput(), getPlaces(), getSiteAttr()));
}

// Y_e = s X_e W_e^T:  dX_e = s dY_e W_e,  dW_e = s dY_e^T X_e; without the transpose
// dX_e = s dY_e W_e^T,  dW_e = s X_e^T dY_e.
void GroupedMatmulOp::buildGradient(OpBuilder &builder, ValueRange resultGrads,
                                    SmallVectorImpl<Value> &operandGrads) {
  Value grad = resultGrads[0];
  Value left = getTransposeRhs() ? grad : getInput(), right = getTransposeRhs() ? getInput() : grad;
  operandGrads.append(
      {GroupedMatmulOp::create(builder, getLoc(), grad, getWeights(), getOffsets(),
                               !getTransposeRhs(), getSite(), getScale().convertToDouble()),
       GroupedWeightGradOp::create(
           builder, getLoc(), getWeights().getType(), left, right, getOffsets(), getSiteAttr(),
           FTC_MUTATE("untrained-experts", getScaleAttr(), builder.getF64FloatAttr(0.0))),
       Value()});
}

//===-- softmax_grad as a reduction along rows ----------------------------===//

Indexing SoftmaxGradOp::getOperandIndexing(unsigned) { return Indexing::element; }

void SoftmaxGradOp::buildContributions(OpBuilder &builder, Location loc, ValueRange scalars,
                                       SmallVectorImpl<Value> &terms) {
  terms.push_back(arith::MulFOp::create(builder, loc, scalars[0], scalars[1]));
}

void SoftmaxGradOp::buildFinish(OpBuilder &, Location, ValueRange, ValueRange sums,
                                SmallVectorImpl<Value> &rowScalars) {
  rowScalars.push_back(sums[0]);
}

void SoftmaxGradOp::buildElements(OpBuilder &builder, Location loc, ValueRange scalars,
                                  ValueRange rowScalars, SmallVectorImpl<Value> &results) {
  Value centered = arith::SubFOp::create(builder, loc, scalars[0], rowScalars[0]);
  results.push_back(arith::MulFOp::create(builder, loc, scalars[1], centered));
}

//===-- Costs -------------------------------------------------------------===//

Cost RouteOp::getCost() { return elementwiseCost(*this, 4); }
Cost RouteGradOp::getCost() { return elementwiseCost(*this, 1); }
Cost SoftmaxGradOp::getCost() { return elementwiseCost(*this, 4); }
Cost ExpertOrderOp::getCost() { return elementwiseCost(*this, 0); }
Cost BalanceLossOp::getCost() {
  Cost cost = elementwiseCost(*this, 1);
  cost.flops *= getProbabilities().size();
  return cost;
}
Cost BalanceLossGradOp::getCost() { return elementwiseCost(*this, 1); }
Cost DispatchOp::getCost() { return elementwiseCost(*this, getWeights() ? 1 : 0); }
Cost CombineOp::getCost() { return elementwiseCost(*this, getWeights() ? 2 : 1); }
Cost CombineWeightGradOp::getCost() { return elementwiseCost(*this, 2); }

// Every row is multiplied by one expert's weight, whatever the experts are; all weights are read.
Cost GroupedMatmulOp::getCost() {
  Cost cost = elementwiseCost(*this, 0);
  cost.flops = 2 * rowsOf(getInput()) * columnsOf(getInput()) * getType().getDimSize(1);
  return cost;
}
Cost GroupedWeightGradOp::getCost() {
  Cost cost = elementwiseCost(*this, 0);
  cost.flops = 2 * rowsOf(getLhs()) * columnsOf(getLhs()) * columnsOf(getRhs());
  return cost;
}

//===-- Names -------------------------------------------------------------===//

static void name(Operation *op, unsigned result, StringRef prefix, StringRef suffix,
                 OpAsmSetValueNameFn setName) {
  setName(op->getResult(result), prefix.str() + lastComponents(getSite(op), 1) + suffix.str());
}

void RouteOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  name(*this, 0, "", "_weights", setName);
  name(*this, 1, "", "_probs", setName);
  name(*this, 2, "", "_experts", setName);
}
void RouteGradOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  name(*this, 0, "d_", "_probs", setName);
}
void SoftmaxGradOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  name(*this, 0, "d_", "_logits", setName);
}
void ExpertOrderOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  name(*this, 0, "", "_order", setName);
  name(*this, 1, "", "_places", setName);
  name(*this, 2, "", "_offsets", setName);
}
void BalanceLossOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), "balance_loss");
}
void BalanceLossGradOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), "d_router_probs");
}
void DispatchOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  name(*this, 0, "", "_rows", setName);
}
void CombineOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  name(*this, 0, "", "_sum", setName);
}
void CombineWeightGradOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  name(*this, 0, "d_", "_weights", setName);
}
void GroupedMatmulOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  name(*this, 0, getTransposeRhs() ? "" : "dX_", "", setName);
}
void GroupedWeightGradOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  name(*this, 0, "dW_", "", setName);
}
