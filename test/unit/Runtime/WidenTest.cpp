//===- WidenTest.cpp - every bf16 and f16, and roundings to bf16 -----------===//
// Against the plain conversions of lib/Support.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Widen.h"

#include "ftc/Support/DType.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <vector>

using namespace ftc;

namespace {

TEST(Widen, EveryValueAtAnyAddress) {
  std::vector<uint16_t> all(65536);
  for (size_t i = 0; i < all.size(); ++i)
    all[i] = uint16_t(i);
  std::vector<unsigned char> shifted(all.size() * 2 + 1);
  std::memcpy(shifted.data() + 1, all.data(), all.size() * 2);
  for (package::DType dtype : {package::DType::bf16, package::DType::f16}) {
    std::vector<float> wide(all.size());
    widen(dtype, shifted.data() + 1, wide.data(), int64_t(all.size()));
    for (size_t i = 0; i < all.size(); ++i) {
      float expected = dtype == package::DType::bf16 ? bf16ToF32(all[i]) : f16ToF32(all[i]);
      if (std::isnan(expected))
        EXPECT_TRUE(std::isnan(wide[i])) << i;
      else
        EXPECT_EQ(std::memcmp(&expected, &wide[i], 4), 0) << i;
    }
  }
}

// Ties and their neighbours of every bf16, NaNs with any payload, overflow to infinity.
TEST(Narrow, LikeThePlainRoundingAtAnyAddress) {
  std::vector<float> values;
  for (uint32_t upper = 0; upper < 65536; ++upper)
    for (uint32_t lower : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      uint32_t bits = upper << 16 | lower;
      float value;
      std::memcpy(&value, &bits, 4);
      values.push_back(value);
    }
  std::vector<unsigned char> rounded(values.size() * 2 + 1);
  narrow(values.data(), rounded.data() + 1, int64_t(values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, rounded.data() + 1 + 2 * i, 2);
    ASSERT_EQ(bits, f32ToBf16(values[i])) << values[i];
  }
}

TEST(Narrow, EveryShortLength) {
  std::vector<float> source(40, 1.0f);
  for (int64_t count = 0; count < 40; ++count) {
    std::vector<uint16_t> half(41, 7);
    narrow(source.data(), half.data(), count);
    for (int64_t i = 0; i < 41; ++i)
      EXPECT_EQ(half[size_t(i)], i < count ? 0x3f80 : 7);
  }
}

TEST(Narrow, RowsOfAMatrix) {
  std::vector<float> source(5 * 17);
  for (size_t i = 0; i < source.size(); ++i)
    source[i] = float(i);
  std::vector<uint16_t> half(5 * 30, 7);
  narrowRows(source.data(), 5, 17, half.data() + 3, 30);
  for (size_t r = 0; r < 5; ++r)
    for (size_t c = 0; c < 30; ++c)
      EXPECT_EQ(half[r * 30 + c],
                c >= 3 && c < 20 ? f32ToBf16(float(r * 17 + c - 3)) : uint16_t(7));
}

TEST(Widen, EveryShortLength) {
  std::vector<uint16_t> source(40, 0x3f80);
  for (int64_t count = 0; count < 40; ++count) {
    std::vector<float> wide(41, -1.0f);
    widen(package::DType::bf16, source.data(), wide.data(), count);
    for (int64_t i = 0; i < 41; ++i)
      EXPECT_EQ(wide[size_t(i)], i < count ? 1.0f : -1.0f);
  }
}

TEST(Widen, RowsOfAMatrix) {
  std::vector<uint16_t> source(5 * 30);
  for (size_t i = 0; i < source.size(); ++i)
    source[i] = f32ToBf16(float(i));
  std::vector<float> wide(5 * 17);
  widenRows(package::DType::bf16, source.data() + 3, 5, 17, 30, wide.data());
  for (size_t r = 0; r < 5; ++r)
    for (size_t c = 0; c < 17; ++c)
      EXPECT_EQ(wide[r * 17 + c], float(r * 30 + c + 3));
}

} // namespace
