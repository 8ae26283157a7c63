//===- LowerSequences.cpp - kernels that are several launches -------------===//
// Products, sums of rows, the global norm.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "EntryBuilder.h"

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

/// How many elements a row of partial sums takes: the largest divisor of `elements` up to 16384, or
/// all of them where there is no useful one.
static int64_t partialWidth(int64_t elements) {
  constexpr int64_t most = 16384;
  if (elements <= most)
    return elements;
  for (int64_t width = most; width >= 64; --width)
    if (elements % width == 0)
      return width;
  return elements;
}

void ftc::lowerGlobalNorm(ft::KernelOp kernel, EntryBuilder &entry) {
  Location loc = kernel.getLoc();
  std::string site = kernel.getSite().str();
  int64_t partials = 0;
  for (Value value : kernel.getInputs()) {
    int64_t elements = cast<RankedTensorType>(value.getType()).getNumElements();
    partials += elements / partialWidth(elements);
  }
  Type f32 = entry.builder.getF32Type();
  Value sums = entry.allocate("norm_partials", MemRefType::get({partials}, f32));
  auto square = [](OpBuilder &b, Location l, Value element) -> Value {
    return arith::MulFOp::create(b, l, element, element);
  };
  int64_t next = 0;
  for (Value value : kernel.getInputs()) {
    int64_t elements = cast<RankedTensorType>(value.getType()).getNumElements();
    int64_t width = partialWidth(elements), rows = elements / width;
    launchRowSum(entry, {loc, site, rows, 2 * elements}, "row_sum_squares",
                 entry.view(entry.bufferOf(value), 0, {rows, width}), {},
                 entry.view(sums, next, {rows}), square,
                 [](OpBuilder &, Location, Value sum, ValueRange) { return sum; });
    next += rows;
  }
  Value norm = entry.bufferFor(kernel.getResult(0), {});
  launchRowSum(
      entry, {loc, site, 1, partials}, "row_sum_root", entry.view(sums, 0, {1, partials}), {},
      entry.view(norm, 0, {1}), [](OpBuilder &, Location, Value element) { return element; },
      [](OpBuilder &b, Location l, Value sum, ValueRange) -> Value {
        return math::SqrtOp::create(b, l, sum);
      });
}
