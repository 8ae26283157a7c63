//===- MistakesTest.cpp - kernels on the CPU: each mistake is found --------===//
// Every kernel here is wrong in one way; the message names the kernel, the thread and the line.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaOnCpu.h"
#include "engine/Stack.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using ftc_on_cpu::Order;

namespace {
int lineOfMistake; // set by the kernels, one line before it
}
#define NEXT_LINE_IS_WRONG lineOfMistake = __LINE__ + 1

FTC_KERNEL(barrier_in_branch, 64, int *) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    NEXT_LINE_IS_WRONG;
    __syncthreads();
  }
}

FTC_KERNEL(barrier_after_return, 64, int *) {
  if (threadIdx.x == 40)
    return;
  NEXT_LINE_IS_WRONG;
  __syncthreads();
}

FTC_KERNEL(return_before_barrier, 64, int *) {
  if (threadIdx.x == 63)
    return;
  NEXT_LINE_IS_WRONG;
  __syncthreads();
}

FTC_KERNEL(two_shuffles, 32, int *out) {
  int value = 0;
  if (threadIdx.x < 16)
    value = __shfl_xor_sync(0xffffffffu, 1, 1);
  else {
    NEXT_LINE_IS_WRONG;
    value = __shfl_xor_sync(0xffffffffu, 2, 1);
  }
  out[threadIdx.x] = value;
}

FTC_KERNEL(other_masks, 32, int *out) {
  unsigned mask = threadIdx.x < 31 ? 0xffffffffu : 0x80000000u;
  NEXT_LINE_IS_WRONG;
  out[threadIdx.x] = __shfl_xor_sync(mask, 1, 0);
}

FTC_KERNEL(lane_has_returned, 32, int *out) {
  if (threadIdx.x == 0)
    return;
  NEXT_LINE_IS_WRONG;
  out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
}

FTC_KERNEL(lane_outside_mask, 32, int *out) {
  if (threadIdx.x < 16) {
    NEXT_LINE_IS_WRONG;
    out[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, 1, 16);
  }
}

FTC_KERNEL(barrier_and_shuffle, 32, int *out) {
  if (threadIdx.x < 16)
    __syncthreads();
  else {
    NEXT_LINE_IS_WRONG;
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
  }
}

FTC_KERNEL(write_past_shared, 32, int *) {
  FTC_SHARED(memory);
  if (threadIdx.x == 9)
    memory[100] = 1;
}

FTC_KERNEL(write_before_shared, 32, int *) {
  FTC_SHARED(memory);
  if (threadIdx.x == 9)
    *(volatile unsigned char *)(memory - 3) = 1;
}

FTC_KERNEL(write_far_past_shared, 32, int *) {
  FTC_SHARED(memory);
  if (threadIdx.x == 9)
    memory[300] = 1;
}

FTC_KERNEL(missing_barrier, 64, float *out) {
  FTC_SHARED(memory);
  float *tile = reinterpret_cast<float *>(memory);
  tile[threadIdx.x] = 1.0f;
  out[threadIdx.x] = tile[63 - threadIdx.x];
}

FTC_KERNEL(nobody_wrote, 32, float *out) {
  FTC_SHARED(memory);
  out[threadIdx.x] = reinterpret_cast<float *>(memory)[threadIdx.x];
}

FTC_KERNEL(copy_without_wait, 32, const float *in, float *) {
  FTC_SHARED(memory);
  NEXT_LINE_IS_WRONG;
  ftc_on_cpu::copyAsync(memory + threadIdx.x * 16, in + threadIdx.x * 4, 16);
}

FTC_KERNEL(copy_misaligned, 32, const float *in, float *) {
  FTC_SHARED(memory);
  NEXT_LINE_IS_WRONG;
  ftc_on_cpu::copyAsync(memory + threadIdx.x * 16, in + threadIdx.x * 4 + 1, 16);
}

FTC_KERNEL(load_misaligned, 32, const float *in, float *) {
  NEXT_LINE_IS_WRONG;
  ftc_on_cpu::checkAligned(in + 2, 16);
}

FTC_KERNEL(load_outside, 32, const float *in, float *out, long long offset) {
  NEXT_LINE_IS_WRONG;
  ftc_on_cpu::checkRange(in + offset, 16);
  float local = in[offset];
  ftc_on_cpu::checkRange(&local, sizeof local);
  ftc_on_cpu::checkRange(out + threadIdx.x, 4);
  out[threadIdx.x] = local;
}

FTC_KERNEL(load_outside_shared, 32, int *) {
  FTC_SHARED(memory);
  ftc_on_cpu::checkRange(memory + 84, 16);
  NEXT_LINE_IS_WRONG;
  ftc_on_cpu::checkRange(memory + 88, 16);
}

FTC_KERNEL(null_pointer, 32, int *out) { out[threadIdx.x] = 1; }

FTC_KERNEL(divide, 32, int *out, int divisor) { out[threadIdx.x] = 7 / divisor; }

FTC_KERNEL(good, 32, int *out) {
  __syncthreads();
  out[threadIdx.x] = 1;
}

namespace {

class Mistakes : public testing::Test {
protected:
  void TearDown() override {
    ftc_on_cpu::setOrder(Order::Forward);
    ftc_on_cpu::setTwice(false);
    // Whatever happened, the next launch is as good as the first.
    int out[32] = {};
    EXPECT_EQ(FTC_LAUNCH(good, 1, 32, 0, nullptr, out), 0);
    EXPECT_EQ(out[31], 1);
  }

  /// The last launch failed on the line of the mistake, with these words.
  static void expectMistake(int code, std::initializer_list<const char *> words) {
    EXPECT_EQ(code, 719);
    std::string text = ftc_on_cpu::lastError();
    std::string place = "MistakesTest.cpp:" + std::to_string(lineOfMistake) + ": kernel ";
    EXPECT_NE(text.find(place), std::string::npos) << text << "\nis not at " << place;
    expectWords(words);
  }
  static void expectWords(std::initializer_list<const char *> words) {
    std::string text = ftc_on_cpu::lastError();
    for (const char *word : words)
      EXPECT_NE(text.find(word), std::string::npos) << text << "\ndoes not say " << word;
  }

  alignas(16) float in[256] = {};
  float out[256] = {};
  int numbers[64] = {};
};

TEST_F(Mistakes, BarrierInBranch) {
  expectMistake(
      FTC_LAUNCH(barrier_in_branch, 2, 64, 0, nullptr, numbers),
      {"kernel barrier_in_branch, block 0, thread 32: barrier divergence", "thread 0 waits at "});
}

TEST_F(Mistakes, BarrierAfterReturn) {
  expectMistake(FTC_LAUNCH(barrier_after_return, 1, 64, 0, nullptr, numbers),
                {"thread 40: barrier divergence: thread 0 waits here"});
  ftc_on_cpu::setOrder(Order::Reverse);
  expectMistake(FTC_LAUNCH(return_before_barrier, 1, 64, 0, nullptr, numbers),
                {"thread 62: barrier divergence: thread 63 has returned"});
}

TEST_F(Mistakes, TwoShuffles) {
  expectMistake(FTC_LAUNCH(two_shuffles, 1, 32, 0, nullptr, numbers),
                {"thread 16: warp divergence: __shfl_xor_sync here while thread 0 waits in "
                 "__shfl_xor_sync at "});
}

TEST_F(Mistakes, OtherMasks) {
  expectMistake(FTC_LAUNCH(other_masks, 1, 32, 0, nullptr, numbers),
                {"thread 31: warp divergence", "their masks differ"});
}

TEST_F(Mistakes, LaneHasReturned) {
  expectMistake(FTC_LAUNCH(lane_has_returned, 1, 32, 0, nullptr, numbers),
                {"names lane 0, which has returned"});
}

TEST_F(Mistakes, LaneOutsideMask) {
  expectMistake(FTC_LAUNCH(lane_outside_mask, 1, 32, 0, nullptr, numbers),
                {"shuffle reads a lane outside its mask"});
}

TEST_F(Mistakes, Deadlock) {
  expectMistake(
      FTC_LAUNCH(barrier_and_shuffle, 1, 32, 0, nullptr, numbers),
      {"deadlock: thread 0 waits in __syncthreads at ", "thread 16 waits in __shfl_xor_sync at "});
}

TEST_F(Mistakes, SharedMemoryBounds) {
#ifdef FTC_ON_CPU_ASAN
  EXPECT_DEATH(FTC_LAUNCH(write_past_shared, 1, 32, 100, nullptr, numbers), "use-after-poison");
  EXPECT_DEATH(FTC_LAUNCH(write_before_shared, 1, 32, 100, nullptr, numbers), "use-after-poison");
#else
  EXPECT_EQ(FTC_LAUNCH(write_past_shared, 1, 32, 100, nullptr, numbers), 719);
  expectWords({"kernel write_past_shared, block 0: byte 100 of shared memory was written",
               "it has 100 bytes"});
  EXPECT_EQ(FTC_LAUNCH(write_before_shared, 1, 32, 100, nullptr, numbers), 719);
  expectWords({"kernel write_before_shared, block 0: byte -3 of shared memory was written"});
  EXPECT_EQ(FTC_LAUNCH(write_far_past_shared, 1, 32, 256, nullptr, numbers), 719);
  expectWords({"MistakesTest.cpp:", ": kernel write_far_past_shared, block 0, thread 9: ",
               "access at offset 300 of shared memory, which has 256 bytes"});
#endif
  expectMistake(FTC_LAUNCH(load_outside_shared, 1, 32, 100, nullptr, numbers),
                {"access to 16 bytes at offset 88 of shared memory, which has 100 bytes"});
}

TEST_F(Mistakes, MissingBarrier) {
  ftc_on_cpu::registerRange(out, sizeof out, "out");
  EXPECT_EQ(FTC_LAUNCH(missing_barrier, 1, 64, 256, nullptr, out), 0);
  unsigned poisoned = 0;
  for (int i = 0; i < 64; ++i)
    poisoned += std::isnan(out[i]);
  EXPECT_EQ(poisoned, 32u);
  ftc_on_cpu::setTwice(true);
  EXPECT_EQ(FTC_LAUNCH(missing_barrier, 1, 64, 256, nullptr, out), 719);
  expectWords({"kernel missing_barrier: byte 0 of `out` depends on the order of the threads"});
  ftc_on_cpu::unregisterRange(out);
}

TEST_F(Mistakes, NobodyWrote) {
  ftc_on_cpu::registerRange(out, sizeof out, "out");
  ftc_on_cpu::setTwice(true);
  EXPECT_EQ(FTC_LAUNCH(nobody_wrote, 1, 32, 128, nullptr, out), 719);
  expectWords(
      {"kernel nobody_wrote: byte 0 of `out` depends on ", "shared memory that nobody wrote"});
  ftc_on_cpu::unregisterRange(out);
}

TEST_F(Mistakes, AsynchronousCopies) {
  expectMistake(FTC_LAUNCH(copy_without_wait, 1, 16, 256, nullptr, in, out),
                {"the thread returns before this cp.async is done"});
  expectMistake(FTC_LAUNCH(copy_misaligned, 1, 16, 256, nullptr, in, out),
                {"misaligned access: the address is 4 bytes beyond a multiple of 16"});
}

TEST_F(Mistakes, Alignment) {
  expectMistake(FTC_LAUNCH(load_misaligned, 1, 32, 0, nullptr, in, out),
                {"misaligned access: the address is 8 bytes beyond a multiple of 16"});
}

TEST_F(Mistakes, DeviceMemoryBounds) {
  EXPECT_EQ(FTC_LAUNCH(load_outside, 1, 32, 0, nullptr, in, out, 0), 0);
  ftc_on_cpu::registerRange(in, sizeof in, "in");
  ftc_on_cpu::registerRange(out, sizeof out, "out");
  EXPECT_EQ(FTC_LAUNCH(load_outside, 1, 32, 0, nullptr, in, out, 252), 0);
  expectMistake(FTC_LAUNCH(load_outside, 1, 32, 0, nullptr, in, out, -4),
                {"access to 16 bytes at 16 bytes before `in` (1024 bytes)"});
  expectMistake(FTC_LAUNCH(load_outside, 1, 32, 0, nullptr, in, out, 254),
                {"access to 16 bytes at byte 1016 of `in` (1024 bytes)"});
  const auto *nearlyNull = reinterpret_cast<const float *>(uintptr_t(16));
  expectMistake(FTC_LAUNCH(load_outside, 1, 32, 0, nullptr, nearlyNull, out, 1),
                {"access to 16 bytes at address 20, a null pointer with an offset"});
  ftc_on_cpu::unregisterRange(in);
  ftc_on_cpu::unregisterRange(out);
}

TEST_F(Mistakes, Faults) {
#ifndef FTC_ON_CPU_ASAN // the sanitizers report these themselves
  int *nowhere = nullptr;
  EXPECT_EQ(FTC_LAUNCH(null_pointer, 1, 32, 0, nullptr, nowhere), 719);
  expectWords({"MistakesTest.cpp:", ": kernel null_pointer, block 0, thread 0: ",
               "access at address 0, a null pointer with an offset"});
  EXPECT_EQ(FTC_LAUNCH(divide, 1, 32, 0, nullptr, numbers, 0), 719);
  expectWords({"kernel divide, block 0, thread 0: integer division by zero"});
#endif
}

} // namespace
