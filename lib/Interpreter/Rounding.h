//===- Rounding.h - numbers as a dtype holds them ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_INTERPRETER_ROUNDING_H
#define FTC_LIB_INTERPRETER_ROUNDING_H

#include "dialects/FT/IR/FT.h"

namespace ftc::ft {

/// `value` as an element of `type` would hold it: to nearest, ties to even.
double rounded(double value, mlir::FloatType type);

/// `value` as an element of `type` may hold it in another program, which kept other numbers before
/// it unrounded: one of the two neighbours, the more likely the nearer it is. `dither` is uniform
/// in
/// [-1/2, 1/2). What the type holds exactly stays.
double roundedAtRandom(double value, mlir::FloatType type, double dither);

/// Every element as the element type of `type` would hold it; integers and f64 stay.
void round(HostValue &value, mlir::Type type);

/// Whether a rounded evaluation computes a value of `type` in f32: all floats but f64.
bool computesInSingle(mlir::Type type);

} // namespace ftc::ft

#endif
