//===- CpuFeaturesTest.cpp - architectures that run here, and others -------===//
// With made-up CPUs, since this one has what it has.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "lib/Runtime/CpuFeatures.h"

#include "gtest/gtest.h"

using namespace ftc;

namespace {

TEST(CpuFeatures, TheHostRunsTheBaseline) {
  EXPECT_TRUE(checkArchitecture("x86-64", cpuFeatures()));
}

TEST(CpuFeatures, AgreesWithTheCompilersBuiltins) {
  EXPECT_EQ(cpuFeatures().hasLevel3(), __builtin_cpu_supports("avx2") &&
                                           __builtin_cpu_supports("fma") &&
                                           __builtin_cpu_supports("bmi2"));
  EXPECT_EQ(cpuFeatures().hasLevel4(), __builtin_cpu_supports("avx512f") &&
                                           __builtin_cpu_supports("avx512vl") &&
                                           __builtin_cpu_supports("avx512bw"));
}

TEST(CpuFeatures, EachLevelNeedsThoseBelow) {
  CpuFeatures all, no4, no3, no2;
  no4.missing4 = {"avx512f"};
  no3.missing3 = {"avx2", "fma"};
  no2.missing2 = {"sse4.2"};
  for (const char *arch : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"})
    EXPECT_TRUE(checkArchitecture(arch, all)) << arch;
  EXPECT_TRUE(checkArchitecture("x86-64-v3", no4));
  EXPECT_FALSE(checkArchitecture("x86-64-v4", no4));
  EXPECT_TRUE(checkArchitecture("x86-64-v2", no3));
  EXPECT_TRUE(checkArchitecture("x86-64", no2));
  EXPECT_FALSE(checkArchitecture("x86-64-v2", no2));
  EXPECT_FALSE(checkArchitecture("x86-64-v4", no2));
  Status status = checkArchitecture("x86-64-v3", no3);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("this CPU lacks avx2, fma"), std::string::npos)
      << status.error().message;
}

TEST(CpuFeatures, UnknownArchitecture) {
  Status status = checkArchitecture("sparc", cpuFeatures());
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("'sparc'"), std::string::npos) << status.error().message;
}

} // namespace
