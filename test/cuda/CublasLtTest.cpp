//===- CublasLtTest.cpp - the stand-in for cuBLASLt ------------------------===//
// Products of every shape, order and type against sums in double; what the caller may get wrong.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "StandIns.h"
#include "stand-ins/cublaslt/Numbers.h"

#include <cmath>
#include <cstring>
#include <vector>

using namespace standin::cublaslt;

namespace {

float toFloat(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

/// A matrix in device memory whose numbers are small multiples of 1/8, so exact in bf16.
struct Matrix {
  DataType type;
  size_t rows, columns, ld;
  Order order;
  uint64_t address = 0;

  size_t bytes() const { return (order == Column ? columns : rows) * ld * (type == F32 ? 4u : 2u); }
  size_t index(size_t row, size_t column) const {
    return order == Column ? row + column * ld : row * ld + column;
  }
  float at(size_t row, size_t column) const {
    const void *data = reinterpret_cast<const void *>(address);
    if (type == F32)
      return static_cast<const float *>(data)[index(row, column)];
    return toFloat(static_cast<const uint16_t *>(data)[index(row, column)]);
  }
  void fill(unsigned seed) {
    for (size_t i = 0; i < bytes() / (type == F32 ? 4 : 2); ++i) {
      seed = seed * 1664525u + 1013904223u;
      float value = static_cast<float>(static_cast<int>(seed >> 28) - 8) / 8;
      if (type == F32)
        std::memcpy(reinterpret_cast<void *>(address + 4 * i), &value, 4);
      else
        std::memcpy(reinterpret_cast<void *>(address + 2 * i),
                    reinterpret_cast<const char *>(&value) + 2, 2);
    }
  }
};

struct Candidate {
  uint64_t algo[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

class CublasLt : public DriverTest {
protected:
  void SetUp() override {
    DriverTest::SetUp();
    ASSERT_EQ(blas("cublasLtCreate", &handle), 0);
    ASSERT_EQ(blas("cublasLtMatmulDescCreate", &operation, int(Compute32F), int(F32)), 0);
    ASSERT_EQ(blas("cublasLtMatmulPreferenceCreate", &preference), 0);
  }
  void TearDown() override {
    for (uint64_t address : placed)
      free(address);
    for (void *layout : layouts)
      EXPECT_EQ(blas("cublasLtMatrixLayoutDestroy", layout), 0);
    EXPECT_EQ(blas("cublasLtMatmulPreferenceDestroy", preference), 0);
    EXPECT_EQ(blas("cublasLtMatmulDescDestroy", operation), 0);
    EXPECT_EQ(blas("cublasLtDestroy", handle), 0);
    DriverTest::TearDown();
  }

  template <typename T> int setOperation(int attribute, T value) {
    const void *at = &value;
    return blas("cublasLtMatmulDescSetAttribute", operation, attribute, at, sizeof value);
  }
  template <typename T> int prefer(int attribute, T value) {
    const void *at = &value;
    return blas("cublasLtMatmulPreferenceSetAttribute", preference, attribute, at, sizeof value);
  }

  void *layoutOf(const Matrix &matrix) {
    void *layout = nullptr;
    EXPECT_EQ(blas("cublasLtMatrixLayoutCreate", &layout, int(matrix.type), uint64_t(matrix.rows),
                   uint64_t(matrix.columns), int64_t(matrix.ld)),
              0);
    int32_t order = matrix.order;
    const void *at = &order;
    EXPECT_EQ(blas("cublasLtMatrixLayoutSetAttribute", layout, int(LayoutOrder), at, sizeof order),
              0);
    layouts.push_back(layout);
    return layout;
  }
  void place(Matrix &matrix, unsigned seed) {
    matrix.address = allocate(matrix.bytes());
    matrix.fill(seed);
    placed.push_back(matrix.address);
  }

  int heuristic(const Matrix &a, const Matrix &b, const Matrix &c, Candidate *results,
                int requested, int &found) {
    void *la = layoutOf(a), *lb = layoutOf(b), *lc = layoutOf(c);
    return blas("cublasLtMatmulAlgoGetHeuristic", handle, operation, la, lb, lc, lc, preference,
                requested, results, &found);
  }
  int multiply(const Matrix &a, const Matrix &b, const Matrix &c, const Matrix &d,
               const Candidate *candidate, uint64_t workspace = 0, size_t workspaceBytes = 0) {
    void *la = layoutOf(a), *lb = layoutOf(b), *lc = layoutOf(c), *ld = layoutOf(d);
    const void *alphaAt = &alpha, *betaAt = &beta;
    auto pointer = [](const Matrix &m) { return reinterpret_cast<const void *>(m.address); };
    const void *algo = candidate;
    return blas("cublasLtMatmul", handle, operation, alphaAt, pointer(a), la, pointer(b), lb,
                betaAt, pointer(c), lc, reinterpret_cast<void *>(d.address), ld, algo,
                reinterpret_cast<void *>(workspace), workspaceBytes, static_cast<void *>(nullptr));
  }

  StandInLibrary blas{"libcublasLt.so.13"};
  void *handle = nullptr, *operation = nullptr, *preference = nullptr;
  std::vector<void *> layouts;
  std::vector<uint64_t> placed;
  float alpha = 1, beta = 0;
};

TEST_F(CublasLt, EveryOperationOrderAndType) {
  constexpr size_t m = 13, n = 7, k = 10;
  alpha = 0.5f;
  beta = 2;
  unsigned products = 0;
  for (int variant = 0; variant < 3 * 4 * 4; ++variant) {
    bool transposeA = variant & 1, transposeB = variant & 2;
    Order orderA = variant & 4 ? Row : Column, orderD = variant & 8 ? Row : Column;
    DataType in = variant / 16 == 0 ? F32 : BF16, out = variant / 16 == 2 ? BF16 : F32;
    auto shaped = [](DataType type, size_t rows, size_t columns, Order order) {
      return Matrix{type, rows, columns, (order == Column ? rows : columns) + 3, order};
    };
    Matrix a = shaped(in, transposeA ? k : m, transposeA ? m : k, orderA);
    Matrix b = shaped(in, transposeB ? n : k, transposeB ? k : n, Column);
    Matrix c = shaped(out, m, n, orderD), d = c;
    for (Matrix *matrix : {&a, &b, &c, &d})
      matrix->address = allocate(matrix->bytes()), matrix->fill(++products);
    EXPECT_EQ(setOperation(DescTransposeA, int32_t(transposeA ? OpT : OpN)), 0);
    EXPECT_EQ(setOperation(DescTransposeB, int32_t(transposeB ? OpT : OpN)), 0);
    Candidate candidate;
    int found = 0;
    ASSERT_EQ(heuristic(a, b, c, &candidate, 1, found), 0);
    ASSERT_EQ(found, 1);
    ASSERT_EQ(multiply(a, b, c, d, &candidate), 0);
    for (size_t i = 0; i < m; ++i)
      for (size_t j = 0; j < n; ++j) {
        double sum = 0;
        for (size_t l = 0; l < k; ++l)
          sum += double(transposeA ? a.at(l, i) : a.at(i, l)) *
                 double(transposeB ? b.at(j, l) : b.at(l, j));
        double expected = 0.5 * sum + 2.0 * c.at(i, j);
        // The sums are exact in f32; bf16 rounds them once.
        ASSERT_NEAR(d.at(i, j), expected, out == F32 ? 0 : std::fabs(expected) / 256);
      }
    for (Matrix *matrix : {&a, &b, &c, &d})
      free(matrix->address);
  }
}

TEST_F(CublasLt, BiasByRows) {
  Matrix a{F32, 5, 4, 5, Column}, b{F32, 4, 3, 4, Column}, d{F32, 5, 3, 5, Column};
  Matrix bias{F32, 5, 1, 5, Column};
  place(a, 1), place(b, 2), place(d, 3), place(bias, 4);
  EXPECT_EQ(setOperation(DescEpilogue, uint32_t(Bias)), 0);
  EXPECT_EQ(setOperation(DescBiasPointer, bias.address), 0);
  ASSERT_EQ(multiply(a, b, d, d, nullptr), 0);
  for (size_t i = 0; i < 5; ++i)
    for (size_t j = 0; j < 3; ++j) {
      double expected = bias.at(i, 0);
      for (size_t l = 0; l < 4; ++l)
        expected += double(a.at(i, l)) * b.at(l, j);
      EXPECT_EQ(d.at(i, j), expected);
    }
}

TEST_F(CublasLt, Workspace) {
  Matrix a{BF16, 16, 16, 16, Column}, b = a, d = a;
  place(a, 1), place(b, 2), place(d, 3);
  Candidate candidates[4];
  int found = 0;
  // The preference's default is no workspace.
  ASSERT_EQ(heuristic(a, b, d, candidates, 4, found), 0);
  EXPECT_EQ(found, 1);
  EXPECT_EQ(candidates[0].workspace, 0u);
  EXPECT_EQ(prefer(PreferMaxWorkspace, uint64_t(1 << 20)), 0);
  ASSERT_EQ(heuristic(a, b, d, candidates, 4, found), 0);
  ASSERT_EQ(found, 2);
  ASSERT_EQ(candidates[0].workspace, 4096u);
  uint64_t workspace = allocate(4096);
  expectRefusal(InvalidValue, "a workspace of 0 bytes; the algorithm needs 4096",
                [&] { return multiply(a, b, d, d, candidates); });
  expectRefusal(InvalidValue, "the workspace: its 8192 bytes are not in one piece",
                [&] { return multiply(a, b, d, d, candidates, workspace, 8192); });
  EXPECT_EQ(multiply(a, b, d, d, candidates, workspace, 4096), 0);
  EXPECT_EQ(multiply(a, b, d, d, candidates + 1), 0);
  free(workspace);
}

TEST_F(CublasLt, WrongProducts) {
  Matrix a{F32, 8, 4, 12, Column}, b{F32, 4, 6, 4, Column}, d{F32, 8, 6, 8, Column};
  place(a, 1), place(b, 2), place(d, 3);
  Candidate candidate;
  int found = 0;
  ASSERT_EQ(heuristic(a, b, d, &candidate, 1, found), 0);
  auto refused = [&](int status, const char *words, Matrix a, Matrix b, Matrix c, Matrix d) {
    expectRefusal(status, words, [&] { return multiply(a, b, c, d, &candidate); });
  };
  Matrix shortLd = a, wide = a, shifted = a, freed = d, wrongType = d, long_ = b;
  shortLd.ld = 7;
  refused(InvalidValue, "A: 8 x 4 with leading dimension 7", shortLd, b, d, d);
  wide.columns = 5;
  refused(InvalidValue, "op(A) is 8 x 5, op(B) 4 x 6, D 8 x 6", wide, b, d, d);
  shifted.address += 32;
  refused(InvalidValue, "A is not aligned to the 256 bytes", shifted, b, d, d);
  EXPECT_EQ(prefer(PreferAlignmentA, uint32_t(16)), 0);
  ASSERT_EQ(heuristic(a, b, d, &candidate, 1, found), 0);
  refused(InvalidValue, "A: its 176 bytes are not in one piece of device memory", shifted, b, d, d);
  freed.address = 4096;
  refused(InvalidValue, "D: its 192 bytes are not in one piece", a, b, d, freed);
  wrongType.type = BF16;
  refused(NotSupported, "f32 operands with a result of another type", a, b, wrongType, wrongType);
  long_.columns = 7;
  refused(InvalidValue, "op(B) 4 x 7, D 8 x 6", a, long_, d, d);
  refused(InvalidValue, "D overlaps an operand", a, b, d, Matrix{F32, 8, 6, 8, Column, a.address});
  Matrix other{F32, 8, 5, 8, Column};
  place(other, 5);
  refused(InvalidValue, "an algorithm of another problem", a,
          Matrix{F32, 4, 5, 4, Column, b.address}, other, other);
  beta = 1;
  refused(InvalidValue, "C: its 192 bytes are not in one piece", a, b, freed, d);
}

TEST_F(CublasLt, WrongDescriptors) {
  expectRefusal(InvalidValue, "an attribute of 8 bytes; it has 4",
                [&] { return setOperation(DescTransposeA, int64_t(1)); });
  expectRefusal(InvalidValue, "attribute 999, which the stand-in does not know",
                [&] { return setOperation(999, int32_t(1)); });
  expectRefusal(NotSupported, "attribute 2 with a value that is not the default",
                [&] { return setOperation(DescPointerMode, int32_t(1)); });
  expectRefusal(InvalidValue, "an alignment of 24",
                [&] { return prefer(PreferAlignmentB, uint32_t(24)); });
  void *layout = nullptr;
  EXPECT_EQ(blas("cublasLtMatrixLayoutCreate", &layout, 0, uint64_t(1), uint64_t(1), int64_t(1)),
            0);
  EXPECT_EQ(blas("cublasLtMatrixLayoutDestroy", layout), 0);
  expectRefusal(InvalidValue, "destroyed already",
                [&] { return blas("cublasLtMatrixLayoutDestroy", layout); });
  Matrix a{F32, 4, 4, 4, Column};
  Candidate candidate;
  int found = 0;
  EXPECT_EQ(setOperation(DescComputeType, int32_t(77)), 0);
  expectRefusal(NotSupported, "compute type 77",
                [&] { return heuristic(a, a, a, &candidate, 1, found); });
}

} // namespace
