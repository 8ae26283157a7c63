//===- Peak.cpp - the most operations that a machine does a second ---------===//
// Products timed on every thread, or enqueued on a stream.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Peak.h"

#include "MatrixUnit.h"
#include "Memory.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

namespace ftc {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int rounds = 5;

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// One thread's square product.
struct CpuProduct {
  static constexpr int64_t side = 704;
  /// Twice these bytes, as one element of f32 or as two of bf16, are about 0.01: neither zero nor
  /// subnormal, and sums stay small.
  static constexpr int pattern = 0x3c;
  static constexpr uint64_t matrixBytes = side * side * 4;
  static constexpr double flops = 2.0 * side * side * side;

  /// Matrices, and room for packed panels.
  static uint64_t bytes() {
    return 3 * matrixBytes + 2 * static_cast<uint64_t>(packedPanelBytes(side, side));
  }
  void run(const Blas &blas, bool onMatrixUnit, unsigned char *memory) const {
    unsigned char *a = memory, *b = a + matrixBytes, *c = b + matrixBytes, *free = c + matrixBytes;
    if (onMatrixUnit) {
      MatrixUnitResult result;
      result.c = c;
      result.stride = side;
      multiplyOnMatrixUnit({a, side, false}, {b, side, false}, side, side, side, result, free);
      return;
    }
    blas.gemm(false, false, side, side, side, 1, reinterpret_cast<const float *>(a), side,
              reinterpret_cast<const float *>(b), side, 0, reinterpret_cast<float *>(c), side);
  }
};

} // namespace

std::optional<double> measureCpuPeak(ThreadPool &pool, const Blas &blas, bool onMatrixUnit,
                                     double seconds) {
  const uint64_t stride = (CpuProduct::bytes() + 4095) / 4096 * 4096;
  std::optional<Memory> memory = Memory::allocate(stride * pool.size());
  if (!memory)
    return std::nullopt;
  std::vector<double> rates(pool.size());
  double best = 0;
  CpuProduct product;
  for (int round = -1; round < rounds; ++round) {
    pool.run(pool.size(), [&](unsigned thread) {
      unsigned char *own = memory->data() + thread * stride;
      if (round < 0) {
        std::memset(own, CpuProduct::pattern, 2 * CpuProduct::matrixBytes);
        product.run(blas, onMatrixUnit, own);
        return;
      }
      Clock::time_point begin = Clock::now();
      double elapsed = 0;
      for (int64_t done = 1; elapsed < seconds / rounds; ++done) {
        product.run(blas, onMatrixUnit, own);
        elapsed = secondsSince(begin);
        rates[thread] = CpuProduct::flops * static_cast<double>(done) / std::max(elapsed, 1e-9);
      }
    });
    double sum = 0;
    for (double rate : rates)
      sum += rate;
    best = std::max(best, sum);
  }
  return best;
}

cuda::Status measureCudaPeak(const cuda::Device &device, cuda::Stream stream, cuda::DType type,
                             uint64_t workspaceBytes, double seconds, double &flopsPerSecond) {
  constexpr long long least = 128, most = 8192;
  Clock::time_point begin = Clock::now();
  flopsPerSecond = 0;
  for (long long side = least;;) {
    const uint64_t bytes = static_cast<uint64_t>(side * side) * (type == cuda::DType::bf16 ? 2 : 4);
    cuda::DeviceMemory a, b, c;
    for (cuda::DeviceMemory *matrix : {&a, &b, &c})
      if (cuda::Status status = matrix->allocate(device, bytes, "measuring the peak", stream);
          !status)
        return status;
    for (cuda::DeviceMemory *matrix : {&a, &b})
      if (int error = device.driver().setBytes(matrix->data(), CpuProduct::pattern, bytes, stream))
        return cuda::failure(error, "measure the peak");
    cuda::Products products;
    cuda::Product product;
    product.m = product.n = product.k = product.lda = product.ldb = product.ldc = side;
    product.a = product.b = product.c = type;
    product.alignment = 64;
    if (cuda::Status status = products.open(device, workspaceBytes, stream); !status)
      return status;
    const int number = products.add(product);
    if (cuda::Status status = products.prepare(); !status)
      return status;
    // The first one loads code.
    double elapsed = 0;
    for (int repeated = 0;
         repeated < 2 || (elapsed * 20 >= seconds && secondsSince(begin) < seconds); ++repeated) {
      Clock::time_point start = Clock::now();
      int error = products.run(number, a.data(), b.data(), c.data(), stream);
      if (!error)
        error = device.driver().streamSynchronize(stream);
      if (error)
        return cuda::failure(error, "measure the peak");
      elapsed = std::max(secondsSince(start), 1e-9);
      const auto extent = static_cast<double>(side);
      flopsPerSecond = std::max(flopsPerSecond, 2 * extent * extent * extent / elapsed);
    }
    if (elapsed * 20 >= seconds || side >= most || secondsSince(begin) >= seconds)
      return cuda::Status();
    side *= 2;
  }
}

} // namespace ftc
