//===- PartsTest.cpp - columns, sign_bits, masked -------------------------===//
// Exactly what the definitions say, at widths that vectors and words divide and do not.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Support.h"

#include "ftc/Kernels/CUDA/Parts.h"

using namespace ftc;
using namespace ftc::test;

//===-- columns -----------------------------------------------------------===//

FTC_KERNEL(slice_even, 32, const bf16 *in, bf16 *out, long long grid) {
  ftc::columns<32, 2, 24, 8, 64, 0, 24>(blockIdx.x, grid, in, out);
}
FTC_KERNEL(slice_odd, 32, const float *in, bf16 *out, long long grid) {
  ftc::columns<32, 3, 5, 7, 13, 0, 5>(blockIdx.x, grid, in, out);
}
FTC_KERNEL(concat_two, 64, const f16 *a, const float *b, float *out, long long grid) {
  ftc::columns<64, 2, 12, 0, 12, 0, 20>(blockIdx.x, grid, a, out);
  ftc::columns<64, 2, 8, 0, 8, 12, 20>(blockIdx.x, grid, b, out);
}

//===-- sign_bits and masked ----------------------------------------------===//

#define FOR_ALL_WIDTHS(DO)                                                                         \
  DO(bits_1, float, 1, 1)                                                                          \
  DO(bits_32, bf16, 32, 3)                                                                         \
  DO(bits_70, float, 70, 2)                                                                        \
  DO(bits_104, bf16, 104, 1)
#define BITS(name, T, Columns, Rows)                                                               \
  FTC_KERNEL(name##_signs, 32, const T *x, int *bits, long long grid) {                            \
    ftc::signBits<32, Rows, Columns>(blockIdx.x, grid, x, bits);                                   \
  }                                                                                                \
  FTC_KERNEL(name##_masked, 32, const T *x, const int *bits, float *y, long long grid) {           \
    ftc::masked<32, Rows, Columns>(blockIdx.x, grid, ftc::read(x), bits, ftc::write(y));           \
  }                                                                                                \
  FTC_KERNEL(name##_in_place, 32, T *x, const int *bits, long long grid) {                         \
    ftc::masked<32, Rows, Columns>(blockIdx.x, grid, ftc::update(x), bits);                        \
  }
FOR_ALL_WIDTHS(BITS)

namespace {

FTC_KERNEL_TESTS(PartKernels);

TEST_P(PartKernels, Slice) {
  for (size_t offset : {0, 1}) {
    const long long rows = 7;
    Memory<bf16> even(rows * 64, offset), evenOut(rows * 24, offset);
    Memory<float> odd(rows * 13, offset);
    Memory<bf16> oddOut(rows * 5, offset);
    even.fill(1);
    odd.fill(2);
    FTC_EXPECT_RUNS(
        FTC_LAUNCH(slice_even, 4, 32, 0, nullptr, (const bf16 *)even.data(), evenOut.data(), rows));
    FTC_EXPECT_RUNS(
        FTC_LAUNCH(slice_odd, 3, 32, 0, nullptr, (const float *)odd.data(), oddOut.data(), rows));
    for (long long row = 0; row < rows; ++row) {
      for (int j = 0; j < 24; ++j)
        ASSERT_EQ(evenOut[row * 24 + j], even[row * 64 + 8 + j]);
      for (int j = 0; j < 5; ++j)
        ASSERT_EQ(oddOut[row * 5 + j],
                  Storage<bf16>::to(Storage<bf16>::from(odd[row * 13 + 7 + j])));
    }
  }
}

TEST_P(PartKernels, Concat) {
  const long long rows = 5;
  Memory<f16> a(rows * 12);
  Memory<float> b(rows * 8), out(rows * 20);
  a.fill(1);
  b.fill(2);
  FTC_EXPECT_RUNS(FTC_LAUNCH(concat_two, 3, 64, 0, nullptr, (const f16 *)a.data(),
                             (const float *)b.data(), out.data(), rows));
  for (long long row = 0; row < rows; ++row)
    for (int j = 0; j < 20; ++j)
      ASSERT_EQ(out[row * 20 + j], j < 12 ? a[row * 12 + j] : b[row * 8 + j - 12]);
}

/// Signs of numbers that are positive, negative, 0 of both kinds and none; what they mask.
template <typename T, int Columns, int RowsOfBlock, typename Signs, typename Masked,
          typename InPlace>
void checkBits(Signs signs, Masked masked, InPlace inPlace) {
  for (size_t offset : {0, 1}) {
    const long long rows = 5, blocks = (rows + RowsOfBlock - 1) / RowsOfBlock;
    const int words = (Columns + 31) / 32;
    Memory<T> x(rows * Columns, offset), grad(rows * Columns, offset);
    Memory<int> bits(rows * words);
    Memory<float> y(rows * Columns, offset);
    x.fill(1);
    grad.fill(2);
    const double special[] = {0.0, -0.0, std::nan(""), 1e-30, -1e-30, INFINITY};
    for (size_t i = 0; i < 6 && i * 7 < x.size(); ++i)
      x.set(i * 7, special[i]);
    FTC_EXPECT_RUNS(signs(blocks, (const T *)x.data(), bits.data(), rows));
    FTC_EXPECT_RUNS(
        masked(blocks, (const T *)grad.data(), (const int *)bits.data(), y.data(), rows));
    std::vector<double> want(rows * Columns);
    for (long long row = 0; row < rows; ++row)
      for (int word = 0; word < words; ++word) {
        unsigned expected = 0;
        for (int c = word * 32; c < std::min(Columns, word * 32 + 32); ++c) {
          const bool positive = x[row * Columns + c] > 0;
          expected |= unsigned(positive) << c % 32;
          want[row * Columns + c] = positive ? grad[row * Columns + c] : 0;
        }
        ASSERT_EQ(unsigned(int(bits[row * words + word])), expected) << "row " << row;
      }
    expectNear(y, want, "masked", 0, 0);
    FTC_EXPECT_RUNS(inPlace(blocks, grad.data(), (const int *)bits.data(), rows));
    expectNear(grad, want, "masked in place", 0, 0);
  }
}

#define CHECK_BITS(name, T, Columns, Rows)                                                         \
  TEST_P(PartKernels, name) {                                                                      \
    checkBits<T, Columns, Rows>(                                                                   \
        [](long long blocks, auto... args) {                                                       \
          return FTC_LAUNCH(name##_signs, blocks, 32, 0, nullptr, args...);                        \
        },                                                                                         \
        [](long long blocks, auto... args) {                                                       \
          return FTC_LAUNCH(name##_masked, blocks, 32, 0, nullptr, args...);                       \
        },                                                                                         \
        [](long long blocks, auto... args) {                                                       \
          return FTC_LAUNCH(name##_in_place, blocks, 32, 0, nullptr, args...);                     \
        });                                                                                        \
  }
FOR_ALL_WIDTHS(CHECK_BITS)

} // namespace
