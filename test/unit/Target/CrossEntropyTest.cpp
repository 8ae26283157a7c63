//===- CrossEntropyTest.cpp - tests of cross_entropy on the CPU -----------===//
// Loss, gradient in place, both; rows that predict nothing; large logits; logits in bf16.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelTesting.h"

#include <cmath>

using namespace ftc::cpu::testing;

namespace {

std::string crossEntropy(size_t vocabulary, bool gradient, bool loss,
                         const std::string &type = "f32") {
  std::vector<std::string> args = {arg(gradient ? "readwrite" : "read", "element",
                                       "?x" + std::to_string(vocabulary) + "x" + type),
                                   arg("read", "row", "?xi32")};
  if (gradient) {
    args.push_back(arg("read", "scalar", "f32"));
    args.push_back(arg("read", "scalar", "f32"));
  }
  if (loss)
    args.push_back(arg("write", "row", "?xf32"));
  return kernel("ce", "cross_entropy", args,
                std::string("gradient = ") + (gradient ? "true" : "false") +
                    ", loss = " + (loss ? "true" : "false"));
}

void check(size_t vocabulary, double scale, std::vector<double> targets) {
  size_t rows = targets.size();
  Buffer logits = Buffer::random(Buffer::F32, rows * vocabulary, 1, scale),
         target(Buffer::I32, targets), inverse(Buffer::F32, {0.125}), grad(Buffer::F32, {2.0}),
         nll = Buffer::random(Buffer::F32, rows, 2);
  std::vector<double> losses(rows), gradient(rows * vocabulary);
  for (size_t i = 0; i < rows; ++i) {
    if (targets[i] == -100)
      continue;
    double maximum = -1e300, sum = 0;
    for (size_t j = 0; j < vocabulary; ++j)
      maximum = std::max(maximum, logits[i * vocabulary + j]);
    for (size_t j = 0; j < vocabulary; ++j)
      sum += std::exp(logits[i * vocabulary + j] - maximum);
    size_t y = static_cast<size_t>(targets[i]);
    losses[i] = maximum + std::log(sum) - logits[i * vocabulary + y];
    for (size_t j = 0; j < vocabulary; ++j)
      gradient[i * vocabulary + j] =
          0.25 * (std::exp(logits[i * vocabulary + j] - maximum) / sum - (j == y));
  }
  std::string what = std::to_string(vocabulary) + " at " + std::to_string(scale);
  Image both(crossEntropy(vocabulary, true, true)), one(crossEntropy(vocabulary, false, true)),
      gradients(crossEntropy(vocabulary, true, false));
  auto after = both.runCuts("ce", {logits, target, inverse, grad, nll}, rows);
  expectClose(after[0], gradient, 1e-6, "gradient of " + what);
  expectClose(after[4], losses, 1e-6, "loss of " + what);
  auto alone = one.runCuts("ce", {logits, target, nll}, rows);
  EXPECT_TRUE(alone[2] == after[4] && alone[0] == logits);
  EXPECT_TRUE(gradients.runCuts("ce", {logits, target, inverse, grad}, rows)[0] == after[0]);
}

TEST(CrossEntropyTest, LossAndGradient) {
  check(259, 1.0, {0, 258, -100, 13, 7});
  check(32, 3.0, {31, 0, 5});
  check(1000, 30.0, {999, 500, -100, -100, 1});
  check(3, 1.0, {2, 1, -100});
}

// The loss is that of the logits as stored; the gradient is rounded once.
TEST(CrossEntropyTest, LogitsInBf16) {
  constexpr size_t kVocabulary = 259;
  const std::vector<double> targets = {0, -100, 258, 13};
  Buffer logits = Buffer::random(Buffer::BF16, targets.size() * kVocabulary, 1, 3.0),
         wide(Buffer::F32, logits.values()), target(Buffer::I32, targets),
         inverse(Buffer::F32, {0.125}), grad(Buffer::F32, {2.0}),
         nll = Buffer::zeros(Buffer::F32, targets.size());
  Image narrow(crossEntropy(kVocabulary, true, true, "bf16")),
      single(crossEntropy(kVocabulary, true, true)),
      loss(crossEntropy(kVocabulary, false, true, "bf16"));
  auto after = narrow.runCuts("ce", {logits, target, inverse, grad, nll}, 4),
       expected = single.runCuts("ce", {wide, target, inverse, grad, nll}, 4),
       alone = loss.runCuts("ce", {logits, target, nll}, 4);
  EXPECT_TRUE(after[4] == expected[4] && alone[2] == expected[4] && alone[0] == logits);
  expectExact(after[0], Buffer::BF16, expected[0].values(), "gradient");
  if (runsAvx512()) {
    Image avx512(crossEntropy(kVocabulary, true, true, "bf16"), "x86-64-v4");
    EXPECT_TRUE(avx512.runCuts("ce", {logits, target, inverse, grad, nll}, 4)[0] == after[0]);
  }
}

TEST(CrossEntropyTest, NothingPredicted) { check(64, 1.0, {-100, -100, -100}); }

TEST(CrossEntropyTest, SameBitsOnAvx512) {
  if (!runsAvx512())
    GTEST_SKIP() << "this processor has no AVX-512";
  Image narrow(crossEntropy(259, true, true)), wide(crossEntropy(259, true, true), "x86-64-v4");
  std::vector<Buffer> buffers = {Buffer::random(Buffer::F32, 3 * 259, 1),
                                 Buffer(Buffer::I32, {1, -100, 258}), Buffer(Buffer::F32, {0.5}),
                                 Buffer(Buffer::F32, {1.0}), Buffer::zeros(Buffer::F32, 3)};
  auto a = narrow.runCuts("ce", buffers, 3), b = wide.runCuts("ce", buffers, 3);
  EXPECT_TRUE(a[0] == b[0] && a[4] == b[4]);
}

TEST(CrossEntropyTest, LogitsFarFromZero) {
  Image image(crossEntropy(4, false, true));
  Buffer logits(Buffer::F32, {1e30, 1e30, -1e30, 0, -500, -501, -502, -503});
  auto after =
      image.runCuts("ce", {logits, Buffer(Buffer::I32, {0, 0}), Buffer::zeros(Buffer::F32, 2)}, 2);
  double sum = 1 + std::exp(-1.0) + std::exp(-2.0) + std::exp(-3.0);
  expectClose(after[2], {std::log(2.0), std::log(sum)}, 1e-6, "loss");
}

TEST(CrossEntropyTest, NaNStaysVisible) {
  Image image(crossEntropy(40, false, true));
  std::vector<double> logits(40, 1.0);
  logits[17] = std::nan("");
  std::vector<Buffer> buffers = {Buffer(Buffer::F32, logits), Buffer(Buffer::I32, {3}),
                                 Buffer::zeros(Buffer::F32, 1)};
  image.run("ce", buffers, 0, 1);
  EXPECT_TRUE(std::isnan(buffers[2][0]));
}

} // namespace
