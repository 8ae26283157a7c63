//===- Widen.cpp - bf16 and f16 matrices to f32, fast ----------------------===//
// Plain code, AVX2 with F16C, and AVX-512; the same values from each.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Widen.h"

#include "CpuFeatures.h"
#include "ftc/Support/DType.h"

#include <cstring>
#include <immintrin.h>

namespace ftc {

namespace {

using Convert = void (*)(const unsigned char *source, float *destination, int64_t count);

template <float (*element)(uint16_t)>
void plain(const unsigned char *source, float *destination, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, source + 2 * i, sizeof bits);
    destination[i] = element(bits);
  }
}

__attribute__((target("avx2"))) void bf16Avx2(const unsigned char *source, float *destination,
                                              int64_t count) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i *>(source + 2 * i));
    __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);
    _mm256_storeu_ps(destination + i, _mm256_castsi256_ps(wide));
  }
  plain<bf16ToF32>(source + 2 * i, destination + i, count - i);
}

__attribute__((target("avx2,f16c"))) void f16Avx2(const unsigned char *source, float *destination,
                                                  int64_t count) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i *>(source + 2 * i));
    _mm256_storeu_ps(destination + i, _mm256_cvtph_ps(half));
  }
  plain<f16ToF32>(source + 2 * i, destination + i, count - i);
}

__attribute__((target("avx512f"))) void bf16Avx512(const unsigned char *source, float *destination,
                                                   int64_t count) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(source + 2 * i));
    __m512i wide = _mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
    _mm512_storeu_ps(destination + i, _mm512_castsi512_ps(wide));
  }
  plain<bf16ToF32>(source + 2 * i, destination + i, count - i);
}

__attribute__((target("avx512f"))) void f16Avx512(const unsigned char *source, float *destination,
                                                  int64_t count) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(source + 2 * i));
    _mm512_storeu_ps(destination + i, _mm512_cvtph_ps(half));
  }
  plain<f16ToF32>(source + 2 * i, destination + i, count - i);
}

struct Converters {
  Convert bf16, f16;
};

const Converters &converters() {
  static const Converters chosen = cpuFeatures().hasLevel4() ? Converters{bf16Avx512, f16Avx512}
                                   : cpuFeatures().hasLevel3()
                                       ? Converters{bf16Avx2, f16Avx2}
                                       : Converters{plain<bf16ToF32>, plain<f16ToF32>};
  return chosen;
}

} // namespace

void widen(package::DType dtype, const void *source, float *destination, int64_t count) {
  const auto *bytes = static_cast<const unsigned char *>(source);
  (dtype == package::DType::bf16 ? converters().bf16 : converters().f16)(bytes, destination, count);
}

} // namespace ftc
