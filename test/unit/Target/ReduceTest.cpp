//===- ReduceTest.cpp - tests of row_reduce and col_reduce on the CPU -----===//
// Norms and their gradients, sums, widths beside the vector's, storage types.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelTesting.h"

#include <cmath>

using namespace ftc::cpu::testing;

namespace {

const size_t kWidths[] = {1, 3, 8, 24, 32, 33, 64, 100, 259, 576};

// y = x * rstd * w with rstd = 1 / sqrt(mean x^2 + eps), rstd written per row.
std::string rmsNorm(size_t columns, const std::string &access, const std::string &type) {
  std::string n = std::to_string(columns), x = "?x" + n + "x" + type;
  bool inPlace = access == "readwrite";
  std::vector<std::string> args = {arg(access, "element", x), arg("read", "column", n + "xf32")};
  if (!inPlace)
    args.push_back(arg("write", "element", x));
  args.push_back(arg("write", "row", "?xf32"));
  return kernel("rms", "row_reduce", args, "",
                {R"(^bb0(%x: f32, %w: f32):
                   %t = arith.mulf %x, %x : f32
                   launch.yield %t : f32)",
                 R"(^bb0(%sum: f32):
                   %n = arith.constant )" +
                     n + R"(.0 : f32
                   %eps = arith.constant 1.0e-5 : f32
                   %one = arith.constant 1.0 : f32
                   %mean = arith.divf %sum, %n : f32
                   %v = arith.addf %mean, %eps : f32
                   %root = math.sqrt %v : f32
                   %rstd = arith.divf %one, %root : f32
                   launch.yield %rstd : f32)",
                 R"(^bb0(%x: f32, %w: f32, %rstd: f32):
                   %h = arith.mulf %x, %rstd : f32
                   %y = arith.mulf %h, %w : f32
                   launch.yield %y, %rstd : f32, f32)"});
}

void expectRmsNorm(const Buffer &x, const Buffer &w, const Buffer &y, const Buffer &rstd,
                   double tolerance) {
  size_t columns = w.size(), rows = x.size() / columns;
  std::vector<double> ys(x.size()), rstds(rows);
  for (size_t i = 0; i < rows; ++i) {
    double sum = 0;
    for (size_t j = 0; j < columns; ++j)
      sum += x[i * columns + j] * x[i * columns + j];
    rstds[i] = 1 / std::sqrt(sum / columns + 1e-5);
    for (size_t j = 0; j < columns; ++j)
      ys[i * columns + j] = x[i * columns + j] * rstds[i] * w[j];
  }
  expectClose(y, ys, tolerance, "y of width " + std::to_string(columns));
  expectClose(rstd, rstds, 1e-6, "rstd of width " + std::to_string(columns));
}

TEST(RowReduceTest, RmsNorm) {
  for (size_t columns : kWidths) {
    Image image(rmsNorm(columns, "read", "f32"));
    size_t rows = 11;
    Buffer x = Buffer::random(Buffer::F32, rows * columns, 1),
           w = Buffer::random(Buffer::F32, columns, 2);
    auto after = image.runCuts(
        "rms", {x, w, Buffer::zeros(Buffer::F32, x.size()), Buffer::zeros(Buffer::F32, rows)},
        rows);
    expectRmsNorm(x, w, after[2], after[3], 1e-6);
  }
}

TEST(RowReduceTest, RmsNormInPlaceAndStorage) {
  for (size_t columns : {40, 576}) {
    size_t rows = 5;
    Buffer w = Buffer::random(Buffer::F32, columns, 2);
    for (auto [type, name, tolerance] :
         {std::make_tuple(Buffer::F32, "f32", 1e-6), std::make_tuple(Buffer::BF16, "bf16", 0x1p-8),
          std::make_tuple(Buffer::F16, "f16", 0x1p-11)}) {
      Image image(rmsNorm(columns, "readwrite", name));
      Buffer x = Buffer::random(type, rows * columns, 3);
      auto after = image.runCuts("rms", {x, w, Buffer::zeros(Buffer::F32, rows)}, rows);
      expectRmsNorm(x, w, after[0], after[2], tolerance);
    }
  }
}

// The same kernel, the same bits, whatever the processor's vectors are.
TEST(RowReduceTest, SameBitsOnAvx512) {
  if (!runsAvx512())
    GTEST_SKIP() << "this processor has no AVX-512";
  for (size_t columns : kWidths) {
    Image narrow(rmsNorm(columns, "read", "f32")),
        wide(rmsNorm(columns, "read", "f32"), "x86-64-v4");
    size_t rows = 7;
    std::vector<Buffer> buffers = {
        Buffer::random(Buffer::F32, rows * columns, 1), Buffer::random(Buffer::F32, columns, 2),
        Buffer::zeros(Buffer::F32, rows * columns), Buffer::zeros(Buffer::F32, rows)};
    auto a = narrow.runCuts("rms", buffers, rows), b = wide.runCuts("rms", buffers, rows);
    EXPECT_TRUE(a[2] == b[2] && a[3] == b[3]) << columns;
  }
}

// Gradient of the norm with a residual: dx = r + rstd (w dy - x rstd^2 mean(w dy x)), and two sums.
TEST(RowReduceTest, RmsNormGradient) {
  for (size_t columns : {20, 96}) {
    std::string n = std::to_string(columns), element = "?x" + n + "xf32";
    Image image(kernel(
        "grad", "row_reduce",
        {arg("read", "element", element), arg("read", "element", element),
         arg("read", "column", n + "xbf16"), arg("read", "row", "?xf32"),
         arg("readwrite", "element", element), arg("read", "scalar", "f32"),
         arg("write", "row", "?xf32")},
        "",
        {R"(^bb0(%x: f32, %dy: f32, %w: f32, %rstd: f32, %r: f32, %scale: f32):
           %wdy = arith.mulf %w, %dy : f32
           %t = arith.mulf %wdy, %x : f32
           %abs = math.absf %dy : f32
           launch.yield %t, %abs : f32, f32)",
         R"(^bb0(%rstd: f32, %scale: f32, %sum: f32, %abs: f32):
           %n = arith.constant )" +
             n + R"(.0 : f32
           %mean = arith.divf %sum, %n : f32
           %r2 = arith.mulf %rstd, %rstd : f32
           %c = arith.mulf %mean, %r2 : f32
           %a = arith.mulf %abs, %scale : f32
           launch.yield %c, %a : f32, f32)",
         R"(^bb0(%x: f32, %dy: f32, %w: f32, %rstd: f32, %r: f32, %scale: f32, %c: f32, %a: f32):
           %wdy = arith.mulf %w, %dy : f32
           %xc = arith.mulf %x, %c : f32
           %d = arith.subf %wdy, %xc : f32
           %dr = arith.mulf %d, %rstd : f32
           %y = arith.addf %r, %dr : f32
           %two = arith.constant 2.0 : f32
           %a2 = arith.mulf %a, %two : f32
           launch.yield %y, %a2 : f32, f32)"}));
    size_t rows = 6;
    Buffer x = Buffer::random(Buffer::F32, rows * columns, 1),
           dy = Buffer::random(Buffer::F32, rows * columns, 2),
           w = Buffer::random(Buffer::BF16, columns, 3),
           rstd = Buffer::random(Buffer::F32, rows, 4),
           r = Buffer::random(Buffer::F32, rows * columns, 5), scale(Buffer::F32, {3.0});
    auto after =
        image.runCuts("grad", {x, dy, w, rstd, r, scale, Buffer::zeros(Buffer::F32, rows)}, rows);
    std::vector<double> expected(rows * columns), sums(rows);
    for (size_t i = 0; i < rows; ++i) {
      double sum = 0;
      for (size_t j = 0; j < columns; ++j) {
        sum += w[j] * dy[i * columns + j] * x[i * columns + j];
        sums[i] += 6 * std::fabs(dy[i * columns + j]);
      }
      for (size_t j = 0; j < columns; ++j) {
        size_t at = i * columns + j;
        expected[at] =
            r[at] + rstd[i] * (w[j] * dy[at] - x[at] * rstd[i] * rstd[i] * sum / columns);
      }
    }
    expectClose(after[4], expected, 1e-6, "dx");
    expectClose(after[6], sums, 1e-6, "sums");
  }
}

TEST(RowReduceTest, SumsOnlyAndRowReadWrite) {
  Image image(kernel("sum", "row_reduce",
                     {arg("read", "element", "?x77xf32"), arg("readwrite", "row", "?xf32")}, "",
                     {"^bb0(%x: f32, %old: f32): launch.yield %x : f32",
                      R"(^bb0(%old: f32, %sum: f32):
                        %new = arith.addf %old, %sum : f32
                        launch.yield %new : f32)",
                      "^bb0(%x: f32, %old: f32, %new: f32): launch.yield %new : f32"}));
  Buffer x = Buffer::random(Buffer::F32, 4 * 77, 1), old = Buffer::random(Buffer::F32, 4, 2);
  auto after = image.runCuts("sum", {x, old}, 4);
  std::vector<double> expected = old.values();
  for (size_t i = 0; i < 4 * 77; ++i)
    expected[i / 77] += x[i];
  expectClose(after[1], expected, 1e-6, "sum");
}

TEST(RowReduceTest, WithoutSums) {
  Image image(kernel("scale", "row_reduce",
                     {arg("readwrite", "element", "?x20xf32"), arg("read", "row", "?xf32")}, "",
                     {"^bb0(%x: f32, %r: f32): launch.yield",
                      "^bb0(%r: f32): %e = math.exp %r : f32 launch.yield %e : f32",
                      R"(^bb0(%x: f32, %r: f32, %e: f32):
                        %y = arith.mulf %x, %e : f32
                        launch.yield %y : f32)"}));
  Buffer x = Buffer::random(Buffer::F32, 60, 1), r = Buffer::random(Buffer::F32, 3, 2);
  auto after = image.runCuts("scale", {x, r}, 3);
  std::vector<double> expected = x.values();
  for (size_t i = 0; i < 60; ++i)
    expected[i] *= std::exp(r[i / 20]);
  expectClose(after[0], expected, 1e-6, "scale");
}

TEST(ColReduceTest, NormWeightGradient) {
  for (auto [rows, columns] :
       {std::pair<size_t, size_t>{1, 1}, {5, 7}, {33, 40}, {128, 100}, {3, 2500}}) {
    for (std::string access : {"write", "readwrite"}) {
      std::string m = std::to_string(rows), n = std::to_string(columns), mn = m + "x" + n;
      Image image(kernel("dw", "col_reduce",
                         {arg("read", "element", mn + "xf32"), arg("read", "element", mn + "xbf16"),
                          arg("read", "row", m + "xf32"), arg("read", "scalar", "f32"),
                          arg(access, "column", n + "xf32")},
                         "", {R"(^bb0(%dy: f32, %x: f32, %rstd: f32, %s: f32):
                           %a = arith.mulf %dy, %x : f32
                           %b = arith.mulf %a, %rstd : f32
                           %t = arith.mulf %b, %s : f32
                           launch.yield %t : f32)"}));
      Buffer dy = Buffer::random(Buffer::F32, rows * columns, 1),
             x = Buffer::random(Buffer::BF16, rows * columns, 2),
             rstd = Buffer::random(Buffer::F32, rows, 3), s(Buffer::F32, {0.5}),
             old = Buffer::random(Buffer::F32, columns, 4);
      auto after = image.runCuts("dw", {dy, x, rstd, s, old}, columns);
      std::vector<double> expected(columns);
      for (size_t j = 0; j < columns; ++j) {
        expected[j] = access == "write" ? 0 : old[j];
        for (size_t i = 0; i < rows; ++i)
          expected[j] += dy[i * columns + j] * x[i * columns + j] * rstd[i] * 0.5;
      }
      expectClose(after[4], expected, 1e-6, mn + " " + access);
    }
  }
}

// A sum in bf16 is kept in f32 and rounded once.
TEST(ColReduceTest, StoresSumsRoundedOnce) {
  Image image(kernel("sum", "col_reduce",
                     {arg("read", "element", "300x9xf32"), arg("write", "column", "9xbf16")}, "",
                     {"^bb0(%x: f32): launch.yield %x : f32"}));
  auto after = image.runCuts(
      "sum", {Buffer(Buffer::F32, std::vector<double>(2700, 1.0)), Buffer::zeros(Buffer::BF16, 9)},
      9);
  expectExact(after[1], Buffer::BF16, std::vector<double>(9, 300.0), "sum");
}

} // namespace
