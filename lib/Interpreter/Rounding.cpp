//===- Rounding.cpp - numbers as a dtype holds them -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Rounding.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/APFloat.h"

#include <cmath>
#include <cstring>

using namespace mlir;

/// A float as bf16 holds it. Adding half of the last place carries into the exponent where that is
/// right.
static float toBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

double ftc::ft::rounded(double value, FloatType type) {
  // The common case, fast: what a float holds already.
  if (auto single = static_cast<float>(value);
      type.isBF16() && single == value && std::isfinite(single))
    return toBf16(single);
  llvm::APFloat number(value);
  bool inexact = false;
  number.convert(type.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &inexact);
  return number.convertToDouble();
}

double ftc::ft::roundedAtRandom(double value, FloatType type, double dither) {
  if (value == 0 || !std::isfinite(value))
    return rounded(value, type);
  int precision = llvm::APFloat::semanticsPrecision(type.getFloatSemantics());
  return rounded(value + std::ldexp(dither, std::ilogb(value) + 1 - precision), type);
}

void ftc::ft::round(HostValue &value, Type type) {
  auto element = dyn_cast<FloatType>(getElementTypeOrSelf(type));
  if (!element || element.isF64())
    return;
  for (double &number : value.data)
    number = element.isF32() ? static_cast<double>(static_cast<float>(number))
                             : rounded(number, element);
}

bool ftc::ft::computesInSingle(Type type) {
  auto element = dyn_cast<FloatType>(getElementTypeOrSelf(type));
  return element && !element.isF64();
}
