//===- Errors.cpp - the stand-in for libcuda.so.1: error names -------------===//
// The results that a step can meet, with the driver's names.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "stand-ins/cuda/Driver.h"

using namespace standin;
using namespace standin::cuda;

namespace {

struct Name {
  int code;
  const char *name, *text;
};

const Name names[] = {
    {Success, "CUDA_SUCCESS", "no error"},
    {InvalidValue, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NotInitialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NoDevice, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {InvalidDevice, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {InvalidImage, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {InvalidContext, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NoBinaryForGpu, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {InvalidHandle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NotFound, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {LaunchFailed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NotSupported, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

const Name *find(int code) {
  for (const Name &name : names)
    if (name.code == code)
      return &name;
  return nullptr;
}

int lookUp(int code, const char **out, const char *Name::*field) {
  const Name *name = find(code);
  if (!out)
    return InvalidValue;
  *out = name ? name->*field : nullptr;
  return name ? Success : InvalidValue;
}

} // namespace

STAND_IN int cuGetErrorName(int code, const char **name) { return lookUp(code, name, &Name::name); }
STAND_IN int cuGetErrorString(int code, const char **text) {
  return lookUp(code, text, &Name::text);
}
