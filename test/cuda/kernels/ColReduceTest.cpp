//===- ColReduceTest.cpp - the family col_reduce ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Support.h"

#include "Bodies.h"
#include "ftc/Kernels/CUDA/ColReduce.h"

using namespace ftc::test;
using ftc::bf16;

#define COL_SUM(name, T, Rows, Columns, Threads)                                                   \
  FTC_KERNEL(name, Threads, const T *x, const T *gradient, const float *rstd, float *out) {        \
    ftc::colReduce<WeightedSum, Threads, Rows, Columns>(                                           \
        blockIdx.x, ftc::read(x), ftc::read(gradient), ftc::readRow(rstd), ftc::writeColumn(out)); \
  }                                                                                                \
  FTC_KERNEL(name##_add, Threads, const T *x, const T *gradient, const float *rstd, float *out) {  \
    ftc::colReduce<WeightedSum, Threads, Rows, Columns>(blockIdx.x, ftc::read(x),                  \
                                                        ftc::read(gradient), ftc::readRow(rstd),   \
                                                        ftc::updateColumn(out));                   \
  }

#define FOR_ALL_SHAPES(DO)                                                                         \
  DO(cols_1x1, float, 1, 1, 32)                                                                    \
  DO(cols_100x63, bf16, 100, 63, 128)                                                              \
  DO(cols_17x96, bf16, 17, 96, 64)                                                                 \
  DO(cols_257x40, float, 257, 40, 256)                                                             \
  DO(cols_3x16384, float, 3, 16384, 64)                                                            \
  DO(cols_2000x64, bf16, 2000, 64, 512)                                                            \
  DO(cols_1000x36, float, 1000, 36, 1024)
FOR_ALL_SHAPES(COL_SUM)

// Every number is of a column or alone, and the output is bf16.
struct ShiftedScale {
  static FTC_DEVICE float term(const float *in) { return in[0] * in[1] + in[2]; }
};
FTC_KERNEL(cols_of_columns, 64, const float *column, const float *scalar, const float *x,
           bf16 *out) {
  ftc::colReduce<ShiftedScale, 64, 10, 48>(blockIdx.x, ftc::readColumn(column),
                                           ftc::readScalar(scalar), ftc::read(x),
                                           ftc::writeColumn(out));
}

namespace {

FTC_KERNEL_TESTS(ColReduceKernels);

template <typename T, int Rows, int Columns, typename Write, typename Add>
void checkSums(Write write, Add add) {
  Memory<float> rstd(Rows), aligned(Columns), misaligned(Columns), sum(Columns);
  rstd.fill(3, 0.5, 2);
  sum.fill(4);
  const long long blocks = blocksFor(Columns, ftc::colReduceItems());
  for (int offset : {0, 1}) {
    Memory<T> x(Rows * Columns, offset), gradient(Rows * Columns, 0);
    Memory<float> &out = offset ? misaligned : aligned;
    x.fill(1);
    gradient.fill(2);
    std::vector<double> want(Columns);
    for (int i = 0; i < Rows * Columns; ++i)
      want[i % Columns] += x[i] * gradient[i] * rstd[i / Columns];
    FTC_EXPECT_RUNS(write(blocks, x.data(), gradient.data(), rstd.data(), out.data()));
    expectNear(out, want, "sums", std::sqrt(double(Rows)));
    for (int j = 0; j < Columns; ++j)
      want[j] += sum[j];
    FTC_EXPECT_RUNS(add(blocks, x.data(), gradient.data(), rstd.data(), sum.data()));
    expectNear(sum, want, "added sums", std::sqrt(double(Rows)));
  }
  expectEqual(aligned, misaligned, "aligned and misaligned");
}

#define CHECK_SUMS(name, T, Rows, Columns, Threads)                                                \
  TEST_P(ColReduceKernels, name) {                                                                 \
    checkSums<T, Rows, Columns>(                                                                   \
        [](long long blocks, auto... args) {                                                       \
          return FTC_LAUNCH(name, blocks, Threads, ftc::colReduceShared(Threads), nullptr,         \
                            args...);                                                              \
        },                                                                                         \
        [](long long blocks, auto... args) {                                                       \
          return FTC_LAUNCH(name##_add, blocks, Threads, ftc::colReduceShared(Threads), nullptr,   \
                            args...);                                                              \
        });                                                                                        \
  }
FOR_ALL_SHAPES(CHECK_SUMS)

TEST_P(ColReduceKernels, SumsOfColumnsAndScalars) {
  Memory<float> column(48), scalar(1), x(480);
  Memory<bf16> out(48);
  column.fill(1);
  scalar.fill(2);
  x.fill(3);
  std::vector<double> want(48);
  for (int i = 0; i < 480; ++i)
    want[i % 48] += column[i % 48] * scalar[0] + x[i];
  FTC_EXPECT_RUNS(FTC_LAUNCH(cols_of_columns, 2, 64, ftc::colReduceShared(64), nullptr,
                             column.data(), scalar.data(), x.data(), out.data()));
  expectNear(out, want, "sums");
}

} // namespace
