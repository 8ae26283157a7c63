//===- Samples.h - functions of one op each ---------------------*- C++ -*-===//
// Every value op at several shapes, with operands to run it on: what tests over all ops draw from.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_INTERPRETER_SAMPLES_H
#define FTC_TEST_UNIT_INTERPRETER_SAMPLES_H

#include "Program.h"

namespace ftc::ft::test {

/// `@f` is one op and a return. Everything is f64, so that constants in scalar bodies are exact.
struct Sample {
  std::string name;
  std::string text;
  std::vector<int64_t> cuSeqlens = {}; ///< of the operand of type !ft.segments
  bool positive = false;               ///< floats are in (0.1, 0.9): for roots, quotients, betas
};

const std::vector<Sample> &samples();

/// The one op of a sample's function.
mlir::Operation *sampledOp(Program &program);

/// An argument for each operand of a sample: normal numbers, ids and labels within range (a quarter
/// of the labels -100), the sample's segments.
llvm::SmallVector<HostValue> sampleArguments(const Sample &sample, Program &program, uint64_t seed);

/// Names of the registered ft ops for which `test` holds, in order.
std::vector<std::string>
registeredOps(mlir::MLIRContext *context,
              llvm::function_ref<bool(const mlir::RegisteredOperationName &)> test);

/// Normal numbers in the shape of a tensor type.
HostValue randomTensor(mlir::Type type, uint64_t seed, uint64_t stream, bool positive = false);

} // namespace ftc::ft::test

#endif
