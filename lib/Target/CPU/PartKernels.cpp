//===- PartKernels.cpp - parts of matrices, and their signs ---------------===//
// The families columns, sign_bits and masked.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelBuilder.h"
#include "ftc/Mutants.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace ftc;
using namespace ftc::cpu;
using launch::Access;
using launch::KernelOp;

static constexpr int64_t kGrid = ShapedType::kDynamic;

/// Columns of a word of bits.
static constexpr int64_t kWord = 32;

//===-- columns -----------------------------------------------------------===//

/// The inputs come first, the output last.
static LogicalResult checkColumns(KernelOp kernel) {
  unsigned out = kernel.getNumArgs() - 1;
  int64_t have = 0;
  for (unsigned i = 0; i < out; ++i) {
    if (failed(expectArg(kernel, i, "in", "float", {kGrid, -1})))
      return failure();
    have += kernel.getArg(i).getType().getDimSize(1);
  }
  if (failed(expectArg(kernel, out, "out", "float", {kGrid, -1}, true)))
    return failure();
  int64_t first = kernel.getIntParam("first"), want = kernel.getArg(out).getType().getDimSize(1);
  if (first < 0 || first > have - want)
    return kernel.emitError("kernel ") << kernel.getSymNameAttr() << " of family columns takes "
                                       << want << " columns from " << first << " on of " << have;
  return success();
}

LogicalResult cpu::lowerColumns(LoweredKernel &lowered, ModuleOp module, int64_t nativeLanes) {
  KernelOp kernel = lowered.kernel;
  if (kernel.getNumArgs() < 2)
    return expectArgs(kernel, 2, "in, out");
  if (failed(checkColumns(kernel)))
    return failure();
  unsigned out = kernel.getNumArgs() - 1;
  int64_t width = kernel.getArg(out).getType().getDimSize(1);
  KernelBuilder kb(lowered, module, nativeLanes);
  kb.forEach(kb.lo, kb.hi, 1, [&](Value row) {
    int64_t at = -kernel.getIntParam("first"); // of an input's first column among the output's
    for (unsigned i = 0; i < out; ++i) {
      int64_t columns = kernel.getArg(i).getType().getDimSize(1);
      int64_t skipped = std::max<int64_t>(-at, 0), to = std::max<int64_t>(at, 0);
      int64_t count = std::min(columns - skipped, width - to);
      at += columns;
      if (count <= 0)
        continue;
      kb.forColumns(kb.columns(count), [&](Value column, int64_t lanes) {
        Value from = kb.add(column, kb.index(skipped));
        kb.store(kb.load(kb.view(i), {row, from}, lanes), kb.view(out),
                 {row, kb.add(column, kb.index(to))});
      });
    }
  });
  kb.finish();
  lowered.itemNanoseconds = width * 0.3;
  return success();
}

//===-- sign_bits and masked ----------------------------------------------===//

namespace {
/// Words of bits, `lanes` columns of one at a time.
struct WordBuilder {
  KernelBuilder &kb;
  int64_t width;

  Type i32() { return kb.b.getI32Type(); }
  int64_t most(int64_t nativeLanes) { return std::min(nativeLanes, kWord); }

  Value constant(int64_t value) {
    return arith::ConstantOp::create(kb.b, kb.b.getI32IntegerAttr(static_cast<int32_t>(value)));
  }
  /// The bits of columns [first, first + lanes) of a word, one to a lane.
  Value weights(int64_t first, int64_t lanes) {
    SmallVector<int32_t> bits;
    for (int64_t lane = 0; lane < lanes; ++lane)
      bits.push_back(static_cast<int32_t>(uint32_t{1} << (first + lane)));
    auto type = VectorType::get({lanes}, i32());
    return arith::ConstantOp::create(kb.b, DenseElementsAttr::get(type, ArrayRef<int32_t>(bits)));
  }
  Value zeros(Type element, int64_t lanes) {
    auto type = VectorType::get({lanes}, element);
    return arith::ConstantOp::create(kb.b, type, kb.b.getZeroAttr(type));
  }

  /// Runs `body` for every word of a row, with the number of its columns.
  void forWords(llvm::function_ref<void(Value word, Value column, int64_t columns)> body) {
    int64_t whole = width / kWord;
    auto columnOf = [&](Value word) -> Value {
      return arith::MulIOp::create(kb.b, word, kb.index(kWord));
    };
    if (whole > 0)
      kb.forEach(kb.index(0), kb.index(whole), 1,
                 [&](Value word) { body(word, columnOf(word), kWord); });
    if (width % kWord != 0)
      body(kb.index(whole), kb.index(whole * kWord), width % kWord);
  }
  /// Cuts the columns of a word into vectors, all of a power of two.
  void forVectors(int64_t columns, int64_t nativeLanes,
                  llvm::function_ref<void(int64_t first, int64_t lanes)> body) {
    for (int64_t first = 0, lanes = most(nativeLanes); first < columns; first += lanes) {
      while (lanes > columns - first)
        lanes /= 2;
      body(first, lanes);
    }
  }
};
} // namespace

LogicalResult cpu::lowerSignBits(LoweredKernel &lowered, ModuleOp module, int64_t nativeLanes) {
  KernelOp kernel = lowered.kernel;
  if (failed(expectArgs(kernel, 2, "x, bits")) ||
      failed(expectArg(kernel, 0, "x", "float", {kGrid, -1})))
    return failure();
  int64_t width = kernel.getArg(0).getType().getDimSize(1);
  if (failed(expectArg(kernel, 1, "bits", "i32", {kGrid, (width + kWord - 1) / kWord}, true)))
    return failure();
  KernelBuilder kb(lowered, module, nativeLanes);
  WordBuilder words{kb, width};
  kb.forEach(kb.lo, kb.hi, 1, [&](Value row) {
    words.forWords([&](Value word, Value column, int64_t columns) {
      Value bits = words.constant(0);
      words.forVectors(columns, nativeLanes, [&](int64_t first, int64_t lanes) {
        Value x = kb.load(kb.view(0), {row, kb.add(column, kb.index(first))}, lanes);
        Value zero = kb.splat(kb.constant(0), lanes);
        Value positive = arith::CmpFOp::create(kb.b, arith::CmpFPredicate::OGT, x, zero);
        Value found;
        if (lanes == 1) {
          Value bit = words.constant(int64_t{1} << first);
          found = arith::SelectOp::create(kb.b, positive, bit, words.constant(0));
        } else {
          Value lane = arith::SelectOp::create(kb.b, positive, words.weights(first, lanes),
                                               words.zeros(words.i32(), lanes));
          found = vector::ReductionOp::create(kb.b, vector::CombiningKind::OR, lane);
        }
        bits = arith::OrIOp::create(kb.b, bits, found);
      });
      kb.store(bits, kb.view(1), {row, word});
    });
  });
  kb.finish();
  lowered.itemNanoseconds = width * 0.3;
  return success();
}

LogicalResult cpu::lowerMasked(LoweredKernel &lowered, ModuleOp module, int64_t nativeLanes) {
  KernelOp kernel = lowered.kernel;
  bool inPlace = kernel.getNumArgs() == 2;
  if (!inPlace && failed(expectArgs(kernel, 3, "x, bits, y (or x and bits, in place)")))
    return failure();
  if (failed(expectArg(kernel, 0, "x", "float", {kGrid, -1}, inPlace)))
    return failure();
  int64_t width = kernel.getArg(0).getType().getDimSize(1);
  if (failed(expectArg(kernel, 1, "bits", "i32", {kGrid, (width + kWord - 1) / kWord})) ||
      (!inPlace && failed(expectArg(kernel, 2, "y", "float", {kGrid, width}, true))))
    return failure();
  unsigned out = inPlace ? 0 : 2;
  KernelBuilder kb(lowered, module, nativeLanes);
  WordBuilder words{kb, width};
  kb.forEach(kb.lo, kb.hi, 1, [&](Value row) {
    words.forWords([&](Value word, Value column, int64_t columns) {
      Value bits = kb.load(kb.view(1), {row, word});
      words.forVectors(columns, nativeLanes, [&](int64_t first, int64_t lanes) {
        Value at = kb.add(column, kb.index(first));
        Value x = kb.load(kb.view(0), {row, at}, lanes), zero = kb.splat(kb.constant(0), lanes);
        Value weights =
            lanes == 1 ? words.constant(int64_t{1} << first) : words.weights(first, lanes);
        Value none = lanes == 1 ? words.constant(0) : words.zeros(words.i32(), lanes);
        Value set = arith::AndIOp::create(kb.b, kb.splat(bits, lanes), weights);
        Value isSet = arith::CmpIOp::create(
            kb.b, FTC_MUTATE("mask-inverted", arith::CmpIPredicate::ne, arith::CmpIPredicate::eq),
            set, none);
        kb.store(arith::SelectOp::create(kb.b, isSet, x, zero), kb.view(out), {row, at});
      });
    });
  });
  kb.finish();
  lowered.itemNanoseconds = width * 0.4;
  return success();
}
