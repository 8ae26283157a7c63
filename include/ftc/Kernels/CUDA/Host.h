//===- Host.h - the host side of a CUDA step -------------------------------===//
// Libraries, device, memory, products and launches, for emitted steps and ftc's runtime alike.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Header-only C++17 without exceptions; needs no header of CUDA and no library of ftc or CUDA to
// build. Setting up answers a Status; what runs in a step answers an int, 0 or an error number that
// `describe` explains, and allocates nothing.
//
//   ftc::cuda::Device device;          // HostMemory.h
//   ftc::cuda::Products products;      // HostProducts.h
//   if (ftc::cuda::Status status = device.open(); !status)
//     return fail(status.text());
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_HOST_H
#define FTC_KERNELS_CUDA_HOST_H

#include "ftc/Kernels/CUDA/HostBatches.h"
#include "ftc/Kernels/CUDA/HostLibraries.h"
#include "ftc/Kernels/CUDA/HostMemory.h"
#include "ftc/Kernels/CUDA/HostProducts.h"

#ifdef __CUDACC__

#include <cuda_runtime_api.h>
#include <type_traits>

namespace ftc::cuda {

/// Enqueues a kernel; the arguments are converted to its parameters. 0, or an error number for
/// `describe` (the runtime's numbers are the driver's). A launch of no blocks does nothing.
template <class... Parameters>
int launch(void (*kernel)(Parameters...), long long blocks, unsigned threads, size_t sharedBytes,
           Stream stream, std::common_type_t<Parameters>... arguments) {
  constexpr size_t withoutAsking = 48 * 1024;
  if (blocks == 0)
    return 0;
  const void *function = reinterpret_cast<const void *>(kernel);
  if (sharedBytes > withoutAsking)
    if (int error = cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         static_cast<int>(sharedBytes)))
      return error;
  void *addresses[] = {const_cast<void *>(static_cast<const volatile void *>(&arguments))...};
  return cudaLaunchKernel(function, dim3(static_cast<unsigned>(blocks)), dim3(threads), addresses,
                          sharedBytes, stream);
}

} // namespace ftc::cuda

/// FTC_LAUNCH(kernel, blocks, threads, sharedBytes, stream, arguments...)
#define FTC_LAUNCH(...) ::ftc::cuda::launch(__VA_ARGS__)

#endif // __CUDACC__

#endif // FTC_KERNELS_CUDA_HOST_H
