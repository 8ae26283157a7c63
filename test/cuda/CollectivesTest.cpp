//===- CollectivesTest.cpp - kernels on the CPU: shuffles and copies -------===//
// Each warp instruction lane by lane; barriers that order shared memory; cp.async.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaOnCpu.h"

#include <gtest/gtest.h>

#include <vector>

using ftc_on_cpu::Order;

FTC_KERNEL(shuffles, 64, int *out) {
  int lane = threadIdx.x % 32, value = 100 + static_cast<int>(threadIdx.x);
  int *at = out + 7 * threadIdx.x;
  at[0] = __shfl_sync(0xffffffffu, value, 5);
  at[1] = __shfl_sync(0xffffffffu, value, 3, 8);
  at[2] = __shfl_xor_sync(0xffffffffu, value, 17);
  at[3] = __shfl_down_sync(0xffffffffu, value, 4);
  at[4] = __shfl_down_sync(0xffffffffu, value, 4, 8);
  at[5] = __shfl_up_sync(0xffffffffu, value, 2);
  at[6] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0));
}

// Half a warp exchanges often while the other half has yet to look at an earlier exchange.
FTC_KERNEL(half_warps, 32, int *out) {
  int lane = threadIdx.x;
  int value = __shfl_xor_sync(0xffffffffu, lane, 16);
  if (lane < 16)
    for (int i = 0; i < 3; ++i)
      value += 1000 * __shfl_xor_sync(0x0000ffffu, lane, 1);
  out[lane] = value;
}

FTC_KERNEL(reverse_in_shared, 256, const int *in, int *out) {
  FTC_SHARED(memory);
  int *tile = reinterpret_cast<int *>(memory);
  for (int round = 0; round < 4; ++round) {
    tile[threadIdx.x] = in[round * blockDim.x + threadIdx.x];
    __syncthreads();
    out[round * blockDim.x + threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
    __syncthreads();
  }
}

FTC_KERNEL(warp_in_shared, 64, int *out) {
  FTC_SHARED(memory);
  int *tile = reinterpret_cast<int *>(memory);
  tile[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncwarp();
  out[threadIdx.x] = tile[threadIdx.x ^ 31];
}

// Two stages in flight: the group that is waited for is there, and zeros where nothing is valid.
FTC_KERNEL(staged_copy, 32, const float *in, float *out, long long valid) {
  FTC_SHARED(memory);
  float *tile = reinterpret_cast<float *>(memory);
  unsigned thread = threadIdx.x;
  for (unsigned stage = 0; stage < 2; ++stage) {
    unsigned at = (stage * 32 + thread) * 4;
    ftc_on_cpu::copyAsync(tile + at, in + at, 16, at < valid);
    ftc_on_cpu::commitAsync();
  }
  ftc_on_cpu::waitAsync(1);
  __syncthreads();
  for (unsigned i = 0; i < 4; ++i)
    out[i * 32 + thread] = tile[i * 32 + thread];
  ftc_on_cpu::waitAsync(0);
  __syncthreads();
  for (unsigned i = 4; i < 8; ++i)
    out[i * 32 + thread] = tile[i * 32 + thread];
}

namespace {

class Collectives : public testing::TestWithParam<Order> {
protected:
  void SetUp() override { ftc_on_cpu::setOrder(GetParam(), 3); }
  void TearDown() override { ftc_on_cpu::setOrder(Order::Forward); }
};

TEST_P(Collectives, Shuffles) {
  std::vector<int> out(7 * 64);
  ASSERT_EQ(FTC_LAUNCH(shuffles, 1, 64, 0, nullptr, out.data()), 0);
  for (int thread = 0; thread < 64; ++thread) {
    int lane = thread % 32, base = 100 + thread - lane;
    const int *at = &out[7 * thread];
    EXPECT_EQ(at[0], base + 5);
    EXPECT_EQ(at[1], base + lane / 8 * 8 + 3);
    EXPECT_EQ(at[2], base + (lane ^ 17));
    EXPECT_EQ(at[3], base + (lane + 4 < 32 ? lane + 4 : lane));
    EXPECT_EQ(at[4], base + (lane % 8 + 4 < 8 ? lane + 4 : lane));
    EXPECT_EQ(at[5], base + (lane >= 2 ? lane - 2 : lane));
    EXPECT_EQ(static_cast<unsigned>(at[6]), 0x49249249u);
  }
}

TEST_P(Collectives, HalfWarps) {
  std::vector<int> out(32);
  ASSERT_EQ(FTC_LAUNCH(half_warps, 1, 32, 0, nullptr, out.data()), 0);
  for (int lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], (lane ^ 16) + (lane < 16 ? 3000 * (lane ^ 1) : 0));
}

TEST_P(Collectives, BarriersOrderSharedMemory) {
  for (int threads : {1, 31, 32, 100, 256}) {
    std::vector<int> in(4 * threads), out(4 * threads, -1);
    for (int i = 0; i < 4 * threads; ++i)
      in[i] = i;
    ASSERT_EQ(FTC_LAUNCH(reverse_in_shared, 2, threads, threads * sizeof(int), nullptr, in.data(),
                         out.data()),
              0);
    for (int i = 0; i < 4 * threads; ++i)
      ASSERT_EQ(out[i], i / threads * threads + threads - 1 - i % threads);
  }
}

TEST_P(Collectives, SyncwarpOrdersSharedMemory) {
  std::vector<int> out(64);
  ASSERT_EQ(FTC_LAUNCH(warp_in_shared, 1, 64, 256, nullptr, out.data()), 0);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(out[i], i ^ 31);
}

TEST_P(Collectives, StagedCopy) {
  alignas(16) float in[256];
  for (int i = 0; i < 256; ++i)
    in[i] = static_cast<float>(i + 1);
  std::vector<float> out(256);
  ASSERT_EQ(FTC_LAUNCH(staged_copy, 1, 32, 1024, nullptr, in, out.data(), 200), 0);
  for (int i = 0; i < 256; ++i)
    EXPECT_EQ(out[i], i < 200 ? in[i] : 0.0f);
}

INSTANTIATE_TEST_SUITE_P(Orders, Collectives,
                         testing::Values(Order::Forward, Order::Reverse, Order::Random));

} // namespace
