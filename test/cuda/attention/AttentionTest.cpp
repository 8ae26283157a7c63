//===- AttentionTest.cpp - tests of the CUDA attention kernels ------------===//
// Against a reference in double: segments, dead tokens, grouped heads, and any order of threads.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Kernels.h"
#include "Reference.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace ftc::testing;

namespace {
double roundToFloat(double value) { return static_cast<float>(value); }
double roundToBf16(double value) {
  return ftc::toFloat(ftc::fromFloat<ftc::bf16>(static_cast<float>(value)));
}

/// Elements of a kernel's type.
class Tensor {
public:
  Tensor(bool isBf16, size_t size) : isBf16(isBf16), bytes(size * (isBf16 ? 2 : 4), 0xff) {}
  Tensor(bool isBf16, const Matrix &values) : Tensor(isBf16, values.size()) {
    for (size_t i = 0; i < values.size(); ++i)
      if (float value = static_cast<float>(values[i]); isBf16)
        elements<ftc::bf16>()[i] = ftc::fromFloat<ftc::bf16>(value);
      else
        elements<float>()[i] = value;
  }

  template <typename T> T *elements() { return reinterpret_cast<T *>(bytes.data()); }
  void *data() { return bytes.data(); }
  Matrix values() {
    Matrix result(bytes.size() / (isBf16 ? 2 : 4));
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = isBf16 ? ftc::toFloat(elements<ftc::bf16>()[i]) : elements<float>()[i];
    return result;
  }
  bool operator==(const Tensor &other) const { return bytes == other.bytes; }

private:
  bool isBf16;
  std::vector<unsigned char> bytes; // 0xff: outputs begin as NaN
};

/// The operands and results of one run of all kernels.
struct Execution {
  Execution(const AttentionKernels &kernels, const AttentionReference &r)
      : q(kernels.isBf16, r.q), k(kernels.isBf16, r.k), v(kernels.isBf16, r.v),
        grad(kernels.isBf16, r.grad), out(kernels.isBf16, r.q.size()),
        dq(kernels.isBf16, r.q.size()), dk(kernels.isBf16, r.k.size()),
        dv(kernels.isBf16, r.k.size()), lse(false, r.lse.size()), delta(false, r.lse.size()),
        buffers{q.data(),
                k.data(),
                v.data(),
                grad.data(),
                r.begins.data(),
                r.ends.data(),
                out.data(),
                dq.data(),
                dk.data(),
                dv.data(),
                lse.elements<float>(),
                delta.elements<float>()} {}

  void all(const AttentionKernels &kernels, float scale) {
    ASSERT_EQ(kernels.forward(buffers, scale), 0) << ftc_on_cpu::lastError();
    ASSERT_EQ(kernels.delta(buffers), 0) << ftc_on_cpu::lastError();
    ASSERT_EQ(kernels.gradQuery(buffers, scale), 0) << ftc_on_cpu::lastError();
    ASSERT_EQ(kernels.gradKeyValue(buffers, scale), 0) << ftc_on_cpu::lastError();
  }

  Tensor q, k, v, grad, out, dq, dk, dv, lse, delta;
  AttentionBuffers buffers;
};

class CudaAttentionTest : public ::testing::TestWithParam<AttentionKernels> {
protected:
  CudaAttentionTest()
      : kernels(GetParam()), scale(1 / std::sqrt(static_cast<float>(kernels.headDim))),
        reference(makeReference(scale)), run(kernels, reference) {}
  ~CudaAttentionTest() override { ftc_on_cpu::setOrder(ftc_on_cpu::Order::Forward); }

  /// One token, many, one, dead ones, and dead ones at the end.
  static AttentionReference makeReference(float scale) {
    const AttentionKernels &p = GetParam();
    const int dead = p.tokens / 8, most = p.tokens / 2;
    return {p.tokens,
            p.heads,
            p.keyHeads,
            p.headDim,
            scale,
            {1, most, 1, -2, p.tokens - most - dead - 4},
            p.isBf16 ? roundToBf16 : roundToFloat};
  }
  /// Whether all of `values` [tokens, ...] is 0 for dead tokens.
  bool isZeroWhereDead(const Matrix &values) const {
    const size_t width = values.size() / reference.begins.size();
    for (size_t i = 0; i < values.size(); ++i)
      if (reference.begins[i / width] > static_cast<int>(i / width) && values[i] != 0)
        return false;
    return true;
  }
  double ulp() const { return kernels.isBf16 ? 0x1p-8 : 0x1p-20; }

  AttentionKernels kernels;
  float scale;
  AttentionReference reference;
  Execution run;
};

TEST_P(CudaAttentionTest, IsTheReference) {
  run.all(kernels, scale);
  EXPECT_EQ(compare(run.out.values(), reference.out, ulp()), "");
  EXPECT_EQ(compare(run.lse.values(), reference.lse, 0x1p-20), "");
  EXPECT_EQ(compare(run.delta.values(), reference.delta, ulp()), "");
  EXPECT_EQ(compare(run.dq.values(), reference.dq, ulp()), "");
  EXPECT_EQ(compare(run.dk.values(), reference.dk, ulp()), "");
  EXPECT_EQ(compare(run.dv.values(), reference.dv, ulp()), "");
}

// Scores of a hundred, with either sign of the scale: one key takes nearly all, and nothing
// overflows. A score's own rounding in f32 counts as many times as it is large.
TEST_P(CudaAttentionTest, LargeScores) {
  const double bound = ulp() + 100 * 0x1p-23;
  for (float large : {20 * scale, -20 * scale}) {
    AttentionReference expected = makeReference(large);
    Execution other(kernels, expected);
    other.all(kernels, large);
    EXPECT_EQ(compare(other.out.values(), expected.out, bound), "");
    EXPECT_EQ(compare(other.lse.values(), expected.lse, 0x1p-20), "");
    EXPECT_EQ(compare(other.dv.values(), expected.dv, bound), "");
  }
}

TEST_P(CudaAttentionTest, DeadTokensHaveNothing) {
  run.all(kernels, scale);
  EXPECT_TRUE(isZeroWhereDead(run.out.values()));
  EXPECT_TRUE(isZeroWhereDead(run.lse.values()));
  EXPECT_TRUE(isZeroWhereDead(run.delta.values()));
  EXPECT_TRUE(isZeroWhereDead(run.dq.values()));
  EXPECT_TRUE(isZeroWhereDead(run.dk.values()));
  EXPECT_TRUE(isZeroWhereDead(run.dv.values()));
}

TEST_P(CudaAttentionTest, DoesNotDependOnTheOrderOfThreads) {
  run.all(kernels, scale);
  for (ftc_on_cpu::Order order : {ftc_on_cpu::Order::Reverse, ftc_on_cpu::Order::Random}) {
    ftc_on_cpu::setOrder(order, 7);
    Execution other(kernels, reference);
    other.all(kernels, scale);
    EXPECT_TRUE(other.out == run.out);
    EXPECT_TRUE(other.lse == run.lse);
    EXPECT_TRUE(other.delta == run.delta);
    EXPECT_TRUE(other.dq == run.dq);
    EXPECT_TRUE(other.dk == run.dk);
    EXPECT_TRUE(other.dv == run.dv);
  }
}

TEST_P(CudaAttentionTest, OneGradientIsThatOfBoth) {
  run.all(kernels, scale);
  Execution other(kernels, reference);
  other.lse = run.lse;
  other.delta = run.delta;
  AttentionBuffers buffers = other.buffers;
  buffers.lse = other.lse.elements<float>();
  buffers.delta = other.delta.elements<float>();
  ASSERT_EQ(kernels.gradKey(buffers, scale), 0) << ftc_on_cpu::lastError();
  EXPECT_TRUE(other.dk == run.dk);
  ASSERT_EQ(kernels.gradValue(buffers, scale), 0) << ftc_on_cpu::lastError();
  EXPECT_TRUE(other.dv == run.dv);
}

std::string nameOf(const ::testing::TestParamInfo<AttentionKernels> &info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(F32, CudaAttentionTest, ::testing::ValuesIn(floatKernels()), nameOf);
INSTANTIATE_TEST_SUITE_P(Bf16, CudaAttentionTest, ::testing::ValuesIn(bf16Kernels()), nameOf);
} // namespace
