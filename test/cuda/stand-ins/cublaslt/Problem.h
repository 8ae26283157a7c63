//===- Problem.h - one product as cuBLASLt describes it --------------------===//
// Descriptors, what they demand of each other, and the computation.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_STAND_INS_CUBLASLT_PROBLEM_H
#define FTC_TEST_CUDA_STAND_INS_CUBLASLT_PROBLEM_H

#include "stand-ins/cublaslt/Numbers.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace standin::cublaslt {

/// cublasLtMatmulDesc_t.
struct MatmulDesc {
  int32_t computeType, scaleType;
  int32_t transposeA = OpN, transposeB = OpN;
  uint32_t epilogue = Default;
  const void *bias = nullptr;
  int32_t biasType = -1; // as D
};

/// cublasLtMatrixLayout_t.
struct Layout {
  uint32_t type;
  uint64_t rows, columns;
  int64_t ld;
  int32_t order = Column;

  size_t elementBytes() const { return type == BF16 ? 2 : 4; }
  /// From the first element to the end of the last.
  size_t bytes() const;
};

/// The four layouts and the operation.
struct Problem {
  const MatmulDesc &operation;
  const Layout &a, &b, &c, &d;

  size_t m() const { return d.rows; }
  size_t n() const { return d.columns; }
  size_t k() const { return operation.transposeA == OpT ? a.rows : a.columns; }
};

/// Success, or the status and in `what` the demand that is not met.
Status check(const Problem &problem, std::string &what);

/// D = alpha op(A) op(B) + beta C (+ bias by rows of D): sums in f32 in the order of k, rounded
/// once to D's type. C is not read where beta is 0.
void multiply(const Problem &problem, float alpha, const void *a, const void *b, float beta,
              const void *c, void *d);

} // namespace standin::cublaslt

#endif // FTC_TEST_CUDA_STAND_INS_CUBLASLT_PROBLEM_H
