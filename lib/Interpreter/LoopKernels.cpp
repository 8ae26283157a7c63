//===- LoopKernels.cpp - families with scalar regions ---------------------===//
// map, row_reduce and col_reduce by their definitions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelFamilies.h"
#include "ScalarProgram.h"

using namespace mlir;
using namespace ftc::launch;

static bool isRead(ArgAttr arg) { return arg.getAccess() != Access::write; }
static bool isWritten(ArgAttr arg) { return arg.getAccess() != Access::read; }

/// The element of an argument at (row, column); of flat arguments `columns` is 0, `row` the index.
static double &element(ArgAttr arg, const Buffer &buffer, int64_t row, int64_t column,
                       int64_t columns) {
  switch (arg.getIndexing()) {
  case Indexing::element:
    return columns == 0 ? buffer[row] : buffer[row * columns + column];
  case Indexing::row:
    return buffer[row];
  case Indexing::column:
    return buffer[column];
  case Indexing::scalar:
  case Indexing::whole:
    return buffer[0];
  }
  llvm_unreachable("every indexing is read above");
}

/// The numbers that a region takes for one element: of all arguments that are read, in order.
static SmallVector<double> readAll(KernelOp kernel, ArrayRef<Buffer> operands, int64_t row,
                                   int64_t column, int64_t columns) {
  SmallVector<double> numbers;
  for (unsigned i = 0; i < operands.size(); ++i)
    if (ArgAttr arg = kernel.getArg(i); isRead(arg))
      numbers.push_back(element(arg, operands[i], row, column, columns));
  return numbers;
}

/// Columns of the rows that a kernel runs over; 0 where it is flat.
static int64_t columnsOf(KernelOp kernel) {
  for (unsigned i = 0; i < kernel.getNumArgs(); ++i) {
    ArgAttr arg = kernel.getArg(i);
    if (arg.getIndexing() == Indexing::element && arg.getType().getRank() == 2)
      return arg.getType().getDimSize(1);
  }
  return 0;
}

static LogicalResult compile(KernelOp kernel, MutableArrayRef<ScalarProgram> programs) {
  if (kernel.getBodies().size() != programs.size())
    return kernel.emitOpError("has ")
           << kernel.getBodies().size() << " regions; its family has " << programs.size();
  for (auto [program, region] : llvm::zip_equal(programs, kernel.getBodies()))
    if (failed(program.compile(region)))
      return failure();
  return success();
}

LogicalResult ftc::launch::runMap(KernelOp kernel, int64_t grid, ArrayRef<Buffer> operands) {
  ScalarProgram body;
  if (failed(compile(kernel, body)))
    return failure();
  int64_t columns = columnsOf(kernel);
  for (int64_t row = 0; row < grid; ++row)
    for (int64_t column = 0; column < std::max<int64_t>(columns, 1); ++column) {
      ArrayRef<double> values = body.run(readAll(kernel, operands, row, column, columns));
      unsigned next = 0;
      for (unsigned i = 0; i < operands.size(); ++i)
        if (ArgAttr arg = kernel.getArg(i); isWritten(arg))
          element(arg, operands[i], row, column, columns) = values[next++];
    }
  return success();
}

LogicalResult ftc::launch::runRowReduce(KernelOp kernel, int64_t grid, ArrayRef<Buffer> operands) {
  ScalarProgram programs[3];
  if (failed(compile(kernel, programs)))
    return failure();
  auto &[contributions, finish, elements] = programs;
  int64_t columns = columnsOf(kernel);
  for (int64_t row = 0; row < grid; ++row) {
    std::vector<double> sums(contributions.numOutputs(), 0);
    for (int64_t column = 0; column < columns; ++column) {
      ArrayRef<double> terms = contributions.run(readAll(kernel, operands, row, column, columns));
      for (auto [sum, term] : llvm::zip_equal(sums, terms))
        sum += term;
    }
    SmallVector<double> finishing;
    for (unsigned i = 0; i < operands.size(); ++i) {
      ArgAttr arg = kernel.getArg(i);
      if (isRead(arg) &&
          (arg.getIndexing() == Indexing::row || arg.getIndexing() == Indexing::scalar))
        finishing.push_back(element(arg, operands[i], row, 0, columns));
    }
    llvm::append_range(finishing, sums);
    SmallVector<double> rowScalars(finish.run(finishing));

    // The whole row is read before any of it is written.
    std::vector<SmallVector<double>> values;
    for (int64_t column = 0; column < columns; ++column) {
      SmallVector<double> inputs = readAll(kernel, operands, row, column, columns);
      llvm::append_range(inputs, rowScalars);
      values.emplace_back(elements.run(inputs));
    }
    for (int64_t column = 0; column < columns; ++column) {
      unsigned next = 0;
      for (unsigned i = 0; i < operands.size(); ++i)
        if (ArgAttr arg = kernel.getArg(i); isWritten(arg))
          element(arg, operands[i], row, column, columns) = values[column][next++];
    }
  }
  return success();
}

LogicalResult ftc::launch::runColReduce(KernelOp kernel, int64_t grid, ArrayRef<Buffer> operands) {
  ScalarProgram body;
  if (failed(compile(kernel, body)))
    return failure();
  unsigned last = operands.size() - 1;
  int64_t rows = 1;
  for (unsigned i = 0; i < last; ++i)
    if (kernel.getArg(i).getIndexing() == Indexing::element)
      rows = operands[i].rows();
  bool adds = kernel.getArg(last).getAccess() == Access::readwrite;
  for (int64_t column = 0; column < grid; ++column) {
    double sum = adds ? operands[last][column] : 0;
    for (int64_t row = 0; row < rows; ++row) {
      // The output is no scalar of the region, even where it is read.
      SmallVector<double> inputs;
      for (unsigned i = 0; i < last; ++i)
        inputs.push_back(element(kernel.getArg(i), operands[i], row, column, grid));
      sum += body.run(inputs)[0];
    }
    operands[last][column] = sum;
  }
  return success();
}
