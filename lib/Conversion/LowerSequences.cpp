//===- LowerSequences.cpp - kernels that are several launches -------------===//
// Products, sums of rows, the global norm.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "EntryBuilder.h"
#include "ftc/Analysis/Lifetimes.h"

#include "llvm/Support/FormatVariadic.h"

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
  entry.launch(spec, {site.loc, site.site, 1, 2 * m * n * k, site.rows}, {a, b, c});
}

void ftc::launchRowSum(EntryBuilder &entry, const LaunchSite &site, StringRef name, Value in,
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
