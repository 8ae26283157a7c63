//===- MapTest.cpp - the family map ----------------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Support.h"

#include "Bodies.h"
#include "ftc/Kernels/CUDA/Map.h"

using namespace ftc::test;
using ftc::bf16;
using ftc::f16;

#define SILU_MUL(name, Threads, Gate, Up, Out)                                                     \
  FTC_KERNEL(name, Threads, const Gate *gate, const Up *up, Out *out, long long grid) {            \
    ftc::map<SiluMul, Threads>(blockIdx.x, grid, ftc::read(gate), ftc::read(up), ftc::write(out)); \
  }
SILU_MUL(silu_mul_f32, 64, float, float, float)
SILU_MUL(silu_mul_bf16, 64, bf16, bf16, bf16)
SILU_MUL(silu_mul_mixed, 32, bf16, f16, float)

#define SILU_MUL_GRAD(name, Threads, Gate, Up, Product)                                            \
  FTC_KERNEL(name, Threads, Gate *gate, Up *up, Product *product, long long grid) {                \
    ftc::map<SiluMulGrad, Threads>(blockIdx.x, grid, ftc::update(gate), ftc::update(up),           \
                                   ftc::update(product));                                          \
  }
SILU_MUL_GRAD(silu_mul_grad_f32, 64, float, float, float)
SILU_MUL_GRAD(silu_mul_grad_bf16, 64, bf16, bf16, bf16)
SILU_MUL_GRAD(silu_mul_grad_mixed, 32, bf16, bf16, float)
FTC_KERNEL(adamw, 64, float *weight, float *m, float *v, const float *gradient,
           const float *scalars, bf16 *shadow, long long grid) {
  ftc::map<AdamW, 64>(blockIdx.x, grid, ftc::update(weight), ftc::update(m), ftc::update(v),
                      ftc::read(gradient), ftc::readScalar(scalars), ftc::readScalar(scalars + 1),
                      ftc::readScalar(scalars + 2), ftc::readScalar(scalars + 3),
                      ftc::readScalar(scalars + 4), ftc::write(shadow));
}
FTC_KERNEL(adamw_batched, 64, const ftc::BatchItem *items, const long long *firstBlock,
           long long count) {
  const long long i = ftc::batchIndex(firstBlock, count, blockIdx.x);
  const ftc::BatchItem &item = items[i];
  const float *scalars = ftc::batchArgument<float>(item, 4);
  ftc::map<AdamW, 64>(
      blockIdx.x - firstBlock[i], item.grid, ftc::update(ftc::batchArgument<float>(item, 0)),
      ftc::update(ftc::batchArgument<float>(item, 1)),
      ftc::update(ftc::batchArgument<float>(item, 2)),
      ftc::read(ftc::batchArgument<float>(item, 3)), ftc::readScalar(scalars),
      ftc::readScalar(scalars + 1), ftc::readScalar(scalars + 2), ftc::readScalar(scalars + 3),
      ftc::readScalar(scalars + 4), ftc::write(ftc::batchArgument<bf16>(item, 5)));
}
// Only numbers per row: a flat map.
FTC_KERNEL(silu_mul_rows, 32, const float *gate, const float *up, float *out, long long grid) {
  ftc::map<SiluMul, 32>(blockIdx.x, grid, ftc::readRow(gate), ftc::readRow(up), ftc::writeRow(out));
}

#define SCALE_AND_SHIFT(name, Threads, T, Column, Columns, RowsPerBlock)                           \
  FTC_KERNEL(name, Threads, T *x, const float *row, const Column *column, const float *scalar,     \
             long long grid) {                                                                     \
    ftc::mapRows<ScaleAndShift, Threads, Columns, RowsPerBlock>(                                   \
        blockIdx.x, grid, ftc::update(x), ftc::readRow(row), ftc::readColumn(column),              \
        ftc::readScalar(scalar));                                                                  \
  }
SCALE_AND_SHIFT(rows_1, 32, float, float, 1, 8)
SCALE_AND_SHIFT(rows_6, 32, bf16, bf16, 6, 3)
SCALE_AND_SHIFT(rows_63, 64, float, f16, 63, 2)
SCALE_AND_SHIFT(rows_520, 32, bf16, float, 520, 1)
SCALE_AND_SHIFT(rows_4096, 128, bf16, bf16, 4096, 1)

namespace {

FTC_KERNEL_TESTS(MapKernels);

double silu(double x) { return x / (1 + std::exp(-x)); }

template <typename Gate, typename Up, typename Out, typename Launch>
void checkSiluMul(int threads, Launch launch) {
  for (long long n : {1, 7, 255, 256, 512, 513, 2048, 3001})
    for (int offset : {0, 1, 4}) {
      Memory<Gate> gate(n, offset);
      Memory<Up> up(n, offset == 4);
      Memory<Out> out(n, offset);
      gate.fill(1, -8, 8);
      up.fill(2);
      FTC_EXPECT_RUNS(
          launch(blocksFor(n, ftc::mapItems(threads)), gate.data(), up.data(), out.data(), n));
      std::vector<double> want(n);
      for (long long i = 0; i < n; ++i)
        want[i] = silu(gate[i]) * up[i];
      expectNear(out, want, "silu * up", 0.1);
    }
}

TEST_P(MapKernels, MapOfFloat) {
  checkSiluMul<float, float, float>(64, [](long long blocks, auto... args) {
    return FTC_LAUNCH(silu_mul_f32, blocks, 64, 0, nullptr, args...);
  });
}
TEST_P(MapKernels, MapOfBf16) {
  checkSiluMul<bf16, bf16, bf16>(64, [](long long blocks, auto... args) {
    return FTC_LAUNCH(silu_mul_bf16, blocks, 64, 0, nullptr, args...);
  });
}
TEST_P(MapKernels, MapOfSeveralTypes) {
  checkSiluMul<bf16, f16, float>(32, [](long long blocks, auto... args) {
    return FTC_LAUNCH(silu_mul_mixed, blocks, 32, 0, nullptr, args...);
  });
}
TEST_P(MapKernels, MapOfRowsOnlyIsFlat) {
  checkSiluMul<float, float, float>(32, [](long long blocks, auto... args) {
    return FTC_LAUNCH(silu_mul_rows, blocks, 32, 0, nullptr, args...);
  });
}

/// The gated activation's backward: each buffer is read, and then holds the gradient of what it
/// held; the product's gradient makes room for the product itself, which the forward pass need not
/// save.
template <typename Gate, typename Up, typename Product, typename Launch>
void checkSiluMulGrad(int threads, Launch launch) {
  for (long long n : {1, 7, 255, 512, 1500, 2048})
    for (int offset : {0, 3}) {
      Memory<Gate> gate(n, offset);
      Memory<Up> up(n);
      Memory<Product> product(n, offset / 3);
      gate.fill(1, -8, 8);
      up.fill(2);
      product.fill(3);
      if (n > 2) {
        gate.set(0, 100); // the sigmoid is 1, and its derivative 0
        gate.set(1, -100);
        gate.set(2, 0);
      }
      std::vector<double> dGate(n), dUp(n), rebuilt(n);
      for (long long i = 0; i < n; ++i) {
        double sigmoid = 1 / (1 + std::exp(-gate[i]));
        dGate[i] = product[i] * up[i] * sigmoid * (1 + gate[i] * (1 - sigmoid));
        dUp[i] = product[i] * silu(gate[i]);
        rebuilt[i] = silu(gate[i]) * up[i];
      }
      FTC_EXPECT_RUNS(
          launch(blocksFor(n, ftc::mapItems(threads)), gate.data(), up.data(), product.data(), n));
      expectNear(gate, dGate, "gradient of the gate", 0.1);
      expectNear(up, dUp, "gradient of up", 0.1);
      expectNear(product, rebuilt, "product", 0.1);
    }
}

TEST_P(MapKernels, GatedActivationBackwardInPlace) {
  checkSiluMulGrad<float, float, float>(64, [](long long blocks, auto... args) {
    return FTC_LAUNCH(silu_mul_grad_f32, blocks, 64, 0, nullptr, args...);
  });
  checkSiluMulGrad<bf16, bf16, bf16>(64, [](long long blocks, auto... args) {
    return FTC_LAUNCH(silu_mul_grad_bf16, blocks, 64, 0, nullptr, args...);
  });
  checkSiluMulGrad<bf16, bf16, float>(32, [](long long blocks, auto... args) {
    return FTC_LAUNCH(silu_mul_grad_mixed, blocks, 32, 0, nullptr, args...);
  });
}

/// What the backward pass rebuilds is what the forward pass computed, bit for bit.
TEST_P(MapKernels, RebuiltProductIsTheForwardsOne) {
  const long long n = 1500, blocks = blocksFor(n, ftc::mapItems(64));
  Memory<bf16> gate(n), up(n), forward(n), product(n);
  gate.fill(1, -8, 8);
  up.fill(2);
  product.fill(3);
  FTC_EXPECT_RUNS(
      FTC_LAUNCH(silu_mul_bf16, blocks, 64, 0, nullptr, gate.data(), up.data(), forward.data(), n));
  FTC_EXPECT_RUNS(FTC_LAUNCH(silu_mul_grad_bf16, blocks, 64, 0, nullptr, gate.data(), up.data(),
                             product.data(), n));
  expectEqual(product, forward, "product");
}

/// The memory of one parameter, and what a step makes of it.
struct Parameter {
  Memory<float> weight, m, v, gradient;
  Memory<bf16> shadow;
  std::vector<double> newWeight, newM, newV;

  Parameter(long long n, unsigned seed, const Memory<float> &scalars)
      : weight(n), m(n), v(n), gradient(n), shadow(n) {
    weight.fill(seed);
    m.fill(seed + 1, -0.1, 0.1);
    v.fill(seed + 2, 0, 0.01);
    gradient.fill(seed + 3);
    for (long long i = 0; i < n; ++i) {
      double g = gradient[i] * scalars[4];
      newM.push_back(double(0.9f) * m[i] + double(0.1f) * g);
      newV.push_back(double(0.999f) * v[i] + double(0.001f) * g * g);
      double step =
          newM[i] * scalars[1] / (std::sqrt(newV[i] * scalars[2]) + 1e-8) + scalars[3] * weight[i];
      newWeight.push_back(weight[i] - scalars[0] * step);
    }
  }
  void expectStepped() const {
    expectNear(weight, newWeight, "weight", 0.1);
    expectNear(m, newM, "first moment", 0.1);
    expectNear(v, newV, "second moment", 0.001);
    expectNear(shadow, newWeight, "bf16 weight", 0.1);
  }
};

TEST_P(MapKernels, AdamW) {
  Memory<float> scalars(5);
  scalars.fill(9, 0.01, 1);
  Parameter parameter(1100, 1, scalars);
  FTC_EXPECT_RUNS(FTC_LAUNCH(adamw, blocksFor(1100, ftc::mapItems(64)), 64, 0, nullptr,
                             parameter.weight.data(), parameter.m.data(), parameter.v.data(),
                             parameter.gradient.data(), scalars.data(), parameter.shadow.data(),
                             1100));
  parameter.expectStepped();
}

TEST_P(MapKernels, BatchedLaunch) {
  Memory<float> scalars(5);
  scalars.fill(9, 0.01, 1);
  const std::vector<long long> sizes = {512, 1, 0, 1300, 0, 513};
  std::vector<std::unique_ptr<Parameter>> parameters;
  std::vector<ftc::BatchItem> items;
  Memory<long long> firstBlock(sizes.size() + 1);
  long long blocks = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    parameters.push_back(std::make_unique<Parameter>(sizes[i], unsigned(10 * i), scalars));
    Parameter &p = *parameters.back();
    items.push_back({{p.weight.data(), p.m.data(), p.v.data(), p.gradient.data(), scalars.data(),
                      p.shadow.data()},
                     sizes[i]});
    firstBlock.data()[i] = blocks;
    blocks += blocksFor(sizes[i], ftc::mapItems(64));
  }
  firstBlock.data()[sizes.size()] = blocks;
  ftc_on_cpu::registerRange(items.data(), items.size() * sizeof(ftc::BatchItem), "items");
  FTC_EXPECT_RUNS(FTC_LAUNCH(adamw_batched, blocks, 64, 0, nullptr, items.data(), firstBlock.data(),
                             (long long)sizes.size()));
  ftc_on_cpu::unregisterRange(items.data());
  for (auto &parameter : parameters)
    parameter->expectStepped();
}

template <typename T, typename Column, int Columns, int RowsPerBlock, typename Launch>
void checkRows(Launch launch) {
  for (long long rows : {1, 3, 17})
    for (int offset : {0, 1}) {
      Memory<T> x(rows * Columns, offset);
      Memory<float> row(rows), scalar(1);
      Memory<Column> column(Columns);
      x.fill(1);
      row.fill(2);
      column.fill(3);
      scalar.fill(4, 1, 2);
      std::vector<double> want(rows * Columns);
      for (long long i = 0; i < rows * Columns; ++i)
        want[i] = (x[i] * row[i / Columns] + column[i % Columns]) * scalar[0];
      FTC_EXPECT_RUNS(launch(blocksFor(rows, RowsPerBlock), x.data(), row.data(), column.data(),
                             scalar.data(), rows));
      expectNear(x, want, "rows");
    }
}

#define CHECK_ROWS(name, Threads, T, Column, Columns, RowsPerBlock)                                \
  checkRows<T, Column, Columns, RowsPerBlock>([](long long blocks, auto... args) {                 \
    return FTC_LAUNCH(name, blocks, Threads, 0, nullptr, args...);                                 \
  })

TEST_P(MapKernels, MapByRows) {
  CHECK_ROWS(rows_1, 32, float, float, 1, 8);
  CHECK_ROWS(rows_6, 32, bf16, bf16, 6, 3);
  CHECK_ROWS(rows_63, 64, float, f16, 63, 2);
  CHECK_ROWS(rows_520, 32, bf16, float, 520, 1);
  CHECK_ROWS(rows_4096, 128, bf16, bf16, 4096, 1);
}

} // namespace
