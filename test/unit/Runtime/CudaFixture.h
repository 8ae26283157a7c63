//===- CudaFixture.h - the toy package's kernels in CUDA -------------------===//
// Sources as a cuda package carries them, and a device for tests of the host layer.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_RUNTIME_CUDAFIXTURE_H
#define FTC_TEST_UNIT_RUNTIME_CUDAFIXTURE_H

#include "../Package/CudaPackage.h"
#include "RuntimeFixture.h"
#include "ftc/Kernels/CUDA/Host.h"

namespace ftc::test {

/// The kernels of TestKernels.c. They stand alone, for a GPU as for the stand-ins.
inline const std::string &cudaKernels() {
  static const std::string text = R"cuda(
#include "toy/Sizes.h"
#ifndef FTC_ON_CPU
#define FTC_KERNEL(name, threads, ...)                                                             \
  extern "C" __global__ void __launch_bounds__(threads) name(__VA_ARGS__)
#define FTC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]
#endif
enum { maxGradNorm = 7, invItems = 8, biasCorrection1 = 5 };

template <class T, class Convert>
static __device__ void embedRows(const int *ids, const T *table, float *out, long long grid,
                                 Convert convert) {
  long long t = blockIdx.x * 16ll + threadIdx.x;
  if (threadIdx.x < 16 && t < grid)
    for (int j = 0; j < width; ++j)
      out[t * width + j] = convert(table[ids[t] * width + j]);
}
struct Same { __device__ float operator()(float x) const { return x; } };
struct Widen {
  __device__ float operator()(unsigned short x) const {
    union { unsigned bits; float value; } wide = {unsigned(x) << 16};
    return wide.value;
  }
};
FTC_KERNEL(toy_embed, 32, const int *ids, const float *table, float *out, long long grid) {
  embedRows(ids, table, out, grid, Same());
}
FTC_KERNEL(toy_embed_bf16, 32, const int *ids, const unsigned short *table, float *out,
           long long grid) {
  embedRows(ids, table, out, grid, Widen());
}
FTC_KERNEL(toy_residual, 32, const float *y, const int *targets, const int *rows, const float *run,
           float *residuals, float *terms, long long grid) {
  long long i = blockIdx.x * 16ll + threadIdx.x;
  if (threadIdx.x >= 16 || i >= grid)
    return;
  int t = rows[i];
  float d = y[t] - float(targets[i]);
  residuals[t] = targets[i] == -100 ? 0.0f : 2.0f * d * run[invItems];
  terms[t] = targets[i] == -100 ? 0.0f : d * d * run[invItems];
}
FTC_KERNEL(toy_sum, 32, const float *terms, float *loss, long long grid) {
  FTC_SHARED(shared);
  float *parts = reinterpret_cast<float *>(shared);
  parts[threadIdx.x] = threadIdx.x < tokens ? terms[threadIdx.x] : 0.0f;
  __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0;
    for (int t = 0; t < tokens; ++t)
      total += parts[t];
    *loss = total;
  }
}
FTC_KERNEL(toy_norm, 32, const float *gradient, float *total, long long grid) {
  if (threadIdx.x != 0)
    return;
  float squares = 0;
  for (int j = 0; j < width; ++j)
    squares += gradient[j] * gradient[j];
  *total = sqrtf(squares);
}
struct Group { void *arguments[16]; long long grid; };
FTC_KERNEL(toy_descend_batched, 32, const Group *groups, const long long *firstBlock,
           long long count) {
  long long group = 0;
  while (group + 1 < count && firstBlock[group + 1] <= blockIdx.x)
    ++group;
  void *const *arguments = groups[group].arguments;
  float *w = (float *)arguments[0], *gradient = (float *)arguments[1];
  float *moment = (float *)arguments[2];
  const float *run = (const float *)arguments[3], *total = (const float *)arguments[4];
  float clip = run[maxGradNorm] / (*total + 1e-6f);
  clip = clip < 1.0f ? clip : 1.0f;
  long long j = (blockIdx.x - firstBlock[group]) * 8 + threadIdx.x;
  if (threadIdx.x >= 8 || j >= groups[group].grid)
    return;
  w[j] -= run[0] * clip * gradient[j];
  moment[j] = run[biasCorrection1];
  gradient[j] = 0;
}
)cuda";
  return text;
}

/// An opened device, its context current, a stream and pinned memory.
struct TestDevice {
  cuda::Device device;
  cuda::OwnedStream stream;
  cuda::Staging staging;

  void open() {
    expectOk(device.open());
    expectOk(stream.open(device));
    expectOk(staging.open(device, 64)); // so that copies go piece by piece
  }

  static void expectOk(const cuda::Status &status) { EXPECT_TRUE(status) << status.text(); }

  template <class T> cuda::DeviceMemory copy(const std::vector<T> &values) const {
    cuda::DeviceMemory memory;
    expectOk(memory.allocate(device, values.size() * sizeof(T), "a test", stream.get()));
    EXPECT_EQ(staging.copyToDevice(memory.data(), values.data(), memory.size(), stream.get()), 0);
    return memory;
  }
  template <class T> std::vector<T> read(const void *from, size_t count) const {
    std::vector<T> values(count);
    EXPECT_EQ(staging.copyToHost(values.data(), from, count * sizeof(T), stream.get()), 0);
    return values;
  }
  size_t freeBytes() const {
    size_t free = 0, total = 0;
    EXPECT_EQ(device.driver().memoryInfo(&free, &total), 0);
    return free;
  }
};

} // namespace ftc::test

#endif // FTC_TEST_UNIT_RUNTIME_CUDAFIXTURE_H
