//===- RopeConfigTest.cpp - frequencies of rotary positions ----------------===//
// Against the bits that transformers 5.23.0 with torch 2.15.0 computes on a CPU.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Frontend/ModelConfig.h"

#include "gtest/gtest.h"

#include <cstring>

using namespace ftc;

namespace {

RopeConfig rope(double theta) {
  RopeConfig config;
  config.theta = theta;
  return config;
}

RopeConfig rope(double theta, double factor, double low, double high, int64_t original) {
  RopeConfig config = rope(theta);
  config.type = RopeType::Llama3;
  config.factor = factor;
  config.lowFreqFactor = low;
  config.highFreqFactor = high;
  config.originalMaxPositions = original;
  return config;
}

struct Case {
  int64_t headDim;
  RopeConfig config;
  std::vector<uint32_t> bits;
};

// LlamaRotaryEmbedding(config).inv_freq: TinyLlama, SmolLM2-135M, Llama-3.2-1B, the golden cases
// rope_llama3, and numbers that are no powers of two.
// clang-format off
const std::vector<Case> kCases = {
    {64, rope(10000.0),
     {
         0x3f800000, 0x3f3ff911, 0x3f0ff59a, 0x3ed7e89b, 0x3ea1e89b, 0x3e72d423, 0x3e361887, 0x3e088d77,
         0x3dcccccd, 0x3d99940d, 0x3d6655c2, 0x3d2cba15, 0x3d0186e3, 0x3cc2434f, 0x3c91ad39, 0x3c5a7bf2,
         0x3c23d70a, 0x3bf5b9b0, 0x3bb8449c, 0x3b8a2e77, 0x3b4f3e38, 0x3b1b690d, 0x3ae91528, 0x3aaec98e,
         0x3a83126f, 0x3a44948c, 0x3a136a16, 0x39dd1725, 0x39a5cb60, 0x3978a815, 0x393a7753, 0x390bd472}},
    {64, rope(100000.0),
     {
         0x3f800000, 0x3f32a506, 0x3ef953cf, 0x3eadfcff, 0x3e72d423, 0x3e297409, 0x3dec7fd6, 0x3da50956,
         0x3d6655c2, 0x3d20bc1d, 0x3ce054d2, 0x3c9c8b97, 0x3c5a7bf2, 0x3c187705, 0x3bd4ca15, 0x3b947dae,
         0x3b4f3e38, 0x3b109edb, 0x3ac9d75c, 0x3a8cd9db, 0x3a44948c, 0x3a092e02, 0x39bf74d7, 0x39859aa9,
         0x393a7753, 0x39021f2b, 0x38b59b1b, 0x387d75d4, 0x3830df52, 0x37f6da96, 0x37ac431d, 0x37706b6d}},
    {64, rope(500000.0, 32.0, 1.0, 4.0, 8192),
     {
         0x3f800000, 0x3f29e1c6, 0x3ee177bc, 0x3e959ee3, 0x3e4693b0, 0x3e03c6a0, 0x3daee4ad, 0x3d681e67,
         0x3d1a08c8, 0x3ccc6f49, 0x3c87a9c3, 0x3c340d6d, 0x3beef74f, 0x3b9e9402, 0x3b527720, 0x3aa9279b,
         0x39e13620, 0x38cb98f7, 0x37a3418d, 0x3758ac81, 0x370fc8f8, 0x36bed4f4, 0x367d45c3, 0x3628126b,
         0x35df10c4, 0x359406cb, 0x35447610, 0x35025f34, 0x34ad07a7, 0x3465a54d, 0x341864a7, 0x33ca41b0}},
    {16, rope(10000.0, 8.0, 1.0, 4.0, 64),
     {
         0x3f800000, 0x3e7a3ff4, 0x3c55af30, 0x3b8186e3, 0x3aa3d70a, 0x39cf3e38, 0x3903126f, 0x3825cb60}},
    {64, rope(500000.0, 10.0, 1.3, 3.7, 8191),
     {
         0x3f800000, 0x3f29e1c6, 0x3ee177bc, 0x3e959ee3, 0x3e4693b0, 0x3e03c6a0, 0x3daee4ad, 0x3d681e67,
         0x3d1a08c8, 0x3ccc6f49, 0x3c87a9c3, 0x3c340d6d, 0x3beef74f, 0x3b9e9402, 0x3b527720, 0x3ab6c60a,
         0x39e14c24, 0x38c4cfee, 0x38829ad7, 0x382d56ce, 0x37e60e5a, 0x3798aa5d, 0x374a9e36, 0x37067522,
         0x36b273d0, 0x366cd7ab, 0x361d2b40, 0x35d09853, 0x358a6c86, 0x3537b771, 0x34f3d43e, 0x34a1ce26}},
};
// clang-format on

TEST(RopeConfig, FrequenciesAreTransformersToTheBit) {
  for (const Case &c : kCases) {
    std::vector<float> frequencies = c.config.inverseFrequencies(c.headDim);
    ASSERT_EQ(frequencies.size(), c.bits.size());
    for (size_t i = 0; i < frequencies.size(); ++i) {
      uint32_t bits;
      std::memcpy(&bits, &frequencies[i], sizeof bits);
      EXPECT_EQ(bits, c.bits[i]) << "theta " << c.config.theta << ", frequency " << i;
    }
  }
}

TEST(RopeConfig, Equality) {
  EXPECT_EQ(rope(1.0, 8, 1, 4, 64), rope(1.0, 8, 1, 4, 64));
  EXPECT_NE(rope(1.0, 8, 1, 4, 64), rope(1.0, 8, 1, 4, 65));
  EXPECT_NE(rope(1.0), rope(2.0));
}

} // namespace
