//===- LowerCrossEntropy.cpp - the loss of a linear head ------------------===//
// Chunks of the rows that predict: gathered, multiplied, and their gradients scattered.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// The input `loss_rows` lists the tokens that predict first, so every launch of a chunk can stop at
// the last one of them: a token without a target costs nothing. What is written at no such token
// (its loss, its row of the gradient) is zeroed before.
//===----------------------------------------------------------------------===//
#include "EntryBuilder.h"

#include "ftc/Mutants.h"

#include <set>

using namespace mlir;
using namespace ftc;
using launch::Access;
using launch::Family;
using launch::Indexing;

/// Says what other chunks of logits would cost: bytes held at once, and launches and reads of the
/// head that each further chunk adds. `rowBytes`: of a row of logits, `weight`: of the head.
static void observeRows(EntryBuilder &entry, StringRef site, int64_t tokens, int64_t rowBytes,
                        int64_t weight, int64_t chosen, int64_t fewest) {
  std::set<int64_t> sizes = {chosen, tokens};
  for (int64_t rows : {fewest, chosen / 2, chosen * 2})
    if (rows >= fewest && rows < tokens)
      sizes.insert(rows);
  std::vector<Candidate> candidates;
  for (int64_t rows : sizes) {
    int64_t chunks = (tokens + rows - 1) / rows, bytes = rows * rowBytes;
    bool fits = bytes <= entry.options.logitsBytes;
    std::string why = rows == chosen
                          ? (!fits            ? "the fewest rows that pay"
                             : rows == tokens ? "all rows fit into logits-bytes"
                                              : "the most rows that fit into logits-bytes")
                      : fits ? "reads the head more often"
                             : "more than logits-bytes";
    candidates.push_back({std::to_string(rows) + " rows",
                          why,
                          rows == chosen,
                          {{"bytes of logits", bytes},
                           {"chunks", chunks},
                           {"bytes of the head read", chunks * weight}}});
  }
  entry.observer.decide("how many rows of logits at once", site, std::move(candidates));
}

static void launchZero(EntryBuilder &entry, const LaunchSite &site, Value buffer) {
  KernelSpec spec;
  spec.family = Family::map;
  spec.name = spec.body = "zero";
  spec.args = {makeArg(Access::write, Indexing::element, flat(buffer))};
  spec.regions = 1;
  spec.fill = [](launch::KernelOp kernel) {
    OpBuilder body = OpBuilder::atBlockEnd(&kernel.getBodies()[0].emplaceBlock());
    Value zero =
        arith::ConstantOp::create(body, kernel.getLoc(), body.getF32FloatAttr(0)).getResult();
    launch::YieldOp::create(body, kernel.getLoc(), zero);
  };
  int64_t elements = cast<MemRefType>(buffer.getType()).getNumElements();
  entry.launch(spec, {site.loc, site.site, elements, 0}, buffer);
}

namespace {
/// The launches of one kernel of the family. `dHidden`, `dWeight` and `losses` are null where they
/// are not asked for; `seed` is the gradient of the loss, null where only that is.
struct ChunkedLoss {
  EntryBuilder &entry;
  LaunchSite site;
  Value hidden = {}, weight = {}, rows = {}, targets = {}, invItems = {}, seed = {};
  Value dHidden = {}, dWeight = {}, losses = {};
  MemRefType logitsType = {};
  FloatAttr softcap = {}; ///< of the logits; null where there is none

  Value allocate(StringRef name, int64_t columns, Type element, int64_t count) {
    return entry.allocate(name, MemRefType::get({count, columns}, element));
  }

  /// A row of `matrix` for each of the chunk's tokens, or the other way round.
  void launchRows(Family family, StringRef name, Value listed, Value chunk, Value matrix) {
    bool gathers = family == Family::embedding;
    KernelSpec spec;
    spec.family = family;
    spec.name = name.str();
    spec.args.push_back(makeArg(Access::read, Indexing::row, openRows(listed)));
    auto whole = makeArg(gathers ? Access::read : Access::readwrite, Indexing::whole,
                         cast<MemRefType>(matrix.getType()));
    auto part = makeArg(gathers ? Access::write : Access::read, Indexing::element, openRows(chunk));
    spec.args.append(gathers ? std::initializer_list<launch::ArgAttr>{whole, part}
                             : std::initializer_list<launch::ArgAttr>{part, whole});
    SmallVector<Value> operands = {listed};
    operands.append(gathers ? std::initializer_list<Value>{matrix, chunk}
                            : std::initializer_list<Value>{chunk, matrix});
    entry.launch(spec, site, operands);
  }

  void launchCrossEntropy(Value logits, int64_t begin) {
    int64_t count = cast<MemRefType>(logits.getType()).getDimSize(0),
            vocabulary = logitsType.getDimSize(1);
    Builder &b = entry.builder;
    KernelSpec spec;
    spec.family = Family::cross_entropy;
    spec.name = "cross_entropy";
    SmallVector<NamedAttribute> params = {b.getNamedAttr("gradient", b.getBoolAttr((bool)seed)),
                                          b.getNamedAttr("loss", b.getBoolAttr((bool)losses))};
    if (softcap)
      params.push_back(b.getNamedAttr("softcap", softcap));
    spec.params = b.getDictionaryAttr(params);
    SmallVector<Value> operands = {logits, entry.view(targets, begin, {count})};
    spec.args = {
        makeArg(seed ? Access::readwrite : Access::read, Indexing::element, openRows(logits)),
        makeArg(Access::read, Indexing::row, openRows(operands[1]))};
    if (seed)
      for (Value scalar : {invItems, seed}) {
        spec.args.push_back(
            makeArg(Access::read, Indexing::scalar, cast<MemRefType>(scalar.getType())));
        operands.push_back(scalar);
      }
    if (losses) {
      operands.push_back(entry.view(losses, begin, {count}));
      spec.args.push_back(makeArg(Access::write, Indexing::row, openRows(operands.back())));
    }
    LaunchSite here = site;
    here.flops = 5 * count * vocabulary;
    entry.launch(spec, here, operands);
  }

  /// Rows [begin, begin + count) of the list.
  void launchChunk(int64_t begin, int64_t count) {
    auto hiddenType = cast<MemRefType>(hidden.getType());
    int64_t width = hiddenType.getDimSize(1);
    site.grid = count;
    site.rows = begin;
    Value listed = entry.view(rows, begin, {count});
    Value chunk = allocate("loss_hidden", width, hiddenType.getElementType(), count);
    launchRows(Family::embedding, "gather", listed, chunk, hidden);
    Value logits = allocate("logits", logitsType.getDimSize(1), logitsType.getElementType(), count);
    launchProduct(entry, site, chunk, weight, logits, false, true, 1.0, false);
    launchCrossEntropy(logits, begin);
    // The weight's gradient first: behind it the chunk's own bytes are free for dHidden's.
    if (dWeight)
      launchProduct(entry, site, logits, chunk, dWeight, true, false, 1.0, begin > 0);
    if (!dHidden)
      return;
    Type element = cast<MemRefType>(dHidden.getType()).getElementType();
    Value gradient = allocate("loss_hidden_grad", width, element, count);
    launchProduct(entry, site, logits, weight, gradient, false, false, 1.0, false);
    if (begin == 0)
      launchZero(entry, site, dHidden);
    launchRows(Family::scatter, "scatter", listed, gradient, dHidden);
  }
};
} // namespace

LogicalResult ftc::lowerCrossEntropy(ft::KernelOp kernel, EntryBuilder &entry) {
  ft::LinearCrossEntropyOp loss;
  ft::LinearCrossEntropyGradInputOp gradInput;
  ft::LinearCrossEntropyGradWeightOp gradWeight;
  for (Operation &op : kernel.getBody().front()) {
    loss = loss ? loss : dyn_cast<ft::LinearCrossEntropyOp>(op);
    gradInput = gradInput ? gradInput : dyn_cast<ft::LinearCrossEntropyGradInputOp>(op);
    gradWeight = gradWeight ? gradWeight : dyn_cast<ft::LinearCrossEntropyGradWeightOp>(op);
  }
  for (Operation &op : kernel.getBody().front().without_terminator())
    if (op.getAttr("softcap") != kernel.getBody().front().front().getAttr("softcap"))
      return kernel.emitOpError("has losses and gradients of different softcaps");
  if (gradInput && gradWeight && gradInput.getGrad() != gradWeight.getGrad())
    return kernel.emitOpError("has gradients of two different losses");
  Operation *first = &kernel.getBody().front().front();
  auto bufferOf = [&](Operation *op, unsigned index) {
    auto argument = cast<BlockArgument>(op->getOperand(index));
    return entry.bufferOf(kernel.getInputs()[argument.getArgNumber()]);
  };
  auto yield = cast<ft::YieldOp>(kernel.getBody().front().getTerminator());
  auto bufferOfResult = [&](Operation *op) {
    for (auto [index, value] : llvm::enumerate(yield.getValues()))
      if (op && value == op->getResult(0))
        return entry.bufferFor(kernel.getResult(index), {});
    return Value();
  };

  LaunchSite site{kernel.getLoc(), kernel.getSite().str(), 1, 0};
  ChunkedLoss chunks{entry, site};
  chunks.hidden = bufferOf(first, 0);
  chunks.weight = bufferOf(first, 1);
  chunks.targets = bufferOf(first, 2);
  chunks.invItems = bufferOf(first, 4);
  if (Operation *grad = gradInput ? gradInput.getOperation() : gradWeight.getOperation())
    chunks.seed = bufferOf(grad, 5);
  if (auto cap = first->getAttrOfType<FloatAttr>("softcap"); cap && !cap.getValue().isZero())
    chunks.softcap = cap;
  chunks.dHidden = bufferOfResult(gradInput);
  chunks.dWeight = bufferOfResult(gradWeight);
  Value lossBuffer = bufferOfResult(loss);

  unifyFactors(entry, site, chunks.hidden, chunks.weight);
  auto hiddenType = cast<MemRefType>(chunks.hidden.getType());
  auto weightType = cast<MemRefType>(chunks.weight.getType());
  int64_t tokens = hiddenType.getDimSize(0), vocabulary = weightType.getDimSize(0);
  chunks.logitsType = MemRefType::get({tokens, vocabulary}, hiddenType.getElementType());
  chunks.rows = entry.input("loss_rows", {tokens}, entry.builder.getI32Type());
  // Each chunk reads the whole head: few rows at a time would be all traffic and no work.
  constexpr int64_t fewest = 64, step = 64;
  int64_t rowBytes = launch::getBufferBytes(chunks.logitsType) / tokens;
  int64_t fitting = entry.options.logitsBytes / rowBytes / step * step;
  int64_t rows = std::min(tokens, FTC_MUTATE("whole-logits", std::max(fewest, fitting), tokens));
  observeRows(entry, site.site, tokens, rowBytes, launch::getBufferBytes(weightType), rows, fewest);
  if (lossBuffer) {
    chunks.losses =
        entry.allocate("token_losses", MemRefType::get({tokens}, entry.builder.getF32Type()));
    launchZero(entry, site, chunks.losses);
  }
  for (int64_t begin = 0; begin < tokens; begin += rows)
    chunks.launchChunk(begin, std::min(rows, tokens - begin));

  if (lossBuffer)
    launchRowSum(
        entry, {site.loc, site.site, 1, tokens}, "row_sum_loss",
        entry.view(chunks.losses, 0, {1, tokens}), {chunks.invItems},
        entry.view(lossBuffer, 0, {1}),
        [](OpBuilder &, Location, Value element) { return element; },
        [](OpBuilder &b, Location l, Value sum, ValueRange scalars) -> Value {
          return arith::MulFOp::create(b, l, sum, scalars[0]);
        });
  return success();
}
