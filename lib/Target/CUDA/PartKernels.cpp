//===- PartKernels.cpp - parts of matrices as CUDA C++ --------------------===//
// columns, sign_bits and masked.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FamilyPrinter.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ftc;
using namespace ftc::cuda;

/// Columns of a word of bits.
static constexpr int64_t kWord = 32;
static constexpr int64_t kThreads = 256;

/// Rows of so many items that give each thread of a block `perThread`.
static int64_t rowsOfBlock(int64_t itemsOfRow, int64_t perThread) {
  return std::max<int64_t>(1, kThreads * perThread / itemsOfRow);
}

LogicalResult FamilyPrinter::printColumns() {
  printed.header = "Parts.h";
  std::vector<Expected> expected(kernel.getNumArgs() - 1, {"in", "float", {grid, any}});
  expected.push_back({"out", "float", {grid, any}, true});
  if (failed(expect(expected)))
    return failure();
  unsigned out = kernel.getNumArgs() - 1;
  int64_t width = size(out, 1), first = kernel.getIntParam("first"), at = -first;
  int64_t rows = rowsOfBlock(width, 8);
  printed.threads = kThreads;
  printed.items = rows;
  std::string calls;
  for (unsigned i = 0; i < out; ++i) {
    int64_t skipped = std::max<int64_t>(-at, 0), to = std::max<int64_t>(at, 0);
    int64_t count = std::min(size(i, 1) - skipped, width - to);
    at += size(i, 1);
    if (count <= 0)
      continue;
    setCall("columns",
            {number(kThreads), number(rows), number(count), number(skipped), number(size(i, 1)),
             number(to), number(width)},
            "block, grid", {names[i], names[out]});
    calls += (calls.empty() ? "" : "\n") + call;
  }
  call = calls;
  if (first >= 0 && at >= width)
    return success();
  return kernel.emitOpError("takes ")
         << width << " columns from " << first << " on of " << at + first;
}

LogicalResult FamilyPrinter::printSignBits() {
  printed.header = "Parts.h";
  if (failed(expect({{"x", "float", {grid, any}}, {"bits", "i32", {grid, any}, true}})) ||
      failed(expectWords(1)))
    return failure();
  nameArguments({"x", "bits"});
  printed.threads = kThreads;
  printed.items = rowsOfBlock(size(1, 1), 1);
  setCall("signBits", {number(kThreads), number(printed.items), number(size(0, 1))}, "block, grid",
          names);
  return success();
}

LogicalResult FamilyPrinter::printMasked() {
  printed.header = "Parts.h";
  bool inPlace = kernel.getNumArgs() == 2;
  std::vector<Expected> expected = {{"x", "float", {grid, any}, inPlace},
                                    {"bits", "i32", {grid, any}}};
  if (!inPlace)
    expected.push_back({"y", "float", {grid, any}, true});
  if (failed(expect(expected)) || failed(expectWords(1)))
    return failure();
  inPlace ? nameArguments({"x", "bits"}) : nameArguments({"x", "bits", "y"});
  printed.threads = kThreads;
  printed.items = rowsOfBlock(size(0, 1), 8);
  std::vector<std::string> arguments = {inPlace ? "ftc::update(x)" : "ftc::read(x)", "bits"};
  if (!inPlace)
    arguments.emplace_back("ftc::write(y)");
  setCall("masked", {number(kThreads), number(printed.items), number(size(0, 1))}, "block, grid",
          arguments);
  return success();
}

LogicalResult FamilyPrinter::expectWords(unsigned bits) {
  int64_t words = llvm::divideCeil(size(0, 1), kWord);
  if (size(bits, 1) == words)
    return success();
  return kernel.emitOpError("has ")
         << size(bits, 1) << " words of bits for " << size(0, 1) << " columns; expected " << words;
}
