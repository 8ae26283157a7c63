//===- Crc32cTest.cpp - tests of CRC32C ------------------------------------===//
// Known answers of RFC 3720; pieces equal the whole; the instruction equals the tables.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Crc32c.h"

#include "gtest/gtest.h"

#include <string>

using namespace ftc;

namespace {

std::string bytesUpTo(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text += static_cast<char>(i * 31 + (i >> 8));
  return text;
}

TEST(Crc32c, KnownAnswers) {
  // RFC 3720, B.4.
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  for (auto crc :
       {+[](const std::string &text) { return crc32c(text); },
        +[](const std::string &text) { return crc32cByTables(text.data(), text.size()); }}) {
    EXPECT_EQ(crc(""), 0u);
    EXPECT_EQ(crc("123456789"), 0xe3069283u);
    EXPECT_EQ(crc(std::string(32, '\0')), 0x8a9136aau);
    EXPECT_EQ(crc(std::string(32, '\xff')), 0x62a8ab43u);
    EXPECT_EQ(crc(rising), 0x46dd794eu);
    EXPECT_EQ(crc(falling), 0x113fdb5cu);
  }
}

TEST(Crc32c, PiecesEqualWhole) {
  std::string text = bytesUpTo(1000);
  uint32_t whole = crc32c(text);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    std::string_view view(text);
    EXPECT_EQ(crc32c(view.substr(cut), crc32c(view.substr(0, cut))), whole) << cut;
  }
}

TEST(Crc32c, InstructionEqualsTables) {
  std::string text = bytesUpTo(300);
  for (size_t begin = 0; begin < 9; ++begin)
    for (size_t size = 0; begin + size <= text.size(); ++size)
      EXPECT_EQ(crc32c(text.data() + begin, size, 7), crc32cByTables(text.data() + begin, size, 7))
          << begin << ' ' << size;
}

TEST(Crc32c, OneBitChangesIt) {
  std::string text = bytesUpTo(64);
  uint32_t before = crc32c(text);
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    text[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_NE(crc32c(text), before) << bit;
    text[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

} // namespace
