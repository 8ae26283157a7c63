/*===- TestKernels.c - kernels for the toy package -----------------*- C -*-===//
// An ELF image like those that the compiler makes: it imports nothing.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===*/
#include "ftc/Package/CpuAbi.h"

enum { width = 20, tokens = 24, maxGradNorm = 7, invItems = 8, biasCorrection1 = 5 };

#define KERNEL(name)                                                                               \
  void name(void *const *args, int64_t lo, int64_t hi, void *scratch,                              \
            const ftc_cpu_services *services)

KERNEL(embed) {
  const int32_t *ids = args[0];
  const float *table = args[1];
  float *out = args[2];
  for (int64_t t = lo; t < hi; ++t)
    for (int j = 0; j < width; ++j)
      out[t * width + j] = table[ids[t] * width + j];
}

KERNEL(embed_bf16) {
  const int32_t *ids = args[0];
  const uint16_t *table = args[1];
  float *out = args[2];
  for (int64_t t = lo; t < hi; ++t)
    for (int j = 0; j < width; ++j) {
      union {
        uint32_t bits;
        float value;
      } wide = {(uint32_t)table[ids[t] * width + j] << 16};
      out[t * width + j] = wide.value;
    }
}

KERNEL(residual) {
  const float *y = args[0];
  const int32_t *targets = args[1], *rows = args[2];
  const float *run = args[3];
  float *residuals = args[4], *terms = args[5];
  for (int64_t i = lo; i < hi; ++i) {
    int32_t t = rows[i];
    float d = y[t] - (float)targets[i];
    residuals[t] = targets[i] == -100 ? 0.0f : 2.0f * d * run[invItems];
    terms[t] = targets[i] == -100 ? 0.0f : d * d * run[invItems];
  }
}

KERNEL(sum) {
  const float *terms = args[0];
  float total = 0;
  for (int t = 0; t < tokens; ++t)
    total += terms[t];
  *(float *)args[1] = total;
}

KERNEL(norm) {
  const float *gradient = args[0];
  float total = 0;
  for (int j = 0; j < width; ++j)
    total += gradient[j] * gradient[j];
  *(float *)args[1] = __builtin_sqrtf(total);
}

/* w -= learning rate * clip * gradient; the moment keeps the first bias correction; the accumulator
   starts again. */
KERNEL(descend) {
  float *w = args[0], *gradient = args[1], *moment = args[2];
  const float *run = args[3], *total = args[4];
  float clip = run[maxGradNorm] / (*total + 1e-6f);
  clip = clip < 1.0f ? clip : 1.0f;
  for (int64_t j = lo; j < hi; ++j) {
    w[j] -= run[0] * clip * gradient[j];
    moment[j] = run[biasCorrection1];
    gradient[j] = 0;
  }
}

/* out[i] = i, by way of the thread's scratch of 4096 bytes. */
KERNEL(count) {
  int64_t *own = scratch;
  int32_t *out = args[0];
  for (int64_t i = lo; i < hi; ++i) {
    own[i % 512] = i;
    out[i] += (int32_t)own[i % 512];
  }
}

/* 8 x 8 products, one an item, through the service. */
KERNEL(small_products) {
  const float *a = args[0], *b = args[1];
  float *c = args[2];
  for (int64_t i = lo; i < hi; ++i)
    services->sgemm(0, 1, 8, 8, 8, 2.0f, a + i * 64, 8, b + i * 64, 8, 0.0f, c + i * 64, 8);
}
