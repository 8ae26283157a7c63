//===- Peak.h - the most operations that a machine does a second -----------===//
// Measured with the products that steps use.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_PEAK_H
#define FTC_RUNTIME_PEAK_H

#include "Blas.h"
#include "Memory.h"
#include "ThreadPool.h"

#include "ftc/Kernels/CUDA/HostProducts.h"

#include <optional>

namespace ftc {

/// Operations a second of the pool's threads, each with products of its own (of bf16 on the matrix
/// unit where `onMatrixUnit`, else of f32 by OpenBLAS) for `seconds`: of each thread what it
/// reached in the best few. Works in `arena`, which holds nothing between steps; where that is less
/// than the matrices need (1 MiB, and 256 KiB a thread; on the matrix unit 1 MiB, and 2 MiB a
/// thread), in memory of its own. Nothing where the system has none.
std::optional<double> measureCpuPeak(ThreadPool &pool, const Blas &blas, bool onMatrixUnit,
                                     const Memory &arena, double seconds);

/// The same of a device, by square products of `type` without workspace, which grow until one takes
/// a twentieth of `seconds`, or the arena is full.
cuda::Status measureCudaPeak(const cuda::Device &device, cuda::Stream stream, cuda::DType type,
                             const cuda::DeviceMemory &arena, double seconds,
                             double &flopsPerSecond);

} // namespace ftc

#endif // FTC_RUNTIME_PEAK_H
