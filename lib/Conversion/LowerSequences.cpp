//===- LowerSequences.cpp - kernels that are several launches -------------===//
// Products, chunked cross-entropy, the global norm.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "EntryBuilder.h"
#include "ftc/Analysis/Lifetimes.h"

#include "llvm/Support/FormatVariadic.h"

#include <set>

using namespace mlir;
using namespace ftc;
using launch::Access;
using launch::Family;
using launch::Indexing;

void ftc::unifyFactors(EntryBuilder &entry, const LaunchSite &site, Value &a, Value &b) {
  auto elementOf = [](Value buffer) { return cast<MemRefType>(buffer.getType()).getElementType(); };
  if (!entry.options.sameTypeProducts || elementOf(a) == elementOf(b))
    return;
  for (Value *factor : {&a, &b}) {
    if (elementOf(*factor).isF32())
      continue;
    auto type = cast<MemRefType>(factor->getType());
    Value wide =
        entry.allocate("widened", MemRefType::get(type.getShape(), entry.builder.getF32Type()));
    entry.copy(site.loc, site.site, *factor, wide);
    *factor = wide;
  }
}

void ftc::launchProduct(EntryBuilder &entry, const LaunchSite &site, Value a, Value b, Value c,
                        bool transposeA, bool transposeB, double scale, bool accumulate) {
  auto typeA = cast<MemRefType>(a.getType()), typeB = cast<MemRefType>(b.getType()),
       typeC = cast<MemRefType>(c.getType());
  int64_t m = typeC.getDimSize(0), n = typeC.getDimSize(1), k = typeA.getDimSize(!transposeA);
  Builder &builder = entry.builder;
  KernelSpec spec;
  spec.family = Family::gemm;
  spec.name = llvm::formatv("gemm_{0}{1}_{2}x{3}x{4}{5}", transposeA ? "t" : "n",
                            transposeB ? "t" : "n", m, n, k, accumulate ? "_add" : "");
  spec.args = {makeArg(Access::read, Indexing::whole, typeA),
               makeArg(Access::read, Indexing::whole, typeB),
               makeArg(accumulate ? Access::readwrite : Access::write, Indexing::whole, typeC)};
  spec.params = builder.getDictionaryAttr(
      {builder.getNamedAttr("transpose_a", builder.getBoolAttr(transposeA)),
       builder.getNamedAttr("transpose_b", builder.getBoolAttr(transposeB)),
       builder.getNamedAttr("scale", builder.getF64FloatAttr(scale))});
  entry.launch(spec, {site.loc, site.site, 1, 2 * m * n * k}, {a, b, c});
}

/// A row kernel that only sums: each element's term, then `finish` on the sum, one value per row.
/// Its regions are written here since no ft op is behind them.
static void launchRowSum(EntryBuilder &entry, const LaunchSite &site, StringRef name, Value in,
                         ValueRange scalars, Value out,
                         function_ref<Value(OpBuilder &, Location, Value)> term,
                         function_ref<Value(OpBuilder &, Location, Value, ValueRange)> finish) {
  KernelSpec spec;
  spec.family = Family::row_reduce;
  spec.name = spec.body = name.str();
  spec.regions = 3;
  spec.args.push_back(makeArg(Access::read, Indexing::element, openRows(in)));
  SmallVector<Value> operands = {in};
  for (Value scalar : scalars) {
    spec.args.push_back(
        makeArg(Access::read, Indexing::scalar, cast<MemRefType>(scalar.getType())));
    operands.push_back(scalar);
  }
  spec.args.push_back(makeArg(Access::write, Indexing::row, openRows(out)));
  operands.push_back(out);
  size_t count = scalars.size();
  spec.fill = [&](launch::KernelOp kernel) {
    Location loc = kernel.getLoc();
    SmallVector<Block *> blocks;
    for (Region &region : kernel.getBodies())
      blocks.push_back(&region.emplaceBlock());
    OpBuilder body(kernel.getContext());
    auto arguments = [&](Block *block, size_t number) {
      for (size_t i = 0; i < number; ++i)
        block->addArgument(body.getF32Type(), loc);
      body.setInsertionPointToEnd(block);
    };
    arguments(blocks[0], 1 + count);
    launch::YieldOp::create(body, loc, term(body, loc, blocks[0]->getArgument(0)));
    arguments(blocks[1], count + 1);
    launch::YieldOp::create(body, loc,
                            finish(body, loc, blocks[1]->getArgument(count),
                                   blocks[1]->getArguments().take_front(count)));
    arguments(blocks[2], 1 + count + 1);
    launch::YieldOp::create(body, loc, blocks[2]->getArgument(1 + count));
  };
  entry.launch(spec, site, operands);
}

//===-- Cross-entropy -----------------------------------------------------===//

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

LogicalResult ftc::lowerCrossEntropy(ft::KernelOp kernel, EntryBuilder &entry) {
  ft::LinearCrossEntropyOp loss;
  ft::LinearCrossEntropyGradInputOp gradInput;
  ft::LinearCrossEntropyGradWeightOp gradWeight;
  for (Operation &op : kernel.getBody().front()) {
    loss = loss ? loss : dyn_cast<ft::LinearCrossEntropyOp>(op);
    gradInput = gradInput ? gradInput : dyn_cast<ft::LinearCrossEntropyGradInputOp>(op);
    gradWeight = gradWeight ? gradWeight : dyn_cast<ft::LinearCrossEntropyGradWeightOp>(op);
  }
  auto outside = [&](Value inside) {
    return kernel.getInputs()[cast<BlockArgument>(inside).getArgNumber()];
  };
  Operation *first = &kernel.getBody().front().front();
  auto operand = [&](unsigned index) { return entry.bufferOf(outside(first->getOperand(index))); };
  Value hidden = operand(0), weight = operand(1), targets = operand(2), invItems = operand(4);
  Operation *grad = gradInput ? gradInput.getOperation() : gradWeight.getOperation();
  Value seed = grad ? entry.bufferOf(outside(grad->getOperand(5))) : Value();
  if (gradInput && gradWeight && gradInput.getGrad() != gradWeight.getGrad())
    return kernel.emitOpError("has gradients of two different losses");

  auto yield = cast<ft::YieldOp>(kernel.getBody().front().getTerminator());
  auto bufferOfResult = [&](Value inside) {
    for (auto [index, value] : llvm::enumerate(yield.getValues()))
      if (value == inside)
        return entry.bufferFor(kernel.getResult(index), {});
    return Value();
  };
  Value dHidden = gradInput ? bufferOfResult(gradInput.getResult()) : Value();
  Value dWeight = gradWeight ? bufferOfResult(gradWeight.getResult()) : Value();
  Value lossBuffer = loss ? bufferOfResult(loss.getResult()) : Value();

  Location loc = kernel.getLoc();
  std::string site = kernel.getSite().str();
  unifyFactors(entry, {loc, site, 1, 0}, hidden, weight);
  auto hiddenType = cast<MemRefType>(hidden.getType());
  int64_t tokens = hiddenType.getDimSize(0), width = hiddenType.getDimSize(1);
  int64_t vocabulary = cast<MemRefType>(weight.getType()).getDimSize(0);
  // Each chunk reads the whole head: few rows at a time would be all traffic and no work.
  constexpr int64_t fewest = 64, step = 64;
  Type logitsType = hiddenType.getElementType();
  int64_t rowBytes = vocabulary * logitsType.getIntOrFloatBitWidth() / 8;
  int64_t fitting = entry.options.logitsBytes / rowBytes / step * step;
  int64_t rows = std::min(tokens, std::max(fewest, fitting));
  Type f32 = entry.builder.getF32Type();
  observeRows(entry, site, tokens, rowBytes,
              launch::getBufferBytes(cast<MemRefType>(weight.getType())), rows, fewest);
  Value losses =
      lossBuffer ? entry.allocate("token_losses", MemRefType::get({tokens}, f32)) : Value();

  for (int64_t begin = 0; begin < tokens; begin += rows) {
    int64_t count = std::min(rows, tokens - begin);
    Value chunk = entry.view(hidden, begin * width, {count, width});
    Value logits = entry.allocate("logits", MemRefType::get({count, vocabulary}, logitsType));
    launchProduct(entry, {loc, site, 1, 0}, chunk, weight, logits, false, true, 1.0, false);

    Builder &b = entry.builder;
    KernelSpec spec;
    spec.family = Family::cross_entropy;
    spec.name = "cross_entropy";
    spec.params = b.getDictionaryAttr({b.getNamedAttr("gradient", b.getBoolAttr(grad)),
                                       b.getNamedAttr("loss", b.getBoolAttr((bool)losses))});
    SmallVector<Value> operands = {logits, entry.view(targets, begin, {count})};
    spec.args = {
        makeArg(grad ? Access::readwrite : Access::read, Indexing::element, openRows(logits)),
        makeArg(Access::read, Indexing::row, openRows(operands[1]))};
    if (grad)
      for (Value scalar : {invItems, seed}) {
        spec.args.push_back(
            makeArg(Access::read, Indexing::scalar, cast<MemRefType>(scalar.getType())));
        operands.push_back(scalar);
      }
    if (losses) {
      operands.push_back(entry.view(losses, begin, {count}));
      spec.args.push_back(makeArg(Access::write, Indexing::row, openRows(operands.back())));
    }
    entry.launch(spec, {loc, site, count, 5 * count * vocabulary}, operands);

    if (dHidden)
      launchProduct(entry, {loc, site, 1, 0}, logits, weight,
                    entry.view(dHidden, begin * width, {count, width}), false, false, 1.0, false);
    if (dWeight)
      launchProduct(entry, {loc, site, 1, 0}, logits, chunk, dWeight, true, false, 1.0, begin > 0);
  }

  if (lossBuffer)
    launchRowSum(
        entry, {loc, site, 1, tokens}, "row_sum_loss", entry.view(losses, 0, {1, tokens}),
        {invItems}, entry.view(lossBuffer, 0, {1}),
        [](OpBuilder &, Location, Value element) { return element; },
        [](OpBuilder &b, Location l, Value sum, ValueRange scalars) -> Value {
          return arith::MulFOp::create(b, l, sum, scalars[0]);
        });
  return success();
}

//===-- Global norm -------------------------------------------------------===//

/// How many sums of squares the norm adds up for each of its operands.
static int64_t partialsOf(ft::GlobalNormOp norm, unsigned operand) {
  int64_t elements = cast<RankedTensorType>(norm->getOperand(operand).getType()).getNumElements();
  return operand < norm.getInputs().size() ? elements / ft::SumSquaresOp::getPartLength(elements)
                                           : elements;
}

/// The buffer of all sums of a formed norm, made when the first of them is.
static Value partialsBuffer(ft::KernelOp kernel, EntryBuilder &entry) {
  Value &buffer = entry.gathered[kernel];
  if (buffer)
    return buffer;
  auto norm = cast<ft::GlobalNormOp>(kernel.getBody().front().front());
  int64_t partials = 0;
  for (unsigned i = 0; i < norm->getNumOperands(); ++i)
    partials += partialsOf(norm, i);
  return buffer = entry.allocate("norm_partials",
                                 MemRefType::get({partials}, entry.builder.getF32Type()));
}

/// Where in the norm's buffer a vector of sums belongs, if one norm reads it and nobody else.
static Value placeInNorm(Value sums, EntryBuilder &entry) {
  auto kernel =
      sums.hasOneUse() ? dyn_cast<ft::KernelOp>(*sums.getUsers().begin()) : ft::KernelOp();
  auto norm =
      kernel ? dyn_cast<ft::GlobalNormOp>(kernel.getBody().front().front()) : ft::GlobalNormOp();
  if (!norm)
    return Value();
  int64_t begin = 0;
  for (auto [index, operand] : llvm::enumerate(norm->getOperands())) {
    int64_t count = partialsOf(norm, index);
    bool isIt = kernel.getInputs()[cast<BlockArgument>(operand).getArgNumber()] == sums;
    if (isIt && index >= norm.getInputs().size() && operand.hasOneUse())
      return entry.view(partialsBuffer(kernel, entry), begin, {count});
    begin += count;
  }
  return Value();
}

/// Sums of squares of `rows` parts of a buffer, into the elements of `out` from `begin` on.
static void launchSquares(EntryBuilder &entry, ft::KernelOp kernel, Value in, int64_t rows,
                          Value out, int64_t begin) {
  int64_t elements = cast<MemRefType>(in.getType()).getNumElements();
  Value parts = entry.view(in, 0, {rows, elements / rows});
  launchRowSum(
      entry, {kernel.getLoc(), kernel.getSite().str(), rows, 2 * elements}, "row_sum_squares",
      parts, {}, entry.view(out, begin, {rows}),
      [](OpBuilder &b, Location l, Value element) -> Value {
        return arith::MulFOp::create(b, l, element, element);
      },
      [](OpBuilder &, Location, Value sum, ValueRange) { return sum; });
}

void ftc::lowerSumSquares(ft::KernelOp kernel, EntryBuilder &entry) {
  Value sums = kernel.getResult(0), out = placeInNorm(sums, entry);
  if (out)
    entry.hold(out, sums);
  else
    out = entry.bufferFor(sums, {});
  launchSquares(entry, kernel, entry.bufferOf(kernel.getInputs()[0]),
                cast<MemRefType>(out.getType()).getDimSize(0), out, 0);
}

void ftc::lowerGlobalNorm(ft::KernelOp kernel, EntryBuilder &entry) {
  auto op = cast<ft::GlobalNormOp>(kernel.getBody().front().front());
  Value sums = partialsBuffer(kernel, entry);
  int64_t next = 0;
  for (auto [index, operand] : llvm::enumerate(op->getOperands())) {
    Value in = entry.bufferOf(kernel.getInputs()[cast<BlockArgument>(operand).getArgNumber()]);
    int64_t rows = partialsOf(op, index);
    int64_t offset;
    if (index < op.getInputs().size())
      launchSquares(entry, kernel, in, rows, sums, next);
    else if (getBase(in, offset) != sums.getDefiningOp())
      entry.copy(kernel.getLoc(), kernel.getSite(), in, entry.view(sums, next, {rows}));
    next += rows;
  }
  Value norm = entry.bufferFor(kernel.getResult(0), {});
  launchRowSum(
      entry, {kernel.getLoc(), kernel.getSite().str(), 1, next}, "row_sum_root",
      entry.view(sums, 0, {1, next}), {}, entry.view(norm, 0, {1}),
      [](OpBuilder &, Location, Value element) { return element; },
      [](OpBuilder &b, Location l, Value sum, ValueRange) -> Value {
        return math::SqrtOp::create(b, l, sum);
      });
}
