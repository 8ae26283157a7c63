//===- Models.h - evaluation as external models -----------------*- C++ -*-===//
// What the files that evaluate ops share; each registers the ops of its own.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_INTERPRETER_MODELS_H
#define FTC_LIB_INTERPRETER_MODELS_H

#include "dialects/FT/IR/FT.h"

namespace ftc::ft {

using Operands = llvm::ArrayRef<HostValue>;
using Results = llvm::SmallVectorImpl<HostValue>;

/// Makes `compute`, a function (Op, Operands, Results &) -> LogicalResult, the evaluation of Op. It
/// may trust the shapes of its operands, but not numbers that it uses as indices.
template <typename Op, auto compute>
struct Model : EvaluableOpInterface::ExternalModel<Model<Op, compute>, Op> {
  llvm::LogicalResult evaluate(mlir::Operation *op, Operands operands, Results &results) const {
    return compute(llvm::cast<Op>(op), operands, results);
  }
};
template <typename Op, auto compute> void attach(mlir::MLIRContext &context) {
  Op::template attachInterface<Model<Op, compute>>(context);
}

void attachElementwiseModels(mlir::MLIRContext &context);
void attachProductModels(mlir::MLIRContext &context);
void attachNormModels(mlir::MLIRContext &context);
void attachAttentionModels(mlir::MLIRContext &context);
void attachLossModels(mlir::MLIRContext &context);

/// A tensor of `value`'s type, filled with zeros.
HostValue zeros(mlir::Value value);

/// The element of a matrix at (row, column).
inline double at(const HostValue &matrix, int64_t row, int64_t column) {
  return matrix.data[row * matrix.shape[1] + column];
}
inline double &at(HostValue &matrix, int64_t row, int64_t column) {
  return matrix.data[row * matrix.shape[1] + column];
}

/// Parts of a value of type !ft.segments (see HostValue).
inline int64_t positionOf(const HostValue &segments, int64_t token) {
  return at(segments, 0, token);
}
inline int64_t segmentBegin(const HostValue &segments, int64_t token) {
  return at(segments, 1, token);
}
inline int64_t segmentEnd(const HostValue &segments, int64_t token) {
  return at(segments, 2, token);
}

} // namespace ftc::ft

#endif
