//===- CheckedTest.cpp - kernels on the CPU: every load and store checked --===//
// Races and reads of unwritten shared memory are found in any order, with the line of the access.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaOnCpu.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#if FTC_ON_CPU_CHECKED

using ftc_on_cpu::Order;

namespace {
int lineOfMistake;
}
#define NEXT_LINE_IS_WRONG lineOfMistake = __LINE__ + 1

FTC_DEVICE float *floats(unsigned char *memory) { return reinterpret_cast<float *>(memory); }

FTC_KERNEL(reads_unwritten, 32, float *out) {
  FTC_SHARED(memory);
  float *tile = floats(memory);
  if (threadIdx.x != 5)
    tile[threadIdx.x] = 1.0f;
  __syncthreads();
  if (threadIdx.x == 7) {
    NEXT_LINE_IS_WRONG;
    out[0] = tile[5];
  }
}

FTC_KERNEL(reads_without_barrier, 64, float *out) {
  FTC_SHARED(memory);
  float *tile = floats(memory);
  tile[threadIdx.x] = 1.0f;
  tile[threadIdx.x] += 1.0f; // one's own needs none
  if (threadIdx.x == 63)
    tile[0] = tile[63]; // and thread 0 has read it
}

FTC_KERNEL(overwrites_what_others_read, 64, float *out) {
  FTC_SHARED(memory);
  float *tile = floats(memory);
  tile[threadIdx.x] = 1.0f;
  __syncthreads();
  float other = tile[63 - threadIdx.x];
  tile[threadIdx.x] = other;
}

FTC_KERNEL(all_write_one, 64, float *out) {
  FTC_SHARED(memory);
  if (threadIdx.x % 32 == 3)
    floats(memory)[0] = 1.0f;
}

FTC_KERNEL(shuffle_is_no_barrier, 32, float *out) {
  FTC_SHARED(memory);
  float *tile = floats(memory);
  tile[threadIdx.x] = 1.0f;
  float value = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  out[threadIdx.x] = tile[threadIdx.x ^ 1] + value;
}

FTC_KERNEL(copy_read_too_early, 32, const float *in, float *out) {
  FTC_SHARED(memory);
  float *tile = floats(memory);
  ftc_on_cpu::copyAsync(tile + 4 * threadIdx.x, in + 4 * threadIdx.x, 16);
  ftc_on_cpu::commitAsync();
  __syncthreads();
  if (threadIdx.x == 15)
    out[0] = tile[0];
  __syncthreads();
  ftc_on_cpu::waitAsync(0);
}

FTC_KERNEL(copy_over_what_others_read, 32, const float *in, float *out) {
  FTC_SHARED(memory);
  float *tile = floats(memory);
  for (int i = 0; i < 4; ++i)
    tile[4 * threadIdx.x + i] = 0;
  __syncthreads();
  out[threadIdx.x] = tile[63 - 4 * threadIdx.x];
  ftc_on_cpu::copyAsync(tile + 4 * threadIdx.x, in + 4 * threadIdx.x, 16);
  ftc_on_cpu::commitAsync();
  __syncthreads();
  ftc_on_cpu::waitAsync(0);
}

FTC_KERNEL(one_past_the_end, 64, const float *in, float *out) {
  NEXT_LINE_IS_WRONG;
  out[threadIdx.x] = in[threadIdx.x + 1];
}

struct alignas(16) FourFloats {
  float v[4];
};

FTC_KERNEL(vector_past_the_end, 16, const float *in, FourFloats *out) {
  NEXT_LINE_IS_WRONG;
  out[threadIdx.x] = reinterpret_cast<const FourFloats *>(in)[threadIdx.x + 1];
}

FTC_KERNEL(past_shared, 32, float *out) {
  FTC_SHARED(memory);
  NEXT_LINE_IS_WRONG;
  floats(memory)[threadIdx.x + 1] = 1.0f;
}

// Every block adds to one number: the last one wins, or not.
FTC_KERNEL(blocks_add, 32, float *out) {
  if (threadIdx.x == 0) {
    NEXT_LINE_IS_WRONG;
    out[0] += 1.0f;
  }
}

// Each block writes what its neighbour reads.
FTC_KERNEL(blocks_shift, 32, float *out) {
  if (threadIdx.x == 0)
    out[blockIdx.x] = out[blockIdx.x + 1];
}

FTC_KERNEL(threads_shift, 64, float *out) {
  float next = out[(threadIdx.x + 1) % 64];
  out[threadIdx.x] = next;
}

namespace {
constexpr float table[4] = {1, 2, 3, 4};
}

// Everything that is allowed: constants, local arrays, tiles between barriers, copies waited for.
FTC_KERNEL(good_citizen, 64, const float *in, float *out) {
  FTC_SHARED(memory);
  float *tile = floats(memory), *copied = tile + 64;
  float local[4];
  if (threadIdx.x < 16)
    ftc_on_cpu::copyAsync(copied + 4 * threadIdx.x, in + 4 * threadIdx.x, 16);
  ftc_on_cpu::commitAsync();
  for (int round = 0; round < 3; ++round) {
    tile[threadIdx.x] = in[threadIdx.x] + table[(threadIdx.x + unsigned(round)) % 4];
    __syncwarp();
    local[round] = tile[threadIdx.x ^ 31];
    __syncthreads();
    local[3] = tile[63 - threadIdx.x] + __shfl_xor_sync(0xffffffffu, local[round], 3);
    __syncthreads();
  }
  ftc_on_cpu::waitAsync(0);
  __syncthreads();
  if (blockIdx.x == 0)
    out[threadIdx.x] = local[threadIdx.x % 4] + copied[63 - threadIdx.x];
  __syncthreads();
  if (blockIdx.x == 0)
    out[63 - threadIdx.x] += 1.0f;
}

namespace {

class Checked : public testing::TestWithParam<Order> {
protected:
  void SetUp() override {
    ftc_on_cpu::setOrder(GetParam(), 11);
    ftc_on_cpu::registerRange(in, sizeof in, "in");
    ftc_on_cpu::registerRange(out, sizeof out, "out");
    lineOfMistake = 0;
  }
  void TearDown() override {
    EXPECT_EQ(FTC_LAUNCH(good_citizen, 2, 64, 512, nullptr, in, out), 0);
    ftc_on_cpu::setOrder(Order::Forward);
    ftc_on_cpu::unregisterRange(in);
    ftc_on_cpu::unregisterRange(out);
  }

  static void expectMistake(int code, const char *words) {
    EXPECT_EQ(code, 719);
    std::string text = ftc_on_cpu::lastError();
    EXPECT_NE(text.find(words), std::string::npos) << text << "\ndoes not say " << words;
    static const bool hasTool = !std::system("llvm-symbolizer-22 --version > /dev/null 2>&1");
    if (!lineOfMistake || !hasTool)
      return;
    std::string place = "CheckedTest.cpp:" + std::to_string(lineOfMistake) + ": kernel ";
    EXPECT_NE(text.find(place), std::string::npos) << text << "\nis not at " << place;
  }

  alignas(16) float in[64] = {};
  float between[64] = {};
  alignas(16) float out[64] = {};
};

TEST_P(Checked, UnwrittenSharedMemory) {
  expectMistake(FTC_LAUNCH(reads_unwritten, 1, 32, 128, nullptr, out),
                "kernel reads_unwritten, block 0, thread 7: reads byte 20 of shared memory, which "
                "nobody has written");
}

TEST_P(Checked, Races) {
  expectMistake(FTC_LAUNCH(reads_without_barrier, 1, 64, 256, nullptr, out),
                "kernel reads_without_barrier, block 0, thread ");
  EXPECT_NE(std::string(ftc_on_cpu::lastError()).find("race: writes byte 0 of shared memory"),
            std::string::npos);
  expectMistake(FTC_LAUNCH(overwrites_what_others_read, 1, 64, 256, nullptr, out), "race: ");
  expectMistake(FTC_LAUNCH(all_write_one, 1, 64, 256, nullptr, out),
                "race: writes byte 0 of shared memory, which thread ");
  expectMistake(FTC_LAUNCH(shuffle_is_no_barrier, 1, 32, 128, nullptr, out), "race: reads byte ");
}

TEST_P(Checked, AsynchronousCopies) {
  expectMistake(FTC_LAUNCH(copy_read_too_early, 1, 16, 256, nullptr, in, out),
                "where a cp.async of thread 0 is in flight");
  expectMistake(FTC_LAUNCH(copy_over_what_others_read, 1, 16, 512, nullptr, in, out),
                " of shared memory, wh"); // which another reads, or where it is in flight
}

TEST_P(Checked, RacesInDeviceMemory) {
  expectMistake(FTC_LAUNCH(blocks_add, 2, 32, 0, nullptr, out),
                "thread 0: race: reads byte 0 of `out`, which another block of this launch has "
                "written");
  EXPECT_EQ(FTC_LAUNCH(blocks_add, 1, 32, 0, nullptr, out), 0);
  EXPECT_EQ(FTC_LAUNCH(blocks_add, 1, 32, 0, nullptr, out), 0); // launches are ordered
  lineOfMistake = 0;
  expectMistake(FTC_LAUNCH(blocks_shift, 3, 32, 0, nullptr, out),
                " of `out`, which another block of this launch has ");
  expectMistake(FTC_LAUNCH(threads_shift, 1, 64, 0, nullptr, out), " of `out`, which thread ");
}

TEST_P(Checked, Bounds) {
  expectMistake(FTC_LAUNCH(one_past_the_end, 1, 64, 0, nullptr, in, out),
                "thread 63: access to 4 bytes at 0 bytes past the end of `in` (256 bytes)");
  FourFloats *vectors = reinterpret_cast<FourFloats *>(out);
  expectMistake(FTC_LAUNCH(vector_past_the_end, 1, 16, 0, nullptr, in, vectors),
                "thread 15: access to ");
  expectMistake(FTC_LAUNCH(past_shared, 1, 32, 128, nullptr, out),
                "thread 31: access to 4 bytes at offset 128 of shared memory, which has 128 bytes");
}

INSTANTIATE_TEST_SUITE_P(Orders, Checked,
                         testing::Values(Order::Forward, Order::Reverse, Order::Random));

} // namespace

#else

TEST(Checked, NeedsInstrumentation) {
  GTEST_SKIP() << "this compiler or build does not instrument loads and stores";
}

#endif
