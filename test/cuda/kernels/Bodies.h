//===- Bodies.h - scalar regions as the emitter prints them ----------------===//
// Regions of real kernels, for tests that run them and tests that only compile them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_KERNELS_BODIES_H
#define FTC_TEST_CUDA_KERNELS_BODIES_H

#include "ftc/Kernels/CUDA/Device.h"

/// out = silu(gate) * up.
struct SiluMul {
  static FTC_DEVICE void element(const float *in, float *out) {
    const float sigmoid = ftc::divide(1.0f, 1.0f + ftc::exp(-in[0]));
    out[0] = in[0] * sigmoid * in[1];
  }
};

/// gate, up and the product's gradient -> gradients of both, and the product once more.
struct SiluMulGrad {
  static FTC_DEVICE void element(const float *in, float *out) {
    const float sigmoid = ftc::divide(1.0f, 1.0f + ftc::exp(-in[0])), silu = in[0] * sigmoid;
    out[0] = in[2] * in[1] * sigmoid * (1.0f + in[0] * (1.0f - sigmoid));
    out[1] = in[2] * silu;
    out[2] = silu * in[1];
  }
};

struct GeluTanh {
  static FTC_DEVICE void element(const float *in, float *out) {
    const float inner = 0.7978845608f * (in[0] + 0.044715f * in[0] * in[0] * in[0]);
    out[0] = 0.5f * in[0] * (1.0f + ftc::tanh(inner));
  }
};

/// (x * row + column) * scalar.
struct ScaleAndShift {
  static FTC_DEVICE void element(const float *in, float *out) {
    out[0] = (in[0] * in[1] + in[2]) * in[3];
  }
};

/// weight, m, v, gradient; rate, two corrections, decay, clip factor -> weight, m, v, bf16 weight.
struct AdamW {
  static FTC_DEVICE void element(const float *in, float *out) {
    const float gradient = in[3] * in[8];
    const float m = 0.9f * in[1] + 0.1f * gradient;
    const float v = 0.999f * in[2] + 0.001f * gradient * gradient;
    const float step = ftc::divide(m * in[5], ftc::sqrt(v * in[6]) + 1e-8f) + in[7] * in[0];
    const float weight = in[0] - in[4] * step;
    out[0] = weight;
    out[1] = m;
    out[2] = v;
    out[3] = weight;
  }
};

/// x, residual, column weight -> their sum (in place of the residual), its norm, 1 / rms of the
/// row.
template <int Columns> struct RmsNorm {
  static constexpr int terms = 1, rows = 1;
  static FTC_DEVICE void term(const float *in, float *term) {
    const float sum = in[0] + in[1];
    term[0] = sum * sum;
  }
  static FTC_DEVICE void finish(const float *, const float *sum, float *row) {
    row[0] = ftc::rsqrt(sum[0] * (1.0f / Columns) + 1e-5f);
  }
  static FTC_DEVICE void element(const float *in, const float *row, float *out) {
    const float sum = in[0] + in[1];
    out[0] = sum;
    out[1] = sum * row[0] * in[2];
    out[2] = row[0];
  }
};

/// x, column weight, 1 / rms of the row, gradient, residual's gradient (in place of which the sum).
template <int Columns> struct RmsNormGrad {
  static constexpr int terms = 1, rows = 1;
  static FTC_DEVICE void term(const float *in, float *term) { term[0] = in[0] * in[1] * in[3]; }
  static FTC_DEVICE void finish(const float *in, const float *sum, float *row) {
    row[0] = in[0] * in[0] * in[0] * sum[0] * (1.0f / Columns);
  }
  static FTC_DEVICE void element(const float *in, const float *row, float *out) {
    out[0] = in[4] + in[3] * in[1] * in[2] - in[0] * row[0];
  }
};

/// The root of the sum of squares, times a scalar.
struct RowNorm {
  static constexpr int terms = 1, rows = 1;
  static FTC_DEVICE void term(const float *in, float *term) { term[0] = in[0] * in[0]; }
  static FTC_DEVICE void finish(const float *in, const float *sum, float *row) {
    row[0] = ftc::sqrt(sum[0]) * in[0];
  }
  static FTC_DEVICE void element(const float *, const float *row, float *out) { out[0] = row[0]; }
};

/// Ten sums of powers and products; a row number that is updated.
struct ManySums {
  static constexpr int terms = 10, rows = 2;
  static FTC_DEVICE void term(const float *in, float *term) {
    FTC_UNROLL
    for (int k = 0; k < terms; ++k)
      term[k] = in[0] * float(k + 1) + float(k);
  }
  static FTC_DEVICE void finish(const float *in, const float *sum, float *row) {
    row[0] = in[0];
    row[1] = 0.0f;
    FTC_UNROLL
    for (int k = 0; k < terms; ++k) {
      row[0] += sum[k];
      row[1] += float(k) * sum[k];
    }
  }
  static FTC_DEVICE void element(const float *in, const float *row, float *out) {
    out[0] = in[0] + row[1];
    out[1] = row[0];
  }
};

/// No sum at all: the row's number is added to each element, and doubled.
struct AddRow {
  static constexpr int terms = 0, rows = 1;
  static FTC_DEVICE void term(const float *, float *) {}
  static FTC_DEVICE void finish(const float *in, const float *, float *row) { row[0] = in[0]; }
  static FTC_DEVICE void element(const float *in, const float *row, float *out) {
    out[0] = in[0] + row[0];
    out[1] = 2.0f * row[0];
  }
};

/// Gradient times value times a number of the row.
struct WeightedSum {
  static FTC_DEVICE float term(const float *in) { return in[0] * in[1] * in[2]; }
};
struct Sum {
  static FTC_DEVICE float term(const float *in) { return in[0]; }
};

#endif // FTC_TEST_CUDA_KERNELS_BODIES_H
