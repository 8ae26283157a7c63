//===- WidenTest.cpp - every bf16 and f16 ----------------------------------===//
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
