//===- PhiloxTest.cpp - tests of the counter-based generator ---------------===//
// Known answers of Random123, addressing, and the moments of the draws.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Philox.h"

#include "gtest/gtest.h"

#include <set>

using namespace ftc;

namespace {

TEST(Philox, KnownAnswersOfRandom123) {
  // The `philox4x32 10` lines of kat_vectors: counter, key, result.
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, SiteHashIsFnv1a) {
  // From the authors' test suite.
  EXPECT_EQ(siteHash(""), 0xcbf29ce484222325ull);
  EXPECT_EQ(siteHash("a"), 0xaf63dc4c8601ec8cull);
  EXPECT_EQ(siteHash("foobar"), 0x85944171f73967e8ull);
}

TEST(Philox, AddressingFollowsTheHeader) {
  uint64_t seed = 0x123456789abcdef0, site = 0xfedcba9876543210, step = 0xabcdef;
  uint64_t element = (uint64_t{0x9a} << 34) + 4 * 77 + 3;
  PhiloxCounter expected =
      philox4x32({77, 0x9aabcdef, 0x76543210, 0xfedcba98}, {0x9abcdef0, 0x12345678});
  EXPECT_EQ(philoxBits(seed, site, step, element), expected[3]);
  EXPECT_EQ(philoxBits(seed, site, step, element - 3), expected[0]);
}

TEST(Philox, EveryCoordinateMatters) {
  std::set<uint32_t> seen;
  uint64_t big = uint64_t{1} << 41;
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 40})
    for (uint64_t site : {siteHash("layers.0.q_proj"), siteHash("layers.1.q_proj")})
      for (uint64_t step : {0, 1, 70000})
        for (uint64_t element :
             {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{4}, big})
          seen.insert(philoxBits(seed, site, step, element));
  EXPECT_EQ(seen.size(), 3u * 2 * 3 * 6);
}

TEST(Philox, UniformIsExactInF32) {
  EXPECT_EQ(uniform01(0u), 0.0f);
  EXPECT_EQ(uniform01(0xffffffffu), 1.0f - 0x1p-24f);
  EXPECT_EQ(uniform01(0x80000000u), 0.5f);
  EXPECT_EQ(uniform01(0x800000ffu), 0.5f);
}

TEST(Philox, UniformMoments) {
  // Standard errors for n draws: mean 0.2887/sqrt(n), share below 0.1 sqrt(0.09/n); four of them.
  const int n = 200000;
  double sum = 0, low = 0;
  for (int i = 0; i < n; ++i) {
    double u = uniform01(42, siteHash("x"), 3, static_cast<uint64_t>(i));
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    low += u < 0.1;
  }
  EXPECT_NEAR(sum / n, 0.5, 4 * 0.2887 / std::sqrt(n));
  EXPECT_NEAR(low / n, 0.1, 4 * 0.3 / std::sqrt(n));
}

TEST(Philox, NormalMoments) {
  const int n = 200000;
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, neighbours = 0;
  double previous = 0;
  for (int i = 0; i < n; ++i) {
    double z = normal(7, siteHash("w"), 0, static_cast<uint64_t>(i));
    ASSERT_TRUE(std::isfinite(z));
    m1 += z;
    m2 += z * z;
    m3 += z * z * z;
    m4 += z * z * z * z;
    neighbours += z * previous;
    previous = z;
  }
  // Variances of the sample moments of a standard normal: 1, 2, 15, 96; four standard errors.
  double root = std::sqrt(n);
  EXPECT_NEAR(m1 / n, 0, 4 * 1 / root);
  EXPECT_NEAR(m2 / n, 1, 4 * std::sqrt(2.0) / root);
  EXPECT_NEAR(m3 / n, 0, 4 * std::sqrt(15.0) / root);
  EXPECT_NEAR(m4 / n, 3, 4 * std::sqrt(96.0) / root);
  EXPECT_NEAR(neighbours / n, 0, 4 * 1 / root);
}

TEST(Philox, BoxMullerIsFiniteAtTheEnds) {
  for (uint32_t radius : {0u, 0xffffffffu})
    for (uint32_t angle : {0u, 0x40000000u, 0xffffffffu}) {
      EXPECT_TRUE(std::isfinite(boxMuller(radius, angle)[0]));
      EXPECT_TRUE(std::isfinite(boxMuller(radius, angle)[1]));
    }
  EXPECT_NEAR(boxMuller(0, 0)[0], std::sqrt(2 * 33 * std::log(2.0)), 1e-12);
}

TEST(Philox, NormalPairsComeFromOneBlock) {
  PhiloxCounter words = philoxBlock(1, 2, 3, 5);
  std::array<double, 2> first = boxMuller(words[0], words[1]);
  std::array<double, 2> second = boxMuller(words[2], words[3]);
  EXPECT_EQ(normal(1, 2, 3, 20), first[0]);
  EXPECT_EQ(normal(1, 2, 3, 21), first[1]);
  EXPECT_EQ(normal(1, 2, 3, 22), second[0]);
  EXPECT_EQ(normal(1, 2, 3, 23), second[1]);
}

} // namespace
