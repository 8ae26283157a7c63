//===- TokenKernels.cpp - col_reduce, rope, lookups and scatters ----------===//
// Kernels that walk over tokens.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace ftc;
using namespace ftc::cpu;
using launch::Access;
using launch::Indexing;
using launch::KernelOp;

static constexpr int64_t kGrid = ShapedType::kDynamic;

//===-- col_reduce --------------------------------------------------------===//

/// Columns whose sums are kept in scratch while the rows go by; they stay in the first-level cache.
static constexpr int64_t kColumnTile = 1024;

LogicalResult cpu::lowerColReduce(LoweredKernel &lowered, ModuleOp module, int64_t nativeLanes) {
  KernelOp kernel = lowered.kernel;
  unsigned out = kernel.getNumArgs() - 1;
  if (kernel.getArg(out).getAccess() == Access::read)
    return kernel.emitError("kernel ")
           << kernel.getSymNameAttr() << " of family col_reduce must write its last argument";
  if (failed(checkScalarRegions(kernel)) ||
      failed(expectArg(kernel, out, "column", "float", {-1}, true)))
    return failure();
  int64_t columns = kernel.getArg(out).getType().getDimSize(0), rows = -1;
  for (unsigned i = 0; i < out; ++i) {
    launch::ArgAttr arg = kernel.getArg(i);
    bool element = arg.getIndexing() == Indexing::element;
    LogicalResult fits =
        element ? expectArg(kernel, i, "element", "float", {rows, columns})
        : arg.getIndexing() == Indexing::row    ? expectArg(kernel, i, "row", "float", {rows})
        : arg.getIndexing() == Indexing::column ? expectArg(kernel, i, "column", "float", {columns})
        : arg.getIndexing() == Indexing::scalar ? expectArg(kernel, i, "scalar", "float", {})
                                                : failure();
    if (failed(fits))
      return failure();
    if (element || arg.getIndexing() == Indexing::row)
      rows = arg.getType().getDimSize(0);
  }
  if (rows < 0)
    return kernel.emitError("kernel ")
           << kernel.getSymNameAttr()
           << " of family col_reduce has no rows; expected an argument of memref<MxNxfloat>";

  KernelBuilder kb(lowered, module, nativeLanes);
  lowered.scratchBytes = kColumnTile * sizeof(float);
  Value sums = kb.scratchView(kColumnTile);
  Region &term = kernel.getBodies()[0];
  kb.forEach(kb.lo, kb.hi, kColumnTile, [&](Value first) {
    Value count = arith::MinUIOp::create(kb.b, kb.index(kColumnTile),
                                         arith::SubIOp::create(kb.b, kb.hi, first));
    ColumnRange tile = {kb.index(0), count, std::nullopt};
    kb.forColumns(tile, [&](Value at, int64_t lanes) {
      kb.store(kb.splat(kb.constant(0), lanes), sums, {at});
    });
    kb.forEach(kb.index(0), kb.index(rows), 1, [&](Value row) {
      kb.forColumns(tile, [&](Value at, int64_t lanes) {
        Value column = kb.add(first, at);
        SmallVector<Value> inputs;
        for (unsigned i = 0; i < out; ++i) {
          switch (kernel.getArg(i).getIndexing()) {
          case Indexing::element:
            inputs.push_back(kb.load(kb.view(i), {row, column}, lanes));
            break;
          case Indexing::row:
            inputs.push_back(kb.splat(kb.load(kb.view(i), {row}), lanes));
            break;
          case Indexing::column:
            inputs.push_back(kb.load(kb.view(i), {column}, lanes));
            break;
          default:
            inputs.push_back(kb.splat(kb.load(kb.view(i), {}), lanes));
          }
        }
        Value value = kb.clone(term, inputs, lanes).front();
        Value sum = kb.load(sums, {at}, lanes);
        kb.store(arith::AddFOp::create(kb.b, sum, value), sums, {at});
      });
    });
    kb.forColumns(tile, [&](Value at, int64_t lanes) {
      Value column = kb.add(first, at), sum = kb.load(sums, {at}, lanes);
      if (kernel.getArg(out).getAccess() == Access::readwrite)
        sum = arith::AddFOp::create(kb.b, kb.load(kb.view(out), {column}, lanes), sum);
      kb.store(sum, kb.view(out), {column});
    });
  });
  kb.finish();
  lowered.itemNanoseconds =
      rows * (estimateTraffic(kernel, Indexing::element) + estimateRegion(term) + 0.03);
  return success();
}

//===-- rope --------------------------------------------------------------===//

// y[i] = x[i] cos - x[i + R] sin, y[i + R] = x[i + R] cos + x[i] sin in every head, i < R, with the
// sines negated where transposed; columns from 2R on unchanged.
LogicalResult cpu::lowerRope(LoweredKernel &lowered, ModuleOp module, int64_t nativeLanes) {
  KernelOp kernel = lowered.kernel;
  bool inPlace = kernel.getNumArgs() == 4;
  if (!inPlace && failed(expectArgs(kernel, 5, "x, y (or one in place), cos, sin, positions")))
    return failure();
  unsigned cos = inPlace ? 1 : 2, sin = cos + 1, positions = cos + 2;
  unsigned input = 0, output = inPlace ? 0 : 1;
  if (failed(expectArg(kernel, input, "x", "float", {kGrid, -1}, inPlace)))
    return failure();
  int64_t width = kernel.getArg(input).getType().getDimSize(1);
  if ((!inPlace && failed(expectArg(kernel, output, "y", "float", {kGrid, width}, true))) ||
      failed(expectArg(kernel, cos, "cos", "float", {-1, -1})) ||
      failed(expectArg(kernel, sin, "sin", "float", kernel.getArg(cos).getType().getShape())) ||
      failed(expectArg(kernel, positions, "positions", "i32", {kGrid})))
    return failure();
  int64_t headDim = kernel.getIntParam("head_dim"),
          half = kernel.getArg(cos).getType().getDimSize(1);
  if (headDim <= 0 || width % headDim != 0 || 2 * half > headDim)
    return kernel.emitError("kernel ")
           << kernel.getSymNameAttr() << " of family rope has head_dim " << headDim
           << "; expected a divisor of its width " << width << " of at least " << 2 * half;
  bool transposed = kernel.getIntParam("transposed") != 0;

  KernelBuilder kb(lowered, module, nativeLanes);
  kb.forEach(kb.lo, kb.hi, 1, [&](Value row) {
    Value position = kb.loadIndex(kb.view(positions), {row});
    kb.forEach(kb.index(0), kb.index(width), headDim, [&](Value head) {
      kb.forColumns(kb.columns(half), [&](Value i, int64_t lanes) {
        Value first = kb.add(head, i), second = kb.add(first, kb.index(half));
        Value x1 = kb.load(kb.view(input), {row, first}, lanes);
        Value x2 = kb.load(kb.view(input), {row, second}, lanes);
        Value c = kb.load(kb.view(cos), {position, i}, lanes);
        Value s = kb.load(kb.view(sin), {position, i}, lanes);
        Value x1s = arith::MulFOp::create(kb.b, x1, s), x1c = arith::MulFOp::create(kb.b, x1, c);
        Value x2s = arith::MulFOp::create(kb.b, x2, s), x2c = arith::MulFOp::create(kb.b, x2, c);
        Value y1 = transposed ? Value(arith::AddFOp::create(kb.b, x1c, x2s))
                              : Value(arith::SubFOp::create(kb.b, x1c, x2s));
        Value y2 = transposed ? Value(arith::SubFOp::create(kb.b, x2c, x1s))
                              : Value(arith::AddFOp::create(kb.b, x2c, x1s));
        kb.store(y1, kb.view(output), {row, first});
        kb.store(y2, kb.view(output), {row, second});
      });
      if (inPlace || 2 * half == headDim)
        return;
      kb.forColumns(kb.columns(headDim - 2 * half), [&](Value i, int64_t lanes) {
        Value column = kb.add(kb.add(head, kb.index(2 * half)), i);
        kb.store(kb.load(kb.view(input), {row, column}, lanes), kb.view(output), {row, column});
      });
    });
  });
  kb.finish();
  lowered.itemNanoseconds = width * 0.4;
  return success();
}

//===-- embedding ---------------------------------------------------------===//

LogicalResult cpu::lowerEmbedding(LoweredKernel &lowered, ModuleOp module, int64_t nativeLanes) {
  KernelOp kernel = lowered.kernel;
  if (failed(expectArgs(kernel, 3, "ids, table, out")) ||
      failed(expectArg(kernel, 0, "ids", "i32", {kGrid})) ||
      failed(expectArg(kernel, 1, "table", "float", {-1, -1})))
    return failure();
  int64_t width = kernel.getArg(1).getType().getDimSize(1);
  if (failed(expectArg(kernel, 2, "out", "float", {kGrid, width}, true)))
    return failure();
  KernelBuilder kb(lowered, module, nativeLanes);
  kb.forEach(kb.lo, kb.hi, 1, [&](Value row) {
    Value id = kb.loadIndex(kb.view(0), {row});
    kb.forColumns(kb.columns(width), [&](Value column, int64_t lanes) {
      kb.store(kb.load(kb.view(1), {id, column}, lanes), kb.view(2), {row, column});
    });
  });
  kb.finish();
  lowered.itemNanoseconds = width * 0.3;
  return success();
}

LogicalResult cpu::lowerScatter(LoweredKernel &lowered, ModuleOp module, int64_t nativeLanes) {
  KernelOp kernel = lowered.kernel;
  if (failed(expectArgs(kernel, 3, "rows, values, out")) ||
      failed(expectArg(kernel, 0, "rows", "i32", {kGrid})) ||
      failed(expectArg(kernel, 1, "values", "float", {kGrid, -1})))
    return failure();
  int64_t width = kernel.getArg(1).getType().getDimSize(1);
  if (failed(expectArg(kernel, 2, "out", "float", {-1, width}, true)))
    return failure();
  KernelBuilder kb(lowered, module, nativeLanes);
  kb.forEach(kb.lo, kb.hi, 1, [&](Value item) {
    Value row = kb.loadIndex(kb.view(0), {item});
    kb.forColumns(kb.columns(width), [&](Value column, int64_t lanes) {
      kb.store(kb.load(kb.view(1), {item, column}, lanes), kb.view(2), {row, column});
    });
  });
  kb.finish();
  lowered.itemNanoseconds = width * 0.3;
  return success();
}

LogicalResult cpu::lowerEmbeddingGrad(LoweredKernel &lowered, ModuleOp module,
                                      int64_t nativeLanes) {
  KernelOp kernel = lowered.kernel;
  if (failed(expectArgs(kernel, 3, "ids, grad, out")) ||
      failed(expectArg(kernel, 0, "ids", "i32", {-1})) ||
      failed(expectArg(kernel, 1, "grad", "float", {kernel.getArg(0).getType().getDimSize(0), -1})))
    return failure();
  int64_t tokens = kernel.getArg(1).getType().getDimSize(0),
          width = kernel.getArg(1).getType().getDimSize(1);
  if (failed(expectArg(kernel, 2, "out", "f32", {-1, width}, true)))
    return failure();
  int64_t vocabulary = kernel.getArg(2).getType().getDimSize(0);

  KernelBuilder kb(lowered, module, nativeLanes);
  ColumnRange cut = {kb.lo, kb.hi, std::nullopt};
  if (kernel.getArg(2).getAccess() == Access::write)
    kb.forEach(kb.index(0), kb.index(vocabulary), 1, [&](Value row) {
      kb.forColumns(cut, [&](Value column, int64_t lanes) {
        kb.store(kb.splat(kb.constant(0), lanes), kb.view(2), {row, column});
      });
    });
  kb.forEach(kb.index(0), kb.index(tokens), 1, [&](Value token) {
    Value id = kb.loadIndex(kb.view(0), {token});
    kb.forColumns(cut, [&](Value column, int64_t lanes) {
      Value sum = kb.load(kb.view(2), {id, column}, lanes);
      Value grad = kb.load(kb.view(1), {token, column}, lanes);
      kb.store(arith::AddFOp::create(kb.b, sum, grad), kb.view(2), {id, column});
    });
  });
  kb.finish();
  lowered.itemNanoseconds = vocabulary * 0.15 + tokens * 0.4;
  return success();
}
