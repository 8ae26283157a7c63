//===- DType.h - element types and conversions to and from f32 -------------===//
// The dtypes of safetensors, their sizes, and bf16/f16 arithmetic on bits.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_DTYPE_H
#define FTC_SUPPORT_DTYPE_H

#include "ftc/Support/Error.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace ftc {

/// In the order of the reference implementation's enum (rising alignment): its writer sorts by it.
enum class DType : uint8_t {
  BOOL,
  F4,
  F6_E2M3,
  F6_E3M2,
  U8,
  I8,
  F8_E5M2,
  F8_E4M3,
  F8_E8M0,
  F8_E4M3FNUZ,
  F8_E5M2FNUZ,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64,
};

/// The name that safetensors files use: `F32`, `BF16`, `F8_E4M3`.
const char *dtypeName(DType dtype);
std::optional<DType> dtypeFromName(std::string_view name);
/// Bits of one element (F4: 4, F6: 6, C64: 64).
unsigned dtypeBits(DType dtype);
/// Bytes of one element; 0 for the types below a byte.
inline unsigned dtypeBytes(DType dtype) { return dtypeBits(dtype) / 8; }
/// F16, BF16, F32 or F64: the types that convertToF32 reads.
bool isConvertibleFloat(DType dtype);

/// bf16 is the upper half of f32: exact.
inline float bf16ToF32(uint16_t bits) {
  uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

/// Rounds to nearest, ties to even; overflow gives infinity, a NaN stays a NaN (made quiet).
inline uint16_t f32ToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return static_cast<uint16_t>((bits >> 16) | 0x0040u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// Exact: every f16, subnormals included, is an f32.
inline float f16ToF32(uint16_t half) {
  uint32_t sign = uint32_t{half & 0x8000u} << 16;
  uint32_t exponent = (half >> 10) & 0x1fu;
  uint32_t mantissa = half & 0x3ffu;
  uint32_t bits;
  if (exponent == 0x1f) {
    bits = sign | 0x7f800000u | (mantissa << 13);
  } else if (exponent != 0) {
    bits = sign | ((exponent + 112u) << 23) | (mantissa << 13);
  } else if (mantissa == 0) {
    bits = sign;
  } else {
    // Subnormal, mantissa * 2^-24: the leading one moves to bit 10 and out of the mantissa.
    unsigned shift = static_cast<unsigned>(__builtin_clz(mantissa)) - 21u;
    bits = sign | ((113u - shift) << 23) | (((mantissa << shift) & 0x3ffu) << 13);
  }
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Rounds to nearest, ties to even, into subnormals too; overflow (from 65520 on) gives infinity, a
/// NaN stays a NaN (made quiet).
inline uint16_t f32ToF16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u) // 65520, half way to the first power past the range
    return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude >= 0x38800000u) { // 2^-14, the smallest normal
    uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
    return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
  }
  if (magnitude <= 0x33000000u) // 2^-25: half of the smallest subnormal ties to zero
    return sign;
  uint32_t exponent = magnitude >> 23;
  uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  unsigned shift = 126u - exponent; // value = mantissa * 2^(exponent-150); the unit is 2^-24
  uint32_t kept = mantissa >> shift;
  uint32_t rest = mantissa & ((1u << shift) - 1u);
  uint32_t half = 1u << (shift - 1u);
  if (rest > half || (rest == half && (kept & 1u)))
    ++kept;
  return static_cast<uint16_t>(sign | kept);
}

/// Converts `count` elements. `source` may be misaligned and must not overlap `destination`. F64
/// rounds to nearest. Fails on types that isConvertibleFloat refuses.
Status convertToF32(DType dtype, const void *source, float *destination, size_t count);
/// The inverse, rounding to nearest, ties to even. `destination` may be misaligned.
Status convertFromF32(DType dtype, const float *source, void *destination, size_t count);

} // namespace ftc

#endif // FTC_SUPPORT_DTYPE_H
