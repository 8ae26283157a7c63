//===- LaunchTest.cpp - kernels on the CPU: launches and their results -----===//
// Small kernels as they are written for the GPU, against what they must compute.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaOnCpu.h"
#include "engine/Engine.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace {

using ftc_on_cpu::Order;

FTC_DEVICE float warpSum(float value) {
  FTC_UNROLL
  for (int offset = 16; offset; offset /= 2)
    value += __shfl_xor_sync(0xffffffffu, value, offset);
  return value;
}

} // namespace

FTC_KERNEL(scale, 128, const float *in, float *out, float factor, long long grid) {
  long long i = blockIdx.x * 128ll + threadIdx.x;
  if (i < grid)
    out[i] = in[i] * factor;
}

// One block a row: sum over the columns by warps, then over the warps.
FTC_KERNEL(row_sum, 256, const float *in, float *out, long long columns, long long grid) {
  FTC_SHARED(memory);
  float *partial = reinterpret_cast<float *>(memory);
  if (blockIdx.x >= grid)
    return;
  float sum = 0;
  for (long long i = threadIdx.x; i < columns; i += blockDim.x)
    sum += in[blockIdx.x * columns + i];
  sum = warpSum(sum);
  if (threadIdx.x % 32 == 0)
    partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = warpSum(threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0.0f);
    if (threadIdx.x == 0)
      out[blockIdx.x] = sum;
  }
}

FTC_KERNEL(positions, 96, unsigned *out) {
  unsigned *at = out + 4 * (blockIdx.x * blockDim.x + threadIdx.x);
  at[0] = threadIdx.x;
  at[1] = blockIdx.x;
  at[2] = blockDim.x;
  at[3] = gridDim.x;
}

FTC_KERNEL(nothing, 1024, int *touched) { ++*touched; }

namespace {

class Launches : public testing::TestWithParam<Order> {
protected:
  void SetUp() override { ftc_on_cpu::setOrder(GetParam(), 7); }
  void TearDown() override {
    ftc_on_cpu::setOrder(Order::Forward);
    ftc_on_cpu::setThreads(1);
  }
};

TEST_P(Launches, MapWithTail) {
  std::vector<float> in(1000), out(1000, -1.0f);
  std::iota(in.begin(), in.end(), 1.0f);
  EXPECT_EQ(FTC_LAUNCH(scale, 8, 128, 0, nullptr, in.data(), out.data(), 2, in.size()), 0);
  for (size_t i = 0; i < in.size(); ++i)
    ASSERT_EQ(out[i], 2.0f * in[i]);
}

TEST_P(Launches, RowSum) {
  constexpr long long rows = 5, columns = 777;
  std::vector<float> in(rows * columns), out(rows);
  std::iota(in.begin(), in.end(), 0.0f);
  EXPECT_EQ(FTC_LAUNCH(row_sum, rows, 256, 8 * sizeof(float), nullptr, in.data(), out.data(),
                       columns, rows),
            0);
  for (long long row = 0; row < rows; ++row) {
    double sum = columns * (row * columns + (columns - 1) / 2.0);
    EXPECT_NEAR(out[row], sum, 1e-6 * sum);
  }
}

TEST_P(Launches, PositionsOfOddBlocks) {
  // 70 threads: two whole warps and one of six lanes.
  constexpr unsigned blocks = 3, threads = 70;
  std::vector<unsigned> out(4 * blocks * threads);
  EXPECT_EQ(FTC_LAUNCH(positions, blocks, threads, 0, nullptr, out.data()), 0);
  for (unsigned i = 0; i < blocks * threads; ++i) {
    EXPECT_EQ(out[4 * i], i % threads);
    EXPECT_EQ(out[4 * i + 1], i / threads);
    EXPECT_EQ(out[4 * i + 2], threads);
    EXPECT_EQ(out[4 * i + 3], blocks);
  }
}

TEST_P(Launches, EveryThreadOnce) {
  int touched = 0;
  EXPECT_EQ(FTC_LAUNCH(nothing, 3, 1024, 0, nullptr, &touched), 0);
  EXPECT_EQ(touched, 3 * 1024);
}

TEST_P(Launches, TwoSystemThreads) {
  ftc_on_cpu::setThreads(2);
  constexpr long long rows = 64, columns = 300;
  std::vector<float> in(rows * columns, 1.0f), out(rows);
  EXPECT_EQ(FTC_LAUNCH(row_sum, rows, 256, 8 * sizeof(float), nullptr, in.data(), out.data(),
                       columns, rows),
            0);
  for (float sum : out)
    EXPECT_EQ(sum, 300.0f);
}

INSTANTIATE_TEST_SUITE_P(Orders, Launches,
                         testing::Values(Order::Forward, Order::Reverse, Order::Random));

TEST(Engines, BeginWithAnyBlock) {
  int touched = 0, *at = &touched;
  void *arguments[] = {&at};
  ftc_on_cpu::Engine engine;
  for (size_t sharedBytes : {size_t(0), size_t(100), size_t(0)}) {
    ftc_on_cpu::Launch launch{nothing_on_cpu_kernel, 6, 33,  sharedBytes, arguments,
                              Order::Reverse,        1, 0xff};
    EXPECT_TRUE(engine.runBlock(launch, 5)) << engine.error();
    EXPECT_TRUE(engine.runBlock(launch, 4)) << engine.error();
  }
  EXPECT_EQ(touched, 6 * 33);
}

TEST(LaunchArguments, AreChecked) {
  int touched = 0;
  EXPECT_EQ(FTC_LAUNCH(nothing, 0, 1, 0, nullptr, &touched), 1);
  EXPECT_NE(std::string(ftc_on_cpu::lastError()).find("kernel nothing: a grid of 0 blocks"),
            std::string::npos);
  EXPECT_EQ(FTC_LAUNCH(positions, 1, 97, 0, nullptr, nullptr), 1);
  EXPECT_NE(std::string(ftc_on_cpu::lastError()).find("the launch bound is 96"), std::string::npos);
  EXPECT_EQ(FTC_LAUNCH(nothing, 1, 1, 228 * 1024, nullptr, &touched), 1);
  EXPECT_EQ(touched, 0);
  EXPECT_EQ(FTC_LAUNCH(nothing, 1, 1, 227 * 1024, nullptr, &touched), 0);
  EXPECT_EQ(touched, 1);
  EXPECT_STREQ(ftc_on_cpu::lastError(), "");
}

} // namespace
