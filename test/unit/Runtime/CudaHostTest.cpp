//===- CudaHostTest.cpp - the host layer by itself -------------------------===//
// Products of every form against plain loops, batch tables, staging.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaFixture.h"

#include "ftc/Support/DType.h"

#include <cstring>

using namespace ftc;
using namespace ftc::test;
using ftc::cuda::Product;

namespace {

/// A matrix of one of the types, stored with a pitch; what lies between rows must not change.
struct Matrix {
  cuda::DType type;
  long long rows, columns, pitch;
  std::vector<unsigned char> bytes;

  Matrix(cuda::DType type, long long rows, long long columns, long long pitch, int salt)
      : type(type), rows(rows), columns(columns), pitch(pitch),
        bytes(size_t(rows * pitch) * width()) {
    for (long long i = 0; i < rows * pitch; ++i)
      set(i, float((i * 7 + salt) % 13 - 6) / 4);
  }
  size_t width() const { return type == cuda::DType::f32 ? 4 : 2; }
  void set(long long i, float value) {
    uint16_t half = f32ToBf16(value);
    std::memcpy(&bytes[size_t(i) * width()],
                type == cuda::DType::f32 ? static_cast<void *>(&value) : &half, width());
  }
  double get(long long row, long long column) const {
    const unsigned char *at = &bytes[size_t(row * pitch + column) * width()];
    float value;
    uint16_t half;
    std::memcpy(&half, at, 2);
    std::memcpy(&value, at, width());
    return type == cuda::DType::f32 ? double{value} : double{bf16ToF32(half)};
  }
};

struct Types {
  cuda::DType operands, result;
  double tolerance; ///< of the result's rounding, relative
};
constexpr Types everyTypes[] = {{cuda::DType::f32, cuda::DType::f32, 1e-6},
                                {cuda::DType::bf16, cuda::DType::bf16, 1.0 / 256},
                                {cuda::DType::bf16, cuda::DType::f32, 1e-6}};

class Products : public ::testing::Test {
protected:
  TestDevice gpu;
  void SetUp() override { gpu.open(); }

  void check(Product product, double tolerance, bool withBias) {
    product.m = 7;
    product.n = 5;
    product.k = 9;
    Matrix a(product.a, product.transposeA ? product.k : product.m,
             product.transposeA ? product.m : product.k, 12, 1);
    Matrix b(product.b, product.transposeB ? product.n : product.k,
             product.transposeB ? product.k : product.n, 11, 2);
    Matrix c(product.c, product.m, product.n, 8, 3), bias(product.c, 1, product.n, product.n, 4);
    product.lda = a.pitch;
    product.ldb = b.pitch;
    product.ldc = c.pitch;
    cuda::DeviceMemory onA = gpu.copy(a.bytes), onB = gpu.copy(b.bytes), onC = gpu.copy(c.bytes),
                       onBias = gpu.copy(bias.bytes);
    product.bias = withBias ? onBias.data() : nullptr;
    cuda::Products products;
    TestDevice::expectOk(products.open(gpu.device, 1 << 16, gpu.stream.get()));
    int index = products.add(product);
    TestDevice::expectOk(products.prepare());
    ASSERT_EQ(products.run(index, onA.data(), onB.data(), onC.data(), gpu.stream.get()), 0);
    Matrix result = c;
    result.bytes = gpu.read<unsigned char>(onC.data(), c.bytes.size());
    for (long long i = 0; i < product.m; ++i)
      for (long long j = 0; j < c.pitch; ++j) {
        if (j >= product.n) { // between rows
          EXPECT_EQ(result.get(i, j), c.get(i, j)) << i << ' ' << j;
          continue;
        }
        double sum = 0;
        for (long long l = 0; l < product.k; ++l)
          sum += (product.transposeA ? a.get(l, i) : a.get(i, l)) *
                 (product.transposeB ? b.get(j, l) : b.get(l, j));
        double expected = double{product.scale} * sum + (product.accumulate ? c.get(i, j) : 0) +
                          (withBias ? bias.get(0, j) : 0);
        EXPECT_NEAR(result.get(i, j), expected, tolerance * (1 + std::fabs(expected)))
            << i << ' ' << j;
      }
  }
};

TEST_F(Products, OfEveryTypeAndForm) {
  for (const Types &types : everyTypes)
    for (int form = 0; form < 16; ++form) {
      Product product;
      product.a = product.b = types.operands;
      product.c = types.result;
      product.transposeA = form & 1;
      product.transposeB = form & 2;
      product.accumulate = form & 4;
      product.scale = form & 8 ? 0.5f : 1.0f;
      SCOPED_TRACE(cuda::productString(product) + ", form " + std::to_string(form));
      check(product, types.tolerance, /*withBias=*/false);
    }
}

TEST_F(Products, WithABias) {
  for (const Types &types : everyTypes)
    for (bool accumulate : {false, true}) {
      Product product;
      product.a = product.b = types.operands;
      product.c = types.result;
      product.transposeB = true;
      product.accumulate = accumulate;
      SCOPED_TRACE(cuda::productString(product));
      check(product, types.tolerance, /*withBias=*/true);
    }
}

// Whole units of rows, of at most 16 sizes, and no more than there are.
TEST(ListedRows, AreThoseThatPredictAndAFewMore) {
  EXPECT_EQ(cuda::rowUnit(1), 64);
  EXPECT_EQ(cuda::rowUnit(1024), 64);
  EXPECT_EQ(cuda::rowUnit(1025), 128);
  EXPECT_EQ(cuda::rowUnit(8192), 512);
  for (long long rows : {1, 24, 64, 160, 1500, 8192})
    for (long long first : {0LL, rows})
      for (long long predicting = 0; predicting <= 2 * rows; ++predicting) {
        long long listed = cuda::listedRows(predicting, first, rows);
        long long needed = std::min(std::max(predicting - first, 0LL), rows);
        ASSERT_GE(listed, first == 0 ? std::max(needed, 1LL) : needed);
        ASSERT_LE(listed, std::min(needed + cuda::rowUnit(rows), rows));
        ASSERT_TRUE(listed == rows || listed % cuda::rowUnit(rows) == 0);
        ASSERT_TRUE(needed > 0 || first == 0 || listed == 0);
      }
}

TEST_F(Products, OfSomeRows) {
  for (bool transposeA : {false, true}) {
    Product product;
    product.transposeA = transposeA;
    product.m = transposeA ? 3 : 150;
    product.k = transposeA ? 150 : 3;
    product.n = 4;
    product.listed = true;
    Matrix a(product.a, 150, 3, 3, 1), b(product.b, product.k, 4, 4, 2),
        c(product.c, product.m, 4, 4, 3);
    product.lda = 3;
    product.ldb = product.ldc = 4;
    cuda::DeviceMemory onA = gpu.copy(a.bytes), onB = gpu.copy(b.bytes);
    cuda::Products products;
    TestDevice::expectOk(products.open(gpu.device, 1 << 16, gpu.stream.get()));
    Product other = product;
    other.listed = false;
    EXPECT_EQ(products.add(other), 0);
    EXPECT_EQ(products.add(product), 1);
    EXPECT_EQ(products.add(other), 2);
    TestDevice::expectOk(products.prepare());
    for (long long rows : {0, 64, 128, 150}) {
      SCOPED_TRACE(rows);
      cuda::DeviceMemory onC = gpu.copy(c.bytes);
      ASSERT_EQ(products.run(1, onA.data(), onB.data(), onC.data(), gpu.stream.get(), rows), 0);
      Matrix result = c;
      result.bytes = gpu.read<unsigned char>(onC.data(), c.bytes.size());
      for (long long i = 0; i < product.m; ++i)
        for (long long j = 0; j < 4; ++j) {
          bool written = rows > 0 && (transposeA || i < rows);
          double sum = 0;
          for (long long l = 0; l < (transposeA ? rows : product.k); ++l)
            sum += (transposeA ? a.get(l, i) : a.get(i, l)) * b.get(l, j);
          EXPECT_NEAR(result.get(i, j), written ? sum : c.get(i, j), 1e-4) << i << ' ' << j;
        }
    }
    for (int whole : {0, 1, 2}) {
      cuda::DeviceMemory onC = gpu.copy(c.bytes);
      ASSERT_EQ(products.run(whole, onA.data(), onB.data(), onC.data(), gpu.stream.get()), 0);
      Matrix result = c;
      result.bytes = gpu.read<unsigned char>(onC.data(), c.bytes.size());
      double sum = 0;
      for (long long l = 0; l < product.k; ++l)
        sum += (transposeA ? a.get(l, product.m - 1) : a.get(product.m - 1, l)) * b.get(l, 3);
      EXPECT_NEAR(result.get(product.m - 1, 3), sum, 1e-4);
    }
  }
}

TEST_F(Products, OfMixedTypesAreRefused) {
  cuda::Products products;
  TestDevice::expectOk(products.open(gpu.device, 0, gpu.stream.get()));
  Product product;
  product.m = product.n = product.k = product.lda = product.ldb = product.ldc = 4;
  product.b = cuda::DType::bf16;
  products.add(product);
  cuda::Status status = products.prepare();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.fault(), cuda::Fault::invalid);
  EXPECT_NE(status.text().find("4x4x4 of f32 and bf16 to f32: cuBLASLt has operands of one type"),
            std::string::npos)
      << status.text();
}

TEST_F(Products, OperandsKeepTheAlignmentOfThePlan) {
  cuda::Products products;
  TestDevice::expectOk(products.open(gpu.device, 0, gpu.stream.get()));
  Product product;
  product.m = product.n = product.k = product.lda = product.ldb = product.ldc = 4;
  int strict = products.add(product);
  product.alignment = 4;
  int loose = products.add(product);
  TestDevice::expectOk(products.prepare());
  cuda::DeviceMemory memory = gpu.copy(std::vector<float>(64));
  float *at = reinterpret_cast<float *>(memory.data());
  int error = products.run(strict, at, at + 17, at + 40, gpu.stream.get());
  EXPECT_EQ(error, cuda::blasErrors + cuda::blas::invalidValue);
  EXPECT_NE(cuda::describe(error).find("INVALID_VALUE"), std::string::npos)
      << cuda::describe(error);
  EXPECT_EQ(products.run(loose, at, at + 17, at + 40, gpu.stream.get()), 0);
}

TEST_F(Products, HaveTheWorkspaceThatIsDeclared) {
  size_t before = gpu.freeBytes();
  cuda::Products products;
  TestDevice::expectOk(products.open(gpu.device, 1 << 20, gpu.stream.get()));
  EXPECT_EQ(products.bytes(), 1u << 20);
  EXPECT_GE(before - gpu.freeBytes(), size_t{1} << 20);
}

TEST(BatchTables, AreWhatKernelsRead) {
  TestDevice gpu;
  gpu.open();
  cuda::BatchTables tables;
  auto group = [](uintptr_t address, long long grid) {
    cuda::BatchGroup result;
    result.arguments[0] = reinterpret_cast<void *>(address);
    result.arguments[15] = reinterpret_cast<void *>(address + 15);
    result.grid = grid;
    return result;
  };
  int first = tables.add({group(0x100, 8), group(0x200, 9), group(0x300, 1)}, 8);
  int second = tables.add({group(0x400, 1000)}, 100);
  tables.setArgument(first, 1, 2, reinterpret_cast<void *>(uintptr_t{0xabc}));
  TestDevice::expectOk(tables.allocate(gpu.device, gpu.stream.get()));
  TestDevice::expectOk(tables.upload(gpu.stream.get()));
  EXPECT_EQ(tables.bytes(), 4 * 136 + 4 * 8 + 2 * 8u);
  EXPECT_EQ(tables.count(first), 3);
  EXPECT_EQ(tables.blocks(first), 4);
  EXPECT_EQ(tables.blocks(second), 10);
  EXPECT_EQ(gpu.read<long long>(tables.firstBlock(first), 4), (std::vector<long long>{0, 1, 3, 4}));
  EXPECT_EQ(gpu.read<long long>(tables.firstBlock(second), 2), (std::vector<long long>{0, 10}));
  auto groups = gpu.read<cuda::BatchGroup>(tables.items(first), 3);
  EXPECT_EQ(groups[0].arguments[15], reinterpret_cast<void *>(uintptr_t{0x10f}));
  EXPECT_EQ(groups[1].arguments[2], reinterpret_cast<void *>(uintptr_t{0xabc}));
  EXPECT_EQ(groups[2].grid, 1);
  // A changed address reaches the device with the next upload.
  tables.setArgument(second, 0, 0, nullptr);
  TestDevice::expectOk(tables.upload(gpu.stream.get()));
  EXPECT_EQ(gpu.read<cuda::BatchGroup>(tables.items(second), 1)[0].arguments[0], nullptr);
}

TEST(BatchTables, NoneNeedsNoMemory) {
  TestDevice gpu;
  gpu.open();
  cuda::BatchTables tables;
  TestDevice::expectOk(tables.allocate(gpu.device, gpu.stream.get()));
  TestDevice::expectOk(tables.upload(gpu.stream.get()));
  EXPECT_EQ(tables.bytes(), 0u);
}

TEST(DeviceMemory, IsClearAndComesBack) {
  TestDevice gpu;
  gpu.open();
  size_t before = gpu.freeBytes();
  {
    cuda::DeviceMemory memory;
    TestDevice::expectOk(memory.allocate(gpu.device, 1000, "a test", gpu.stream.get()));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.data()) % 256, 0u);
    EXPECT_EQ(gpu.read<unsigned char>(memory.data(), 1000), std::vector<unsigned char>(1000));
    EXPECT_LT(gpu.freeBytes(), before);
  }
  EXPECT_EQ(gpu.freeBytes(), before);
}

TEST(DeviceMemory, SaysWhatIsMissing) {
  TestDevice gpu;
  gpu.open();
  cuda::DeviceMemory memory;
  cuda::Status status =
      memory.allocate(gpu.device, uint64_t{1} << 50, "the arena", gpu.stream.get());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.fault(), cuda::Fault::outOfMemory);
  EXPECT_NE(status.text().find("the arena needs 1125899906842624 bytes of device memory, but "),
            std::string::npos)
      << status.text();
}

} // namespace
