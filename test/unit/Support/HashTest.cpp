//===- HashTest.cpp - tests of content hashes ------------------------------===//
// Known answers of XXH3-128 and the equality of pieces and whole.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Hash.h"

#include "gtest/gtest.h"

using namespace ftc;

namespace {

TEST(Hash, KnownAnswers) {
  // As `xxhsum -H2` prints them.
  EXPECT_EQ(hash128("").hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash128("a").hex(), "a96faf705af16834e6c632b61e964e1f");
  EXPECT_EQ(hash128("abc").hex(), "06b05ab6733a618578af5f94892f3950");
}

TEST(Hash, PiecesEqualWhole) {
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text += static_cast<char>(i * 31);
  for (size_t cut : {0, 1, 240, 241, 1024, 4999, 5000}) {
    Hasher128 hasher;
    hasher.update(std::string_view(text).substr(0, cut));
    hasher.update(std::string_view(text).substr(cut));
    EXPECT_EQ(hasher.finish(), hash128(text)) << cut;
  }
  EXPECT_EQ(Hasher128().finish(), hash128(""));
}

TEST(Hash, OneBitChangesIt) {
  EXPECT_NE(hash128("config"), hash128("confih"));
  EXPECT_TRUE(hash128("config") < hash128("confih") || hash128("confih") < hash128("config"));
}

} // namespace
