//===- TokenTest.cpp - tests of rope and embedding on the CPU -------------===//
// Rotary embeddings and their adjoint, table look-up and its gradient.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelTesting.h"

#include <cmath>

using namespace ftc::cpu::testing;

namespace {

struct Rope {
  size_t rows, heads, headDim, half, positions = 50;
  Buffer cos{Buffer::F32, {}}, sin{Buffer::F32, {}}, at{Buffer::I32, {}};

  Rope(size_t rows, size_t heads, size_t headDim, size_t half)
      : rows(rows), heads(heads), headDim(headDim), half(half) {
    std::vector<double> c, s, p;
    for (size_t i = 0; i < positions * half; ++i) {
      double angle = (i / half) * std::pow(100.0, -double(i % half) / half);
      c.push_back(std::cos(angle));
      s.push_back(std::sin(angle));
    }
    for (size_t i = 0; i < rows; ++i)
      p.push_back((i * 7) % positions);
    cos = Buffer(Buffer::F32, c);
    sin = Buffer(Buffer::F32, s);
    at = Buffer(Buffer::I32, p);
  }
  std::string text(bool inPlace, bool transposed, const std::string &type) const {
    std::string x = "?x" + std::to_string(heads * headDim) + "x" + type,
                table = std::to_string(positions) + "x" + std::to_string(half) + "xf32";
    std::vector<std::string> args = {arg(inPlace ? "readwrite" : "read", "element", x)};
    if (!inPlace)
      args.push_back(arg("write", "element", x));
    args.push_back(arg("read", "whole", table));
    args.push_back(arg("read", "whole", table));
    args.push_back(arg("read", "row", "?xi32"));
    return kernel("rope", "rope", args,
                  "head_dim = " + std::to_string(headDim) +
                      " : i64, transposed = " + (transposed ? "true" : "false"));
  }
  std::vector<double> reference(const Buffer &x, bool transposed) const {
    std::vector<double> y = x.values();
    for (size_t r = 0; r < rows; ++r)
      for (size_t h = 0; h < heads; ++h)
        for (size_t i = 0; i < half; ++i) {
          size_t a = (r * heads + h) * headDim + i, b = a + half,
                 t = static_cast<size_t>(at[r]) * half + i;
          double c = cos[t], s = transposed ? -sin[t] : sin[t];
          y[a] = x[a] * c - x[b] * s;
          y[b] = x[b] * c + x[a] * s;
        }
    return y;
  }
};

TEST(RopeTest, RotatesAndBack) {
  for (auto [heads, headDim, half] :
       {std::array<size_t, 3>{3, 64, 32}, {2, 20, 10}, {1, 16, 3}, {4, 8, 4}, {2, 2, 1}}) {
    Rope rope(9, heads, headDim, half);
    size_t size = 9 * heads * headDim;
    Buffer x = Buffer::random(Buffer::F32, size, 1);
    for (bool transposed : {false, true}) {
      Image apart(rope.text(false, transposed, "f32")), inPlace(rope.text(true, transposed, "f32"));
      auto y = apart.runCuts("rope",
                             {x, Buffer::zeros(Buffer::F32, size), rope.cos, rope.sin, rope.at}, 9);
      expectClose(y[1], rope.reference(x, transposed), 1e-6, "rope");
      auto z = inPlace.runCuts("rope", {x, rope.cos, rope.sin, rope.at}, 9);
      EXPECT_TRUE(z[0] == y[1]);
    }
  }
}

TEST(RopeTest, Storage) {
  Rope rope(5, 2, 24, 12);
  Image image(rope.text(true, false, "bf16"));
  Buffer x = Buffer::random(Buffer::BF16, 5 * 48, 2);
  auto y = image.runCuts("rope", {x, rope.cos, rope.sin, rope.at}, 5);
  expectClose(y[0], rope.reference(x, false), 0x1p-8, "rope");
}

TEST(EmbeddingTest, LooksUp) {
  for (auto [type, name] :
       {std::make_pair(Buffer::F32, "f32"), std::make_pair(Buffer::BF16, "bf16"),
        std::make_pair(Buffer::F16, "f16")})
    for (size_t width : {5, 48, 70}) {
      std::string n = std::to_string(width);
      Image image(kernel("embed", "embedding",
                         {arg("read", "row", "?xi32"), arg("read", "whole", "11x" + n + "x" + name),
                          arg("write", "element", "?x" + n + "xf32")}));
      Buffer ids(Buffer::I32, {3, 0, 10, 3, 7, 7}), table = Buffer::random(type, 11 * width, 1);
      auto after = image.runCuts("embed", {ids, table, Buffer::zeros(Buffer::F32, 6 * width)}, 6);
      std::vector<double> expected;
      for (size_t i = 0; i < 6; ++i)
        for (size_t j = 0; j < width; ++j)
          expected.push_back(table[static_cast<size_t>(ids[i]) * width + j]);
      expectExact(after[2], Buffer::F32, expected, name);
    }
}

TEST(ScatterTest, RowsOfEveryType) {
  for (auto [type, name] :
       {std::make_pair(Buffer::F32, "f32"), std::make_pair(Buffer::BF16, "bf16"),
        std::make_pair(Buffer::F16, "f16")})
    for (size_t width : {5, 48, 70}) {
      std::string n = std::to_string(width);
      Image image(
          kernel("put", "scatter",
                 {arg("read", "row", "?xi32"), arg("read", "element", "?x" + n + "x" + name),
                  arg("readwrite", "whole", "7x" + n + "xf32")}));
      Buffer rows(Buffer::I32, {3, 0, 6, 2}), values = Buffer::random(type, 4 * width, 1),
                                              old = Buffer::random(Buffer::F32, 7 * width, 2);
      auto after = image.runCuts("put", {rows, values, old}, 4);
      std::vector<double> expected = old.values();
      for (size_t i = 0; i < 4; ++i)
        for (size_t j = 0; j < width; ++j)
          expected[static_cast<size_t>(rows[i]) * width + j] = values[i * width + j];
      expectExact(after[2], Buffer::F32, expected, name);
    }
}

TEST(EmbeddingTest, Gradient) {
  for (std::string access : {"write", "readwrite"})
    for (size_t width : {5, 48, 70}) {
      std::string n = std::to_string(width);
      Image image(kernel("grad", "embedding_grad",
                         {arg("read", "whole", "6xi32"), arg("read", "element", "6x" + n + "xf32"),
                          arg(access, "whole", "11x" + n + "xf32")}));
      Buffer ids(Buffer::I32, {3, 0, 10, 3, 7, 7}),
          grad = Buffer::random(Buffer::F32, 6 * width, 1),
          old = Buffer::random(Buffer::F32, 11 * width, 2);
      auto after = image.runCuts("grad", {ids, grad, old}, width);
      std::vector<double> expected(11 * width);
      if (access == "readwrite")
        expected = old.values();
      for (size_t i = 0; i < 6; ++i)
        for (size_t j = 0; j < width; ++j)
          expected[static_cast<size_t>(ids[i]) * width + j] += grad[i * width + j];
      expectClose(after[2], expected, 1e-7, access);
    }
}

} // namespace
