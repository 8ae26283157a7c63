//===- StreamKernels.cpp - maps and reductions as CUDA C++ ----------------===//
// Families over streams, whose bodies are scalar regions: map, row_reduce, col_reduce.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FamilyPrinter.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ftc;
using namespace ftc::cuda;
using launch::Indexing;

// What the templates declare.
static int64_t rowReduceShared(int64_t threads) { return threads; }
static int64_t colReduceShared(int64_t threads) { return threads * 4; }

/// Columns of a kernel over rows; 0 where none of its arguments has any.
int64_t FamilyPrinter::columns() {
  for (unsigned i = 0; i < kernel.getNumArgs(); ++i) {
    MemRefType type = arg(i).getType();
    if (arg(i).getIndexing() == Indexing::element && type.getRank() == 2)
      return type.getDimSize(1);
    if (arg(i).getIndexing() == Indexing::column)
      return type.getDimSize(0);
  }
  return 0;
}

LogicalResult FamilyPrinter::printMap() {
  printed.header = "Map.h";
  beginBody();
  if (failed(addFunction(0, "void element(const float *in, float *out)",
                         elements("in", count(reads)), elements("out", count(writes)))))
    return failure();
  structure += "};\n";
  constexpr int64_t perThread = 8;
  bool rows = false;
  for (unsigned i = 0; i < kernel.getNumArgs(); ++i)
    rows |= arg(i).getIndexing() == Indexing::row || arg(i).getIndexing() == Indexing::column;
  if (!rows) {
    printed.items = printed.threads * perThread;
    setCall("map", {bodyName(), number(printed.threads)}, "block, grid", streams());
    return success();
  }
  int64_t width = std::max<int64_t>(columns(), 1);
  printed.items = std::max<int64_t>(1, printed.threads * perThread / width);
  setCall("mapRows", {bodyName(), number(printed.threads), number(width), number(printed.items)},
          "block, grid", streams());
  return success();
}

LogicalResult FamilyPrinter::printRowReduce() {
  printed.header = "RowReduce.h";
  unsigned terms = yielded(0), rows = yielded(1), reading = count(reads);
  unsigned byRow = count([](launch::ArgAttr arg) {
    return reads(arg) &&
           (arg.getIndexing() == Indexing::row || arg.getIndexing() == Indexing::scalar);
  });
  beginBody("  static constexpr int terms = " + number(terms) + ", rows = " + number(rows) + ";\n");
  if (failed(addFunction(0, "void term(const float *in, float *term)", elements("in", reading),
                         elements("term", terms))) ||
      failed(addFunction(1, "void finish(const float *in, const float *sum, float *row)",
                         joined(elements("in", byRow), elements("sum", terms)),
                         elements("row", rows))) ||
      failed(addFunction(2, "void element(const float *in, const float *row, float *out)",
                         joined(elements("in", reading), elements("row", rows)),
                         elements("out", count(writes)))))
    return failure();
  structure += "};\n";
  // Sixteen elements a thread keep a row in registers, and several rows under way; a warp at
  // least, for its shuffles.
  int64_t width = std::max<int64_t>(columns(), 1);
  int64_t perRow = std::clamp<int64_t>(llvm::PowerOf2Ceil(llvm::divideCeil(width, 16)), 32, 512);
  int64_t rowsPerBlock = std::max<int64_t>(1, 256 / perRow);
  printed.threads = perRow * rowsPerBlock;
  printed.items = rowsPerBlock;
  printed.sharedBytes = rowReduceShared(printed.threads);
  setCall("rowReduce", {bodyName(), number(printed.threads), number(width), number(rowsPerBlock)},
          "block, grid", streams());
  return success();
}

LogicalResult FamilyPrinter::printColReduce() {
  printed.header = "ColReduce.h";
  unsigned last = kernel.getNumArgs() - 1;
  beginBody();
  if (failed(addFunction(0, "float term(const float *in)",
                         elements("in", count(reads) - reads(arg(last))), {"return"})))
    return failure();
  structure += "};\n";
  int64_t rows = 1;
  for (unsigned i = 0; i < last; ++i)
    if (arg(i).getIndexing() == Indexing::element || arg(i).getIndexing() == Indexing::row)
      rows = size(i, 0);
  printed.threads = 512;
  printed.items = 32;
  printed.sharedBytes = colReduceShared(printed.threads);
  usesGrid = false;
  setCall("colReduce", {bodyName(), number(printed.threads), number(rows), number(size(last, 0))},
          "block", streams());
  return success();
}
