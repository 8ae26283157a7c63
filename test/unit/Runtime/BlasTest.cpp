//===- BlasTest.cpp - loading OpenBLAS -------------------------------------===//
// The real one, a missing one, and a library that is none.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "lib/Runtime/Blas.h"

#include "lib/Runtime/CpuFeatures.h"

#include "gtest/gtest.h"

#include <cstdlib>

using namespace ftc;

namespace {

TEST(Blas, MissingNamesThePackage) {
  Result<Blas> blas = openBlas("libopenblas-that-is-not-there.so.0");
  ASSERT_FALSE(blas);
  EXPECT_EQ(blas.error().where, "libopenblas-that-is-not-there.so.0");
  EXPECT_NE(blas.error().message.find("libopenblas0-pthread"), std::string::npos)
      << blas.error().message;
}

TEST(Blas, AnotherLibraryIsRefused) {
  Result<Blas> blas = openBlas("libc.so.6");
  ASSERT_FALSE(blas);
  EXPECT_NE(blas.error().message.find("is no OpenBLAS"), std::string::npos) << blas.error().message;
}

TEST(Blas, TheSystemsRunsForTheRightCore) {
  Result<const Blas *> blas = sharedBlas();
  ASSERT_TRUE(blas) << blas.error().str();
  const char *asked = std::getenv("OPENBLAS_CORETYPE");
  if (asked && (std::string(asked) == "SkylakeX" || std::string(asked) == "Haswell"))
    EXPECT_EQ((*blas)->core, asked);
  float a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 2, 0, 1, 3}, c[] = {10, 10, 10, 10};
  (*blas)->gemm(false, true, 2, 2, 3, 2.0f, a, 3, b, 3, 1.0f, c, 2);
  EXPECT_EQ(c[0], 10 + 2 * 7);
  EXPECT_EQ(c[1], 10 + 2 * 11);
  EXPECT_EQ(c[2], 10 + 2 * 16);
  EXPECT_EQ(c[3], 10 + 2 * 23);
  EXPECT_EQ(*sharedBlas(), *blas);
}

} // namespace
