//===- RowKernels.cpp - the families map and row_reduce -------------------===//
// out[i] = f(in[i]...), and reductions along a row with a map that may use them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelBuilder.h"

using namespace mlir;
using namespace ftc;
using namespace ftc::cpu;
using launch::Access;
using launch::Indexing;
using launch::KernelOp;

static bool isRead(launch::ArgAttr arg) { return arg.getAccess() != Access::write; }
static bool isWritten(launch::ArgAttr arg) { return arg.getAccess() != Access::read; }

/// Columns of the rows that a kernel runs over; 0 where its arguments are flat.
static FailureOr<int64_t> checkRowArgs(KernelOp kernel, bool flatAllowed) {
  int64_t columns = -1;
  bool onlyElements = true;
  for (unsigned i = 0; i < kernel.getNumArgs(); ++i) {
    launch::ArgAttr arg = kernel.getArg(i);
    onlyElements &= arg.getIndexing() == Indexing::element || arg.getIndexing() == Indexing::scalar;
    if (columns < 0 && ((arg.getIndexing() == Indexing::element && arg.getType().getRank() == 2) ||
                        (arg.getIndexing() == Indexing::column && arg.getType().getRank() == 1)))
      columns = arg.getType().getShape().back();
  }
  bool flat = flatAllowed && onlyElements && columns < 0;
  constexpr int64_t grid = ShapedType::kDynamic;
  for (unsigned i = 0; i < kernel.getNumArgs(); ++i) {
    launch::ArgAttr arg = kernel.getArg(i);
    LogicalResult fits = failure();
    bool written = isWritten(arg);
    switch (arg.getIndexing()) {
    case Indexing::element:
      fits = flat ? expectArg(kernel, i, "element", "float", {grid}, written)
                  : expectArg(kernel, i, "element", "float", {grid, columns}, written);
      break;
    case Indexing::row:
      // A map has no value per row to write, unless rows are all that it has.
      fits = expectArg(kernel, i, "row", "float", {grid}, written && (!flatAllowed || columns < 0));
      break;
    case Indexing::column:
      fits = expectArg(kernel, i, "column", "float", {columns}, false);
      break;
    case Indexing::scalar:
      fits = expectArg(kernel, i, "scalar", "float", {}, false);
      break;
    case Indexing::whole:
      return kernel.emitError("kernel ")
             << kernel.getSymNameAttr() << " has argument " << i
             << " with indexing whole; expected element, row, column or scalar";
    }
    if (failed(fits))
      return failure();
  }
  return flat ? 0 : std::max<int64_t>(columns, 0);
}

/// Indices of an argument at an element.
static SmallVector<Value, 2> indicesOf(launch::ArgAttr arg, Value row, Value column) {
  switch (arg.getIndexing()) {
  case Indexing::element:
    return arg.getType().getRank() == 1 ? SmallVector<Value, 2>{column}
                                        : SmallVector<Value, 2>{row, column};
  case Indexing::row:
    return {row};
  case Indexing::column:
    return {column};
  default:
    return {};
  }
}

static bool alongColumns(launch::ArgAttr arg) {
  return arg.getIndexing() == Indexing::element || arg.getIndexing() == Indexing::column;
}

/// The scalars of all read arguments for `lanes` columns.
static SmallVector<Value> loadInputs(KernelBuilder &kb, Value row, Value column, int64_t lanes) {
  SmallVector<Value> inputs;
  for (unsigned i = 0; i < kb.kernel.getNumArgs(); ++i) {
    launch::ArgAttr arg = kb.kernel.getArg(i);
    if (!isRead(arg))
      continue;
    SmallVector<Value, 2> indices = indicesOf(arg, row, column);
    inputs.push_back(alongColumns(arg) ? kb.load(kb.view(i), indices, lanes)
                                       : kb.splat(kb.load(kb.view(i), indices), lanes));
  }
  return inputs;
}

/// Stores the values of the written element arguments; `values` has one per written argument.
static void storeElements(KernelBuilder &kb, ArrayRef<Value> values, Value row, Value column) {
  unsigned next = 0;
  for (unsigned i = 0; i < kb.kernel.getNumArgs(); ++i) {
    launch::ArgAttr arg = kb.kernel.getArg(i);
    if (!isWritten(arg))
      continue;
    Value value = values[next++];
    if (arg.getIndexing() == Indexing::element)
      kb.store(value, kb.view(i), indicesOf(arg, row, column));
  }
}

//===-- map ---------------------------------------------------------------===//

LogicalResult cpu::lowerMap(LoweredKernel &lowered, ModuleOp module, int64_t nativeLanes) {
  KernelOp kernel = lowered.kernel;
  FailureOr<int64_t> columns = checkRowArgs(kernel, /*flatAllowed=*/true);
  if (failed(columns) || failed(checkScalarRegions(kernel)))
    return failure();
  Region &body = kernel.getBodies()[0];
  KernelBuilder kb(lowered, module, nativeLanes);
  double perColumn = estimateRegion(body) + estimateTraffic(kernel, Indexing::element) +
                     estimateTraffic(kernel, Indexing::column);
  double perRow = estimateTraffic(kernel, Indexing::row);

  bool perElement = llvm::any_of(llvm::seq(kernel.getNumArgs()),
                                 [&](unsigned i) { return alongColumns(kernel.getArg(i)); });
  if (*columns == 0 && perElement) {
    kb.forColumns({kb.lo, kb.hi, std::nullopt}, [&](Value column, int64_t lanes) {
      SmallVector<Value> inputs = loadInputs(kb, Value(), column, lanes);
      storeElements(kb, kb.clone(body, inputs, lanes), Value(), column);
    });
    lowered.itemNanoseconds = perColumn;
  } else if (*columns == 0) {
    kb.forEach(kb.lo, kb.hi, 1, [&](Value row) {
      SmallVector<Value> inputs = loadInputs(kb, row, Value(), 1);
      SmallVector<Value> values = kb.clone(body, inputs, 1);
      unsigned next = 0;
      for (unsigned i = 0; i < kernel.getNumArgs(); ++i)
        if (isWritten(kernel.getArg(i)))
          kb.store(values[next++], kb.view(i), {row});
    });
    lowered.itemNanoseconds = perRow + 8 * estimateRegion(body);
  } else {
    kb.forEach(kb.lo, kb.hi, 1, [&](Value row) {
      kb.forColumns(kb.columns(*columns), [&](Value column, int64_t lanes) {
        SmallVector<Value> inputs = loadInputs(kb, row, column, lanes);
        storeElements(kb, kb.clone(body, inputs, lanes), row, column);
      });
    });
    lowered.itemNanoseconds = perRow + *columns * perColumn;
  }
  kb.finish();
  return success();
}

//===-- row_reduce --------------------------------------------------------===//

LogicalResult cpu::lowerRowReduce(LoweredKernel &lowered, ModuleOp module, int64_t nativeLanes) {
  KernelOp kernel = lowered.kernel;
  FailureOr<int64_t> columns = checkRowArgs(kernel, /*flatAllowed=*/false);
  if (failed(columns) || failed(checkScalarRegions(kernel)))
    return failure();
  if (*columns == 0)
    return kernel.emitError("kernel ")
           << kernel.getSymNameAttr()
           << " of family row_reduce has no element argument; expected one of memref<?xNxfloat>";
  Region &contributions = kernel.getBodies()[0], &finish = kernel.getBodies()[1],
         &elements = kernel.getBodies()[2];
  unsigned numSums = contributions.front().getTerminator()->getNumOperands();
  bool writesElements = llvm::any_of(llvm::seq(kernel.getNumArgs()), [&](unsigned i) {
    return isWritten(kernel.getArg(i)) && kernel.getArg(i).getIndexing() == Indexing::element;
  });

  KernelBuilder kb(lowered, module, nativeLanes);
  bool wellFormed = true;
  kb.forEach(kb.lo, kb.hi, 1, [&](Value row) {
    SmallVector<Value> finishInputs;
    SmallVector<Value> rowInputs; // of all read arguments, null where the value changes by column
    for (unsigned i = 0; i < kernel.getNumArgs(); ++i) {
      launch::ArgAttr arg = kernel.getArg(i);
      if (!isRead(arg))
        continue;
      rowInputs.push_back(Value());
      if (alongColumns(arg))
        continue;
      rowInputs.back() = kb.load(kb.view(i), indicesOf(arg, row, Value()));
      finishInputs.push_back(rowInputs.back());
    }
    if (numSums > 0) {
      SmallVector<Reduction> kinds(numSums, Reduction::Sum);
      finishInputs.append(kb.reduceColumns(*columns, kinds, [&](Value column, int64_t lanes) {
        return kb.clone(contributions, loadInputs(kb, row, column, lanes), lanes);
      }));
    }
    SmallVector<Value> rowScalars = kb.clone(finish, finishInputs, 1);

    if (writesElements)
      kb.forColumns(kb.columns(*columns), [&](Value column, int64_t lanes) {
        SmallVector<Value> inputs = loadInputs(kb, row, column, lanes);
        for (Value scalar : rowScalars)
          inputs.push_back(kb.splat(scalar, lanes));
        storeElements(kb, kb.clone(elements, inputs, lanes), row, column);
      });

    rowInputs.append(rowScalars);
    unsigned written = 0;
    for (unsigned i = 0; i < kernel.getNumArgs(); ++i) {
      launch::ArgAttr arg = kernel.getArg(i);
      if (!isWritten(arg))
        continue;
      unsigned result = written++;
      if (arg.getIndexing() != Indexing::row)
        continue;
      Value value = kb.cloneScalar(elements, result, rowInputs);
      if (!value) {
        kernel.emitError("kernel ")
            << kernel.getSymNameAttr() << " writes argument " << i
            << " once per row, but its value changes by column; expected a value of row scalars";
        wellFormed = false;
        return;
      }
      kb.store(value, kb.view(i), {row});
    }
  });
  kb.finish();
  lowered.itemNanoseconds =
      estimateTraffic(kernel, Indexing::row) + 8 * estimateRegion(finish) + 10 +
      *columns *
          (estimateTraffic(kernel, Indexing::element) + estimateTraffic(kernel, Indexing::column) +
           estimateRegion(contributions) + (writesElements ? estimateRegion(elements) : 0));
  return success(wellFormed);
}
