//===- Numbers.h - numbers of cuBLASLt's interface -------------------------===//
// The values of cublasLt.h that the stand-in needs; NumbersTest.cpp compares them where the toolkit
// is. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_STAND_INS_CUBLASLT_NUMBERS_H
#define FTC_TEST_CUDA_STAND_INS_CUBLASLT_NUMBERS_H

#include <cstdint>

namespace standin::cublaslt {

/// cublasStatus_t.
enum Status : int {
  Success = 0,
  NotInitialized = 1,
  InvalidValue = 7,
  NotSupported = 15,
};

enum DataType : int32_t { F32 = 0, BF16 = 14 };     // cudaDataType
enum Operation : int32_t { OpN = 0, OpT = 1 };      // cublasOperation_t
enum Order : int32_t { Column = 0, Row = 1 };       // cublasLtOrder_t
enum Epilogue : uint32_t { Default = 1, Bias = 4 }; // cublasLtEpilogue_t
enum PointerMode : int32_t { Host = 0 };            // cublasLtPointerMode_t

/// cublasComputeType_t.
enum ComputeType : int32_t { Compute32F = 68, Compute32FPedantic = 69 };

/// cublasLtMatmulDescAttributes_t.
enum DescAttribute : int {
  DescComputeType = 0,
  DescScaleType = 1,
  DescPointerMode = 2,
  DescTransposeA = 3,
  DescTransposeB = 4,
  DescTransposeC = 5,
  DescEpilogue = 7,
  DescBiasPointer = 8,
  DescBiasType = 26,
};

/// cublasLtMatrixLayoutAttribute_t.
enum LayoutAttribute : int {
  LayoutType = 0,
  LayoutOrder = 1,
  LayoutRows = 2,
  LayoutColumns = 3,
  LayoutLd = 4,
  LayoutBatchCount = 5,
};

/// cublasLtMatmulPreferenceAttributes_t.
enum PreferenceAttribute : int {
  PreferMaxWorkspace = 1,
  PreferReductionSchemes = 3,
  PreferAlignmentA = 5,
  PreferAlignmentB = 6,
  PreferAlignmentC = 7,
  PreferAlignmentD = 8,
};

} // namespace standin::cublaslt

#endif // FTC_TEST_CUDA_STAND_INS_CUBLASLT_NUMBERS_H
