//===- Widen.cpp - bf16 and f16 matrices to f32 and back, fast -------------===//
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

using Round = void (*)(const float *source, unsigned char *destination, int64_t count);

void roundPlain(const float *source, unsigned char *destination, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits = f32ToBf16(source[i]);
    std::memcpy(destination + 2 * i, &bits, sizeof bits);
  }
}

// Integer arithmetic as in f32ToBf16: the instructions for it (AVX512_BF16) take subnormals for 0.
__attribute__((target("avx2"))) void roundAvx2(const float *source, unsigned char *destination,
                                               int64_t count) {
  const __m256i one = _mm256_set1_epi32(1), bias = _mm256_set1_epi32(0x7fff),
                quiet = _mm256_set1_epi32(0x400000);
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m256 value = _mm256_loadu_ps(source + i);
    __m256i bits = _mm256_castps_si256(value);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, bias));
    __m256i isNaN = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    __m256i chosen = _mm256_blendv_epi8(rounded, _mm256_or_si256(bits, quiet), isNaN);
    __m256i upper = _mm256_srli_epi32(chosen, 16);
    // Packs within halves of the register: the two low quarters are then the first and the third.
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(upper, upper), 0x08);
    _mm_storeu_si128(reinterpret_cast<__m128i *>(destination + 2 * i),
                     _mm256_castsi256_si128(packed));
  }
  roundPlain(source + i, destination + 2 * i, count - i);
}

__attribute__((target("avx512f"))) void roundAvx512(const float *source, unsigned char *destination,
                                                    int64_t count) {
  const __m512i one = _mm512_set1_epi32(1), bias = _mm512_set1_epi32(0x7fff),
                quiet = _mm512_set1_epi32(0x400000);
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m512 value = _mm512_loadu_ps(source + i);
    __m512i bits = _mm512_castps_si512(value);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, bias));
    __mmask16 isNaN = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    __m512i chosen = _mm512_mask_or_epi32(rounded, isNaN, bits, quiet);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(destination + 2 * i),
                        _mm512_cvtepi32_epi16(_mm512_srli_epi32(chosen, 16)));
  }
  roundPlain(source + i, destination + 2 * i, count - i);
}

struct Converters {
  Convert bf16, f16;
  Round toBf16;
};

const Converters &converters() {
  static const Converters chosen =
      cpuFeatures().hasLevel4()   ? Converters{bf16Avx512, f16Avx512, roundAvx512}
      : cpuFeatures().hasLevel3() ? Converters{bf16Avx2, f16Avx2, roundAvx2}
                                  : Converters{plain<bf16ToF32>, plain<f16ToF32>, roundPlain};
  return chosen;
}

} // namespace

void widen(package::DType dtype, const void *source, float *destination, int64_t count) {
  const auto *bytes = static_cast<const unsigned char *>(source);
  (dtype == package::DType::bf16 ? converters().bf16 : converters().f16)(bytes, destination, count);
}

void narrow(const float *source, void *destination, int64_t count) {
  converters().toBf16(source, static_cast<unsigned char *>(destination), count);
}

} // namespace ftc
