//===- RowReduceTest.cpp - the family row_reduce ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Support.h"

#include "Bodies.h"
#include "ftc/Kernels/CUDA/RowReduce.h"

using namespace ftc::test;
using ftc::bf16;

#define RMS_NORM(name, T, Weight, Columns, Threads, RowsPerBlock)                                  \
  FTC_KERNEL(name, Threads, const T *x, T *residual, const Weight *weight, T *normed, float *rstd, \
             long long grid) {                                                                     \
    ftc::rowReduce<RmsNorm<Columns>, Threads, Columns, RowsPerBlock>(                              \
        blockIdx.x, grid, ftc::read(x), ftc::update(residual), ftc::readColumn(weight),            \
        ftc::write(normed), ftc::writeRow(rstd));                                                  \
  }                                                                                                \
  FTC_KERNEL(name##_grad, Threads, const T *x, const Weight *weight, const float *rstd,            \
             const T *gradient, T *residual, long long grid) {                                     \
    ftc::rowReduce<RmsNormGrad<Columns>, Threads, Columns, RowsPerBlock>(                          \
        blockIdx.x, grid, ftc::read(x), ftc::readColumn(weight), ftc::readRow(rstd),               \
        ftc::read(gradient), ftc::update(residual));                                               \
  }

// Columns from one to more than the registers hold; rows of a warp, of some warps, of a block.
#define FOR_ALL_SHAPES(DO)                                                                         \
  DO(rms_1, float, float, 1, 32, 1)                                                                \
  DO(rms_7, bf16, bf16, 7, 64, 2)                                                                  \
  DO(rms_64, float, float, 64, 64, 1)                                                              \
  DO(rms_100, bf16, float, 100, 128, 2)                                                            \
  DO(rms_128, bf16, bf16, 128, 256, 8)                                                             \
  DO(rms_1000, float, bf16, 1000, 128, 1)                                                          \
  DO(rms_4095, float, float, 4095, 256, 1)                                                         \
  DO(rms_2048, bf16, float, 2048, 128, 1)                                                          \
  DO(rms_4096, bf16, bf16, 4096, 256, 1)                                                           \
  DO(rms_16384, float, float, 16384, 256, 1)                                                       \
  DO(rms_16384_wide, bf16, bf16, 16384, 1024, 1)
FOR_ALL_SHAPES(RMS_NORM)

FTC_KERNEL(row_norm, 128, const float *x, const float *scale, float *out, long long grid) {
  ftc::rowReduce<RowNorm, 128, 1500, 2>(blockIdx.x, grid, ftc::read(x), ftc::readScalar(scale),
                                        ftc::writeRow(out));
}
FTC_KERNEL(many_sums, 128, bf16 *x, float *row, long long grid) {
  ftc::rowReduce<ManySums, 128, 264, 1>(blockIdx.x, grid, ftc::update(x), ftc::updateRow(row));
}
FTC_KERNEL(many_sums_in_warps, 128, bf16 *x, float *row, long long grid) {
  ftc::rowReduce<ManySums, 128, 264, 4>(blockIdx.x, grid, ftc::update(x), ftc::updateRow(row));
}
FTC_KERNEL(add_row, 128, float *x, float *row, long long grid) {
  ftc::rowReduce<AddRow, 128, 264, 2>(blockIdx.x, grid, ftc::update(x), ftc::updateRow(row));
}

namespace {

FTC_KERNEL_TESTS(RowReduceKernels);

template <typename T, typename Weight> struct Norm {
  long long rows;
  int columns;
  Memory<T> x, residual, normed, gradient;
  Memory<Weight> weight;
  Memory<float> rstd;

  Norm(long long rows, int columns, int offset)
      : rows(rows), columns(columns), x(rows * columns, offset), residual(rows * columns),
        normed(rows * columns, offset), gradient(rows * columns), weight(columns), rstd(rows) {
    x.fill(1);
    residual.fill(2);
    weight.fill(3);
    gradient.fill(4);
    rstd.fill(5, 0.5, 2);
  }

  template <typename Launch> void checkForward(Launch launch) {
    std::vector<double> sum(rows * columns), wantNormed(rows * columns), wantRstd(rows);
    for (long long r = 0; r < rows; ++r) {
      double squares = 0;
      for (long long i = r * columns; i < (r + 1) * columns; ++i) {
        sum[i] = x[i] + residual[i];
        squares += sum[i] * sum[i];
      }
      wantRstd[r] = 1 / std::sqrt(squares / columns + double(1e-5f));
      for (long long i = r * columns; i < (r + 1) * columns; ++i)
        wantNormed[i] = sum[i] * wantRstd[r] * weight[i % columns];
    }
    FTC_EXPECT_RUNS(
        launch(x.data(), residual.data(), weight.data(), normed.data(), rstd.data(), rows));
    expectNear(residual, sum, "sum in place");
    expectNear(normed, wantNormed, "norm");
    expectNear(rstd, wantRstd, "1 / rms");
  }

  template <typename Launch> void checkBackward(Launch launch) {
    std::vector<double> want(rows * columns);
    for (long long r = 0; r < rows; ++r) {
      double dot = 0;
      for (long long i = r * columns; i < (r + 1) * columns; ++i)
        dot += x[i] * weight[i % columns] * gradient[i];
      for (long long i = r * columns; i < (r + 1) * columns; ++i)
        want[i] = residual[i] + gradient[i] * weight[i % columns] * rstd[r] -
                  x[i] * rstd[r] * rstd[r] * rstd[r] * dot / columns;
    }
    FTC_EXPECT_RUNS(
        launch(x.data(), weight.data(), rstd.data(), gradient.data(), residual.data(), rows));
    expectNear(residual, want, "gradient", 4.0);
  }
};

template <typename T, typename Weight, int Columns, int Threads, int RowsPerBlock, typename Forward,
          typename Backward>
void checkNorm(Forward forward, Backward backward) {
  for (long long rows : {1, 5}) {
    const long long blocks = blocksFor(rows, RowsPerBlock);
    auto launchForward = [&](auto... args) { return forward(blocks, args...); };
    auto launchBackward = [&](auto... args) { return backward(blocks, args...); };
    Norm<T, Weight> aligned(rows, Columns, 0), misaligned(rows, Columns, 1);
    aligned.checkForward(launchForward);
    misaligned.checkForward(launchForward);
    // The order of the sum is that of the columns, however they are accessed.
    expectEqual(aligned.normed, misaligned.normed, "aligned and misaligned");
    Norm<T, Weight>(rows, Columns, 0).checkBackward(launchBackward);
    Norm<T, Weight>(rows, Columns, 1).checkBackward(launchBackward);
  }
}

#define CHECK_NORM(name, T, Weight, Columns, Threads, RowsPerBlock)                                \
  TEST_P(RowReduceKernels, name) {                                                                 \
    checkNorm<T, Weight, Columns, Threads, RowsPerBlock>(                                          \
        [](long long blocks, auto... args) {                                                       \
          return FTC_LAUNCH(name, blocks, Threads, ftc::rowReduceShared(Threads), nullptr,         \
                            args...);                                                              \
        },                                                                                         \
        [](long long blocks, auto... args) {                                                       \
          return FTC_LAUNCH(name##_grad, blocks, Threads, ftc::rowReduceShared(Threads), nullptr,  \
                            args...);                                                              \
        });                                                                                        \
  }
FOR_ALL_SHAPES(CHECK_NORM)

TEST_P(RowReduceKernels, OnlyRowsAreWritten) {
  const long long rows = 7, columns = 1500;
  Memory<float> x(rows * columns), scale(1), out(rows);
  x.fill(1);
  scale.fill(2);
  std::vector<double> want(rows);
  for (long long r = 0; r < rows; ++r) {
    for (long long i = r * columns; i < (r + 1) * columns; ++i)
      want[r] += x[i] * x[i];
    want[r] = std::sqrt(want[r]) * scale[0];
  }
  FTC_EXPECT_RUNS(FTC_LAUNCH(row_norm, blocksFor(rows, 2), 128, ftc::rowReduceShared(128), nullptr,
                             x.data(), scale.data(), out.data(), rows));
  expectNear(out, want, "norms");
}

template <typename Launch> void checkManySums(Launch launch) {
  const long long rows = 6, columns = 264;
  Memory<bf16> x(rows * columns);
  Memory<float> row(rows);
  x.fill(1);
  row.fill(2);
  std::vector<double> wantX(rows * columns), wantRow(rows);
  for (long long r = 0; r < rows; ++r) {
    double total = row[r], weighted = 0;
    for (int k = 0; k < ManySums::terms; ++k) {
      double sum = 0;
      for (long long i = r * columns; i < (r + 1) * columns; ++i)
        sum += x[i] * (k + 1) + k;
      total += sum;
      weighted += k * sum;
    }
    wantRow[r] = total;
    for (long long i = r * columns; i < (r + 1) * columns; ++i)
      wantX[i] = x[i] + weighted;
  }
  FTC_EXPECT_RUNS(launch(x.data(), row.data(), rows));
  expectNear(x, wantX, "elements");
  expectNear(row, wantRow, "row numbers", 1000);
}

TEST_P(RowReduceKernels, MoreSumsThanCrossWarpsAtOnce) {
  checkManySums([](auto... args) {
    return FTC_LAUNCH(many_sums, 6, 128, ftc::rowReduceShared(128), nullptr, args...);
  });
}
TEST_P(RowReduceKernels, ManySumsOfRowsOfAWarp) {
  checkManySums([](auto... args) {
    return FTC_LAUNCH(many_sums_in_warps, 2, 128, ftc::rowReduceShared(128), nullptr, args...);
  });
}

TEST_P(RowReduceKernels, NoSums) {
  const long long rows = 3, columns = 264;
  Memory<float> x(rows * columns), row(rows);
  x.fill(1);
  row.fill(2);
  std::vector<double> wantX(rows * columns), wantRow(rows);
  for (long long i = 0; i < rows * columns; ++i)
    wantX[i] = x[i] + row[i / columns];
  for (long long r = 0; r < rows; ++r)
    wantRow[r] = 2 * row[r];
  FTC_EXPECT_RUNS(FTC_LAUNCH(add_row, blocksFor(rows, 2), 128, ftc::rowReduceShared(128), nullptr,
                             x.data(), row.data(), rows));
  expectNear(x, wantX, "elements");
  expectNear(row, wantRow, "row numbers");
}

} // namespace
