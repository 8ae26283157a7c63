//===- Peak.cpp - the most operations that a machine does a second ---------===//
// Products timed on every thread, or enqueued on a stream.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Peak.h"

#include "MatrixUnit.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

namespace ftc {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Twice these bytes, as one element of f32 or as two of bf16, are about 0.01: neither zero nor
/// subnormal, and sums stay small.
constexpr int pattern = 0x3c;

/// What each thread multiplies: small, so that a thread is seldom stopped within one.
struct CpuProduct {
  const Blas &blas;
  bool onMatrixUnit;

  static constexpr int64_t depth = 512;
  /// The unit packs its factors first, which smaller products would mostly do.
  int64_t side() const { return onMatrixUnit ? 512 : 256; }
  double flops() const { return 2.0 * double(side()) * double(side()) * double(depth); }
  /// A factor, which all threads share.
  uint64_t factorBytes() const {
    return static_cast<uint64_t>(side() * depth * (onMatrixUnit ? 2 : 4));
  }
  /// A result, and room for packed panels.
  uint64_t ownBytes() const {
    auto panels = static_cast<uint64_t>(onMatrixUnit ? 2 * packedPanelBytes(side(), depth) : 0);
    return static_cast<uint64_t>(side() * side() * 4) + panels;
  }

  void run(unsigned char *factors, unsigned char *own) const {
    const unsigned char *a = factors, *b = factors + factorBytes();
    const int64_t n = side();
    if (onMatrixUnit) {
      MatrixUnitResult result;
      result.c = own;
      result.stride = n;
      multiplyOnMatrixUnit({a, depth, false}, {b, n, false}, n, n, depth, result, own + n * n * 4);
      return;
    }
    blas.gemm(false, false, n, n, depth, 1, reinterpret_cast<const float *>(a), depth,
              reinterpret_cast<const float *>(b), n, 0, reinterpret_cast<float *>(own), n);
  }
};

} // namespace

std::optional<double> measureCpuPeak(ThreadPool &pool, const Blas &blas, bool onMatrixUnit,
                                     const Memory &arena, double seconds) {
  constexpr int together = 8;
  const CpuProduct product{blas, onMatrixUnit};
  const uint64_t factors = 2 * product.factorBytes();
  const uint64_t stride = (product.ownBytes() + 4095) / 4096 * 4096;
  const uint64_t bytes = factors + stride * pool.size();
  std::optional<Memory> own = Memory::allocate(arena.size() < bytes ? bytes : 0);
  if (!own)
    return std::nullopt;
  unsigned char *memory = arena.size() < bytes ? own->data() : arena.data();
  std::memset(memory, pattern, factors);
  // The least time of some products, by thread: others may stop a thread, nobody makes it faster.
  std::vector<double> least(pool.size(), seconds);
  pool.run(pool.size(), [&](unsigned thread) {
    unsigned char *result = memory + factors + thread * stride;
    product.run(memory, result);
    for (Clock::time_point begin = Clock::now(); secondsSince(begin) < seconds;) {
      Clock::time_point start = Clock::now();
      for (int i = 0; i < together; ++i)
        product.run(memory, result);
      least[thread] = std::min(least[thread], secondsSince(start));
    }
  });
  double sum = 0;
  for (double time : least)
    sum += product.flops() * together / std::max(time, 1e-9);
  return sum;
}

cuda::Status measureCudaPeak(const cuda::Device &device, cuda::Stream stream, cuda::DType type,
                             const cuda::DeviceMemory &arena, double seconds,
                             double &flopsPerSecond) {
  constexpr long long least = 128, most = 8192;
  const uint64_t width = type == cuda::DType::bf16 ? 2 : 4;
  auto bytesOf = [&](long long side) { return static_cast<uint64_t>(side * side) * width; };
  Clock::time_point begin = Clock::now();
  flopsPerSecond = 0;
  cuda::DeviceMemory own;
  if (arena.size() < 3 * bytesOf(least))
    if (cuda::Status status =
            own.allocate(device, 3 * bytesOf(least), "measuring the peak", stream);
        !status)
      return status;
  const cuda::DeviceMemory &memory = own.size() > 0 ? own : arena;
  for (long long side = least;;) {
    unsigned char *a = memory.data(), *b = a + bytesOf(side), *c = b + bytesOf(side);
    if (int error = device.driver().setBytes(a, pattern, 2 * bytesOf(side), stream))
      return cuda::failure(error, "measure the peak");
    cuda::Products products;
    cuda::Product product;
    product.m = product.n = product.k = product.lda = product.ldb = product.ldc = side;
    product.a = product.b = product.c = type;
    product.alignment = 64;
    if (cuda::Status status = products.open(device, 0, stream); !status)
      return status;
    const int number = products.add(product);
    if (cuda::Status status = products.prepare(); !status)
      return status;
    // The first one loads code.
    double elapsed = 0;
    for (int repeated = 0;
         repeated < 2 || (elapsed * 20 >= seconds && secondsSince(begin) < seconds); ++repeated) {
      Clock::time_point start = Clock::now();
      int error = products.run(number, a, b, c, stream);
      if (!error)
        error = device.driver().streamSynchronize(stream);
      if (error)
        return cuda::failure(error, "measure the peak");
      elapsed = std::max(secondsSince(start), 1e-9);
      const auto extent = static_cast<double>(side);
      flopsPerSecond = std::max(flopsPerSecond, 2 * extent * extent * extent / elapsed);
    }
    if (elapsed * 20 >= seconds || side >= most || 3 * bytesOf(2 * side) > memory.size() ||
        secondsSince(begin) >= seconds)
      return cuda::Status();
    side *= 2;
  }
}

} // namespace ftc
