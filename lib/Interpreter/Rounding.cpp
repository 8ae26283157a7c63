//===- Rounding.cpp - numbers as a dtype holds them -----------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Rounding.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/APFloat.h"

using namespace mlir;

double ftc::ft::rounded(double value, FloatType type) {
  llvm::APFloat number(value);
  bool inexact = false;
  number.convert(type.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &inexact);
  return number.convertToDouble();
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
