//===- PartKernels.cpp - parts of matrices, and their signs ---------------===//
// The families columns, sign_bits and masked, by their definitions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelFamilies.h"

using namespace mlir;
using namespace ftc::launch;

static constexpr int64_t kWord = 32; ///< columns of a word of bits

LogicalResult ftc::launch::runColumns(KernelOp kernel, Grid grid, ArrayRef<Buffer> operands) {
  ArrayRef<Buffer> inputs = operands.drop_back();
  const Buffer &out = operands.back();
  for (int64_t row = 0; row < grid; ++row) {
    int64_t at = -kernel.getIntParam("first"); // of an input's first column among the output's
    for (const Buffer &input : inputs) {
      for (int64_t column = 0; column < input.columns(); ++column)
        if (at + column >= 0 && at + column < out.columns())
          out.at(row, at + column) = input.at(row, column);
      at += input.columns();
    }
  }
  return success();
}

LogicalResult ftc::launch::runSignBits(KernelOp, Grid grid, ArrayRef<Buffer> operands) {
  const Buffer &x = operands[0], &bits = operands[1];
  for (int64_t row = 0; row < grid; ++row)
    for (int64_t word = 0; word < bits.columns(); ++word) {
      uint32_t positive = 0;
      for (int64_t c = word * kWord; c < std::min((word + 1) * kWord, x.columns()); ++c)
        positive |= uint32_t(x.at(row, c) > 0) << c % kWord;
      bits.at(row, word) = static_cast<int32_t>(positive);
    }
  return success();
}

LogicalResult ftc::launch::runMasked(KernelOp kernel, Grid grid, ArrayRef<Buffer> operands) {
  const Buffer &x = operands[0], &bits = operands[1], &y = operands[operands.size() == 2 ? 0 : 2];
  for (int64_t row = 0; row < grid; ++row)
    for (int64_t c = 0; c < x.columns(); ++c) {
      int64_t word = bits.index(row * bits.columns() + c / kWord);
      if (word == kNoIndex)
        return kernel.emitOpError("reads bits that nobody has written");
      y.at(row, c) = static_cast<uint64_t>(word) >> c % kWord & 1 ? x.at(row, c) : 0;
    }
  return success();
}
