//===- DTypeTest.cpp - tests of element types and conversions --------------===//
// Every f16 and bf16 value, ties, subnormals, NaN, and misaligned memory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/DType.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <vector>

using namespace ftc;

namespace {

float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// The meaning of an f16 from the definition of the format, by way of double arithmetic.
double f16Value(uint16_t half) {
  int exponent = (half >> 10) & 31, mantissa = half & 1023;
  double magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                     : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                      : std::ldexp(1024 + mantissa, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

TEST(DType, NamesAndSizes) {
  for (int i = 0; i <= static_cast<int>(DType::U64); ++i) {
    DType dtype = static_cast<DType>(i);
    EXPECT_EQ(dtypeFromName(dtypeName(dtype)), dtype);
  }
  EXPECT_STREQ(dtypeName(DType::F8_E4M3FNUZ), "F8_E4M3FNUZ");
  EXPECT_EQ(dtypeFromName("f32"), std::nullopt);
  EXPECT_EQ(dtypeFromName("FLOAT"), std::nullopt);
  EXPECT_EQ(dtypeBits(DType::F4), 4u);
  EXPECT_EQ(dtypeBytes(DType::F6_E2M3), 0u);
  EXPECT_EQ(dtypeBytes(DType::C64), 8u);
  EXPECT_EQ(dtypeBytes(DType::BOOL), 1u);
  EXPECT_EQ(dtypeBytes(DType::BF16), 2u);
}

TEST(DType, EveryF16WidensToItsMeaning) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    double expected = f16Value(static_cast<uint16_t>(bits));
    float value = f16ToF32(static_cast<uint16_t>(bits));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << bits;
    } else {
      EXPECT_EQ(value, expected) << bits;
      EXPECT_EQ(std::signbit(value), std::signbit(expected)) << bits;
    }
  }
}

TEST(DType, EveryF16SurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    uint16_t half = static_cast<uint16_t>(bits);
    uint16_t back = f32ToF16(f16ToF32(half));
    if (std::isnan(f16Value(half))) {
      EXPECT_TRUE(std::isnan(f16Value(back)) && (back & 0x8000) == (half & 0x8000)) << bits;
    } else {
      EXPECT_EQ(back, half);
    }
  }
}

TEST(DType, F16RoundsToNearestEven) {
  // Between every pair of neighbours: below, at and above the middle.
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    uint16_t low = static_cast<uint16_t>(bits), high = static_cast<uint16_t>(bits + 1);
    double top = high == 0x7c00 ? 65536.0 : f16Value(high); // the first power past the range
    float middle = static_cast<float>((f16Value(low) + top) / 2);
    EXPECT_EQ(f32ToF16(middle), (low & 1) ? high : low) << bits;
    EXPECT_EQ(f32ToF16(std::nextafter(middle, 0.0f)), low) << bits;
    EXPECT_EQ(f32ToF16(std::nextafter(middle, INFINITY)), high) << bits;
    EXPECT_EQ(f32ToF16(-middle), 0x8000 | ((low & 1) ? high : low)) << bits;
  }
  EXPECT_EQ(f32ToF16(INFINITY), 0x7c00);
  EXPECT_EQ(f32ToF16(-INFINITY), 0xfc00);
  EXPECT_EQ(f32ToF16(1e30f), 0x7c00);
  EXPECT_EQ(f32ToF16(-1e-30f), 0x8000);
  EXPECT_EQ(f32ToF16(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(DType, EveryBf16SurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    uint16_t value = static_cast<uint16_t>(bits);
    EXPECT_EQ(bitsOf(bf16ToF32(value)), bits << 16);
    uint16_t back = f32ToBf16(bf16ToF32(value));
    if (std::isnan(bf16ToF32(value))) {
      EXPECT_TRUE(std::isnan(bf16ToF32(back))) << bits;
    } else {
      EXPECT_EQ(back, value);
    }
  }
}

TEST(DType, Bf16RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7f80; ++bits) {
    uint32_t wide = bits << 16;
    EXPECT_EQ(f32ToBf16(floatOf(wide | 0x7fff)), bits);
    EXPECT_EQ(f32ToBf16(floatOf(wide | 0x8000)), bits + (bits & 1));
    EXPECT_EQ(f32ToBf16(floatOf(wide | 0x8001)), bits + 1);
  }
  EXPECT_EQ(f32ToBf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(f32ToBf16(-INFINITY), 0xff80);
}

TEST(DType, NanStaysNan) {
  // Payload in the low bits only: cutting it off would make an infinity.
  for (uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fffffffu, 0x7f801fffu}) {
    EXPECT_TRUE(std::isnan(bf16ToF32(f32ToBf16(floatOf(bits))))) << bits;
    EXPECT_TRUE(std::isnan(f16ToF32(f32ToF16(floatOf(bits))))) << bits;
  }
}

TEST(DType, BulkConversionsTolerateMisalignment) {
  std::vector<float> values = {0.0f, 1.5f, -2.0f, 3.25f, -0.125f, 100.0f, 0.5f};
  for (DType dtype : {DType::F16, DType::BF16, DType::F32, DType::F64}) {
    std::vector<char> bytes(values.size() * dtypeBytes(dtype) + 1);
    ASSERT_TRUE(
        static_cast<bool>(convertFromF32(dtype, values.data(), bytes.data() + 1, values.size())));
    std::vector<float> back(values.size());
    ASSERT_TRUE(static_cast<bool>(convertToF32(dtype, bytes.data() + 1, back.data(), back.size())));
    EXPECT_EQ(back, values) << dtypeName(dtype);
  }
}

TEST(DType, BulkRoundsF64) {
  double values[] = {0.1, 1e300, 1.0 + 0x1p-30};
  float out[3];
  ASSERT_TRUE(static_cast<bool>(convertToF32(DType::F64, values, out, 3)));
  EXPECT_EQ(out[0], 0.1f);
  EXPECT_EQ(out[1], INFINITY);
  EXPECT_EQ(out[2], 1.0f);
}

TEST(DType, OtherTypesAreRefused) {
  float value = 0;
  EXPECT_EQ(convertToF32(DType::I32, &value, &value, 1).error().message,
            "dtype I32 cannot be converted; F16, BF16, F32 and F64 can");
  EXPECT_FALSE(static_cast<bool>(convertFromF32(DType::F8_E4M3, &value, &value, 1)));
}

} // namespace
