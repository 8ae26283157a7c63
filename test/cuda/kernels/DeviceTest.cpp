//===- DeviceTest.cpp - what kernels stand on ------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Support.h"

#include <cstdint>

using namespace ftc::test;
using ftc::asBits;
using ftc::asFloat;
using ftc::bf16;
using ftc::f16;

FTC_KERNEL(sums_and_maxima, 160, const float *in, float *out) {
  FTC_SHARED(memory);
  float *shared = reinterpret_cast<float *>(memory);
  const float value = ftc::load(in + threadIdx.x);
  const float sum = ftc::blockSum(value, shared), maximum = ftc::blockMax(value, shared);
  ftc::store(out + threadIdx.x, ftc::blockSum(sum - maximum, shared));
}

FTC_KERNEL(find_groups, 32, const long long *firstBlock, long long count, int *out) {
  if (threadIdx.x == 0)
    ftc::store(out + blockIdx.x, int(ftc::batchIndex(firstBlock, count, blockIdx.x)));
}

namespace {

FTC_KERNEL_TESTS(DeviceKernels);

/// The numbers of a 16-bit type next to a float, by search: finite and infinite ones in order.
template <typename T> void checkRounding(unsigned short infinityBits) {
  for (unsigned bits = 0; bits < infinityBits; ++bits) {
    const T low{(unsigned short)bits}, high{(unsigned short)(bits + 1)};
    const double a = ftc::toFloat(low);
    // Beyond the largest number lies the one that would come next.
    const double b = bits + 1 == infinityBits ? 2 * a - ftc::toFloat(T{(unsigned short)(bits - 1)})
                                              : ftc::toFloat(high);
    const float middle = float((a + b) / 2); // exact
    const unsigned even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(ftc::fromFloat<T>(float(a)).bits, bits);
    ASSERT_EQ(ftc::fromFloat<T>(middle).bits, even);
    ASSERT_EQ(ftc::fromFloat<T>(-middle).bits, even | 0x8000);
    ASSERT_EQ(ftc::fromFloat<T>(asFloat(asBits(middle) - 1)).bits, bits);
    ASSERT_EQ(ftc::fromFloat<T>(asFloat(asBits(middle) + 1)).bits, bits + 1);
  }
  EXPECT_EQ(ftc::toFloat(T{infinityBits}), INFINITY);
  EXPECT_EQ(ftc::fromFloat<T>(INFINITY).bits, infinityBits);
  EXPECT_EQ(ftc::fromFloat<T>(-0.0f).bits, 0x8000);
  EXPECT_TRUE(std::isnan(ftc::toFloat(ftc::fromFloat<T>(NAN))));
  EXPECT_TRUE(std::isnan(ftc::toFloat(ftc::fromFloat<T>(asFloat(0x7f800001u)))));
}

TEST(Device, RoundsToNearestEven) {
  checkRounding<bf16>(0x7f80);
  checkRounding<f16>(0x7c00);
}

TEST(Device, PacksLowFirst) {
  EXPECT_EQ(ftc::packBf16(1.0f, -2.0f), 0xc0003f80u);
  const float values[] = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto packed = ftc::fromFloats<bf16, 8>(values);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(ftc::toFloat(packed[i]), values[i]);
}

TEST(Device, MaximaAndMinima) {
  const float nan = ftc::notANumber();
  EXPECT_EQ(ftc::maximum(1, 2), 2);
  EXPECT_EQ(ftc::minimum(1, 2), 1);
  EXPECT_TRUE(std::isnan(ftc::maximum(nan, 2)) && std::isnan(ftc::maximum(2, nan)));
  EXPECT_TRUE(std::isnan(ftc::minimum(nan, 2)) && std::isnan(ftc::minimum(2, nan)));
  EXPECT_FALSE(std::signbit(ftc::maximum(-0.0f, 0.0f)) || std::signbit(ftc::maximum(0.0f, -0.0f)));
  EXPECT_TRUE(std::signbit(ftc::minimum(-0.0f, 0.0f)) && std::signbit(ftc::minimum(0.0f, -0.0f)));
  EXPECT_EQ(ftc::maxnum(nan, 2), 2);
  EXPECT_EQ(ftc::minnum(2, nan), 2);
  EXPECT_EQ(ftc::select(true, 1, 2), 1);
  EXPECT_EQ(ftc::rsqrt(4), 0.5f);
}

TEST_P(DeviceKernels, SumsAndMaximaOfABlock) {
  Memory<float> in(160), out(160);
  in.fill(1, -3, 3);
  double sum = 0, maximum = -INFINITY;
  for (double value : in.values()) {
    sum += value;
    maximum = std::max(maximum, value);
  }
  FTC_EXPECT_RUNS(
      FTC_LAUNCH(sums_and_maxima, 1, 160, 5 * sizeof(float), nullptr, in.data(), out.data()));
  expectNear(out, std::vector<double>(160, 160 * (sum - maximum)), "sum", 1000);
}

TEST_P(DeviceKernels, GroupsOfABatch) {
  const std::vector<int> blocks = {0, 3, 1, 0, 0, 5, 0};
  Memory<long long> firstBlock(blocks.size() + 1);
  std::vector<int> want;
  for (size_t i = 0; i < blocks.size(); ++i) {
    firstBlock.data()[i] = (long long)want.size();
    want.insert(want.end(), blocks[i], int(i));
  }
  firstBlock.data()[blocks.size()] = (long long)want.size();
  Memory<int> out(want.size());
  FTC_EXPECT_RUNS(FTC_LAUNCH(find_groups, want.size(), 32, 0, nullptr, firstBlock.data(),
                             (long long)blocks.size(), out.data()));
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_EQ(out[i], want[i]);
}

} // namespace
