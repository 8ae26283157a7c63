//===- Numbers.h - numbers of the driver's interface -----------------------===//
// The values of cuda.h that the stand-in needs; NumbersTest.cpp compares them where the toolkit is.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_STAND_INS_CUDA_NUMBERS_H
#define FTC_TEST_CUDA_STAND_INS_CUDA_NUMBERS_H

namespace standin::cuda {

/// CUresult. Errors.cpp has the names.
enum Result : int {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  NotInitialized = 3,
  NoDevice = 100,
  InvalidDevice = 101,
  InvalidImage = 200,
  InvalidContext = 201,
  NoBinaryForGpu = 209,
  InvalidHandle = 400,
  NotFound = 500,
  LaunchFailed = 719,
  NotSupported = 801,
};

/// CUdevice_attribute.
enum DeviceAttribute : int {
  MaxThreadsPerBlock = 1,
  MaxBlockDimX = 2,
  MaxGridDimX = 5,
  MaxSharedMemoryPerBlock = 8,
  WarpSize = 10,
  MaxRegistersPerBlock = 12,
  MultiprocessorCount = 16,
  L2CacheSize = 38,
  MaxThreadsPerMultiprocessor = 39,
  UnifiedAddressing = 41,
  ComputeCapabilityMajor = 75,
  ComputeCapabilityMinor = 76,
  MaxSharedMemoryPerBlockOptin = 97,
  ReservedSharedMemoryPerBlock = 111,
};

/// CUfunction_attribute.
enum FunctionAttribute : int {
  FunctionMaxThreads = 0,
  FunctionSharedBytes = 1,
  FunctionLocalBytes = 3,
  FunctionMaxDynamicShared = 8,
};

} // namespace standin::cuda

#endif // FTC_TEST_CUDA_STAND_INS_CUDA_NUMBERS_H
