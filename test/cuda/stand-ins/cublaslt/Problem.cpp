//===- Problem.cpp - one product as cuBLASLt describes it ------------------===//
// Packs op(A) and op(B) into f32 tiles and multiplies them by small register blocks.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "stand-ins/cublaslt/Problem.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace standin::cublaslt {

namespace {

bool isSupported(uint32_t type) { return type == F32 || type == BF16; }

std::string layoutMistake(const char *name, const Layout &layout) {
  std::string text = std::string(name) + ": ";
  if (!isSupported(layout.type))
    return text + "type " + std::to_string(layout.type) + "; the stand-in has f32 and bf16";
  if (layout.order != Column && layout.order != Row)
    return text + "order " + std::to_string(layout.order) + "; the stand-in has columns and rows";
  uint64_t least = layout.order == Column ? layout.rows : layout.columns;
  if (!layout.rows || !layout.columns || layout.ld < static_cast<int64_t>(least))
    return text + std::to_string(layout.rows) + " x " + std::to_string(layout.columns) +
           " with leading dimension " + std::to_string(layout.ld);
  return "";
}

float load(const void *matrix, const Layout &layout, size_t row, size_t column) {
  size_t ld = static_cast<size_t>(layout.ld);
  size_t index = layout.order == Column ? row + column * ld : row * ld + column;
  if (layout.type == F32)
    return static_cast<const float *>(matrix)[index];
  uint32_t bits = uint32_t(static_cast<const uint16_t *>(matrix)[index]) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint16_t roundToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void store(void *matrix, const Layout &layout, size_t row, size_t column, float value) {
  size_t ld = static_cast<size_t>(layout.ld);
  size_t index = layout.order == Column ? row + column * ld : row * ld + column;
  if (layout.type == F32)
    static_cast<float *>(matrix)[index] = value;
  else
    static_cast<uint16_t *>(matrix)[index] = roundToBf16(value);
}

constexpr size_t tileM = 8, tileN = 4;

/// op(matrix) in strips of `width` along its outer index: element (outer, k) lies at
/// (outer / width, k, outer % width), and zeros fill the last strip.
std::vector<float> pack(const void *matrix, const Layout &layout, bool outerIsRow, size_t outer,
                        size_t depth, size_t width) {
  std::vector<float> packed((outer + width - 1) / width * width * depth);
  for (size_t i = 0; i < outer; ++i) {
    float *strip = &packed[i / width * width * depth + i % width];
    for (size_t k = 0; k < depth; ++k)
      strip[k * width] = outerIsRow ? load(matrix, layout, i, k) : load(matrix, layout, k, i);
  }
  return packed;
}

/// sum[j][i] over k, one after the other.
void multiplyTile(const float *a, const float *b, size_t depth, float (&sum)[tileN][tileM]) {
  float local[tileN][tileM] = {};
  for (size_t k = 0; k < depth; ++k, a += tileM, b += tileN)
    for (size_t j = 0; j < tileN; ++j)
      for (size_t i = 0; i < tileM; ++i)
        local[j][i] += a[i] * b[j];
  std::memcpy(sum, local, sizeof sum);
}

} // namespace

size_t Layout::bytes() const {
  uint64_t lines = order == Column ? columns : rows, length = order == Column ? rows : columns;
  return ((lines - 1) * static_cast<uint64_t>(ld) + length) * elementBytes();
}

Status check(const Problem &problem, std::string &what) {
  const MatmulDesc &operation = problem.operation;
  if (operation.computeType != Compute32F && operation.computeType != Compute32FPedantic)
    what = "compute type " + std::to_string(operation.computeType) + "; the stand-in has 32F";
  else if (operation.scaleType != F32)
    what = "scale type " + std::to_string(operation.scaleType) + "; with 32F it is f32";
  else if (operation.epilogue != Default && operation.epilogue != Bias)
    what = "epilogue " + std::to_string(operation.epilogue) + "; the stand-in has default and bias";
  else if (problem.a.type != problem.b.type || problem.c.type != problem.d.type)
    what = "A and B, or C and D, of different types";
  else if (problem.a.type == F32 && problem.d.type != F32)
    what = "f32 operands with a result of another type";
  if (!what.empty())
    return NotSupported;
  const std::pair<const char *, const Layout *> layouts[] = {
      {"A", &problem.a}, {"B", &problem.b}, {"C", &problem.c}, {"D", &problem.d}};
  for (const auto &layout : layouts)
    if (what = layoutMistake(layout.first, *layout.second); !what.empty())
      return InvalidValue;
  bool transposeA = operation.transposeA == OpT, transposeB = operation.transposeB == OpT;
  uint64_t rowsA = transposeA ? problem.a.columns : problem.a.rows;
  uint64_t rowsB = transposeB ? problem.b.columns : problem.b.rows;
  uint64_t columnsB = transposeB ? problem.b.rows : problem.b.columns;
  if (rowsA != problem.m() || rowsB != problem.k() || columnsB != problem.n())
    what = "op(A) is " + std::to_string(rowsA) + " x " + std::to_string(problem.k()) + ", op(B) " +
           std::to_string(rowsB) + " x " + std::to_string(columnsB) + ", D " +
           std::to_string(problem.m()) + " x " + std::to_string(problem.n());
  else if (problem.c.rows != problem.d.rows || problem.c.columns != problem.d.columns ||
           problem.c.order != problem.d.order)
    what = "C and D of different shapes or orders";
  else if (operation.epilogue == Bias && operation.biasType != -1 &&
           operation.biasType != static_cast<int32_t>(problem.d.type))
    what = "a bias of another type than D";
  return what.empty() ? Success : InvalidValue;
}

void multiply(const Problem &problem, float alpha, const void *a, const void *b, float beta,
              const void *c, void *d) {
  const MatmulDesc &operation = problem.operation;
  size_t m = problem.m(), n = problem.n(), k = problem.k();
  std::vector<float> packedA = pack(a, problem.a, operation.transposeA == OpN, m, k, tileM);
  std::vector<float> packedB = pack(b, problem.b, operation.transposeB == OpT, n, k, tileN);
  Layout biasLayout{problem.d.type, m, 1, static_cast<int64_t>(m)};
  bool hasBias = operation.epilogue == Bias;
  float sum[tileN][tileM];
  for (size_t column = 0; column < n; column += tileN)
    for (size_t row = 0; row < m; row += tileM) {
      multiplyTile(&packedA[row * k], &packedB[column * k], k, sum);
      for (size_t j = 0; j < std::min(tileN, n - column); ++j)
        for (size_t i = 0; i < std::min(tileM, m - row); ++i) {
          float value = alpha * sum[j][i];
          if (beta != 0)
            value += beta * load(c, problem.c, row + i, column + j);
          if (hasBias)
            value += load(operation.bias, biasLayout, row + i, 0);
          store(d, problem.d, row + i, column + j, value);
        }
    }
}

} // namespace standin::cublaslt
