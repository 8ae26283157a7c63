//===- PartsTest.cpp - tests of columns, sign_bits and masked on the CPU --===//
// Exactly what the definitions say, at widths that vectors and words divide and do not.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelTesting.h"

#include <cmath>

using namespace ftc::cpu::testing;

namespace {

std::string matrix(size_t columns, const char *type) {
  return "?x" + std::to_string(columns) + "x" + type;
}

TEST(ColumnsTest, Slices) {
  for (auto [width, first, count] :
       {std::make_tuple(40, 8, 16), std::make_tuple(13, 7, 5), std::make_tuple(9, 0, 9)}) {
    Image image(kernel("slice", "columns",
                       {arg("read", "element", matrix(width, "bf16")),
                        arg("write", "element", matrix(count, "f32"))},
                       "first = " + std::to_string(first) + " : i64"));
    Buffer in = Buffer::random(Buffer::BF16, 6 * width, 1);
    auto after = image.runCuts("slice", {in, Buffer::zeros(Buffer::F32, 6 * count)}, 6);
    std::vector<double> expected;
    for (int row = 0; row < 6; ++row)
      for (int j = 0; j < count; ++j)
        expected.push_back(in[row * width + first + j]);
    expectExact(after[1], Buffer::F32, expected, "slice");
  }
}

// Columns 2 to 40 of three inputs side by side, of 5, 33 and 8 columns.
TEST(ColumnsTest, PutsTogether) {
  Image image(kernel(
      "together", "columns",
      {arg("read", "element", matrix(5, "f32")), arg("read", "element", matrix(33, "f16")),
       arg("read", "element", matrix(8, "f32")), arg("write", "element", matrix(38, "bf16"))},
      "first = 2 : i64"));
  Buffer a = Buffer::random(Buffer::F32, 4 * 5, 1), b = Buffer::random(Buffer::F16, 4 * 33, 2),
         c = Buffer::random(Buffer::F32, 4 * 8, 3);
  auto after = image.runCuts("together", {a, b, c, Buffer::zeros(Buffer::BF16, 4 * 38)}, 4);
  std::vector<double> expected;
  for (int row = 0; row < 4; ++row)
    for (int j = 2; j < 40; ++j)
      expected.push_back(j < 5    ? a[row * 5 + j]
                         : j < 38 ? b[row * 33 + j - 5]
                                  : c[row * 8 + j - 38]);
  expectExact(after[3], Buffer::BF16, expected, "together");
}

TEST(SignBitsTest, PacksAndMasks) {
  for (auto [type, name] :
       {std::make_pair(Buffer::F32, "f32"), std::make_pair(Buffer::BF16, "bf16")})
    for (int width : {1, 8, 32, 45, 70, 96}) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(width));
      const int rows = 3, words = (width + 31) / 32;
      std::string x = matrix(width, name), bits = matrix(words, "i32");
      Image image(
          kernel("pack", "sign_bits", {arg("read", "element", x), arg("write", "element", bits)}) +
          kernel("mask", "masked",
                 {arg("read", "element", x), arg("read", "element", bits),
                  arg("write", "element", matrix(width, "f32"))}) +
          kernel("in_place", "masked",
                 {arg("readwrite", "element", x), arg("read", "element", bits)}));
      std::vector<double> numbers = Buffer::random(type, rows * width, 1).values();
      const double special[] = {0.0, -0.0, std::nan(""), INFINITY, -INFINITY, 0x1p-120};
      for (size_t i = 0; i < 6 && i * 5 < numbers.size(); ++i)
        numbers[i * 5] = special[i];
      Buffer in(type, numbers), grad = Buffer::random(type, rows * width, 2);
      std::vector<double> packed, masked;
      for (int row = 0; row < rows; ++row)
        for (int word = 0; word < words; ++word) {
          uint32_t expected = 0;
          for (int c = word * 32; c < std::min(width, word * 32 + 32); ++c) {
            bool positive = in[row * width + c] > 0;
            expected |= uint32_t(positive) << c % 32;
            masked.push_back(positive ? grad[row * width + c] : 0);
          }
          packed.push_back(static_cast<int32_t>(expected));
        }
      auto signs = image.runCuts("pack", {in, Buffer::zeros(Buffer::I32, rows * words)}, rows);
      expectExact(signs[1], Buffer::I32, packed, "signs");
      auto after =
          image.runCuts("mask", {grad, signs[1], Buffer::zeros(Buffer::F32, rows * width)}, rows);
      expectExact(after[2], Buffer::F32, masked, "masked");
      after = image.runCuts("in_place", {grad, signs[1]}, rows);
      expectExact(after[0], type, masked, "masked in place");
    }
}

TEST(PartsTest, RefusesOtherShapes) {
  EXPECT_NE(diagnosticsOf(kernel("slice", "columns",
                                 {arg("read", "element", matrix(4, "f32")),
                                  arg("write", "element", matrix(3, "f32"))},
                                 "first = 2 : i64"))
                .find("takes 3 columns from 2 on of 4"),
            std::string::npos);
  EXPECT_NE(diagnosticsOf(kernel("pack", "sign_bits",
                                 {arg("read", "element", matrix(33, "f32")),
                                  arg("write", "element", matrix(1, "i32"))}))
                .find("expected memref<?x2xi32>"),
            std::string::npos);
}

} // namespace
