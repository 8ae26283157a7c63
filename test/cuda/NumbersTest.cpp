//===- NumbersTest.cpp - the stand-ins' numbers are those of CUDA ----------===//
// Compiled where the toolkit's headers are; elsewhere it is one test that says it was skipped.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "stand-ins/cublaslt/Numbers.h"
#include "stand-ins/cuda/Numbers.h"

#include <gtest/gtest.h>

#if __has_include(<cublasLt.h>) && __has_include(<cuda.h>)
#include <cublasLt.h>
#include <cuda.h>

#define SAME(ours, theirs) EXPECT_EQ(static_cast<long>(ours), static_cast<long>(theirs))

TEST(Numbers, Driver) {
  using namespace standin::cuda;
  SAME(Success, CUDA_SUCCESS);
  SAME(InvalidValue, CUDA_ERROR_INVALID_VALUE);
  SAME(OutOfMemory, CUDA_ERROR_OUT_OF_MEMORY);
  SAME(NotInitialized, CUDA_ERROR_NOT_INITIALIZED);
  SAME(NoDevice, CUDA_ERROR_NO_DEVICE);
  SAME(InvalidDevice, CUDA_ERROR_INVALID_DEVICE);
  SAME(InvalidImage, CUDA_ERROR_INVALID_IMAGE);
  SAME(InvalidContext, CUDA_ERROR_INVALID_CONTEXT);
  SAME(NoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
  SAME(InvalidHandle, CUDA_ERROR_INVALID_HANDLE);
  SAME(NotFound, CUDA_ERROR_NOT_FOUND);
  SAME(LaunchFailed, CUDA_ERROR_LAUNCH_FAILED);
  SAME(NotSupported, CUDA_ERROR_NOT_SUPPORTED);
  SAME(MaxThreadsPerBlock, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  SAME(MaxBlockDimX, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X);
  SAME(MaxGridDimX, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X);
  SAME(MaxSharedMemoryPerBlock, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  SAME(WarpSize, CU_DEVICE_ATTRIBUTE_WARP_SIZE);
  SAME(MaxRegistersPerBlock, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
  SAME(MultiprocessorCount, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  SAME(L2CacheSize, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
  SAME(MaxThreadsPerMultiprocessor, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
  SAME(UnifiedAddressing, CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING);
  SAME(ComputeCapabilityMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  SAME(ComputeCapabilityMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  SAME(MaxSharedMemoryPerBlockOptin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  SAME(ReservedSharedMemoryPerBlock, CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK);
  SAME(FunctionMaxThreads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  SAME(FunctionSharedBytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
  SAME(FunctionLocalBytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
  SAME(FunctionMaxDynamicShared, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
}

TEST(Numbers, CublasLt) {
  using namespace standin::cublaslt;
  SAME(Success, CUBLAS_STATUS_SUCCESS);
  SAME(NotInitialized, CUBLAS_STATUS_NOT_INITIALIZED);
  SAME(InvalidValue, CUBLAS_STATUS_INVALID_VALUE);
  SAME(NotSupported, CUBLAS_STATUS_NOT_SUPPORTED);
  SAME(F32, CUDA_R_32F);
  SAME(BF16, CUDA_R_16BF);
  SAME(OpN, CUBLAS_OP_N);
  SAME(OpT, CUBLAS_OP_T);
  SAME(Column, CUBLASLT_ORDER_COL);
  SAME(Row, CUBLASLT_ORDER_ROW);
  SAME(Default, CUBLASLT_EPILOGUE_DEFAULT);
  SAME(Bias, CUBLASLT_EPILOGUE_BIAS);
  SAME(Host, CUBLASLT_POINTER_MODE_HOST);
  SAME(Compute32F, CUBLAS_COMPUTE_32F);
  SAME(Compute32FPedantic, CUBLAS_COMPUTE_32F_PEDANTIC);
  SAME(DescComputeType, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE);
  SAME(DescScaleType, CUBLASLT_MATMUL_DESC_SCALE_TYPE);
  SAME(DescPointerMode, CUBLASLT_MATMUL_DESC_POINTER_MODE);
  SAME(DescTransposeA, CUBLASLT_MATMUL_DESC_TRANSA);
  SAME(DescTransposeB, CUBLASLT_MATMUL_DESC_TRANSB);
  SAME(DescTransposeC, CUBLASLT_MATMUL_DESC_TRANSC);
  SAME(DescEpilogue, CUBLASLT_MATMUL_DESC_EPILOGUE);
  SAME(DescBiasPointer, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
  SAME(DescBiasType, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE);
  SAME(LayoutType, CUBLASLT_MATRIX_LAYOUT_TYPE);
  SAME(LayoutOrder, CUBLASLT_MATRIX_LAYOUT_ORDER);
  SAME(LayoutRows, CUBLASLT_MATRIX_LAYOUT_ROWS);
  SAME(LayoutColumns, CUBLASLT_MATRIX_LAYOUT_COLS);
  SAME(LayoutLd, CUBLASLT_MATRIX_LAYOUT_LD);
  SAME(LayoutBatchCount, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT);
  SAME(PreferMaxWorkspace, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
  SAME(PreferReductionSchemes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
  SAME(PreferAlignmentA, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
  SAME(PreferAlignmentB, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
  SAME(PreferAlignmentC, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
  SAME(PreferAlignmentD, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
  EXPECT_EQ(sizeof(cublasLtMatmulAlgo_t), 64u);
  EXPECT_EQ(sizeof(cublasLtMatmulHeuristicResult_t), 96u);
}

#else

TEST(Numbers, OfTheToolkit) { GTEST_SKIP() << "no headers of the CUDA toolkit to compare with"; }

#endif
