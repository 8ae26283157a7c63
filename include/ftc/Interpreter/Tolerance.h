//===- Tolerance.h - how far from exact is right ----------------*- C++ -*-===//
// Errors measured against those of a plain program of the same precision.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_INTERPRETER_TOLERANCE_H
#define FTC_INTERPRETER_TOLERANCE_H

#include "llvm/ADT/ArrayRef.h"

#include <string>
#include <vector>

namespace ftc::ft {

/// The distance from 1 to the next number of f32.
inline constexpr double kUlpF32 = 0x1p-23;

/// Judges one tensor of a program under test, F, by what it is in exact arithmetic, R, and what
/// plain programs of the same precision make of it, E_1 to E_n: rounded evaluations with sums in
/// different orders, at least four. No constant belongs to a kernel: where plain programs are off,
/// because the problem is badly conditioned, F may be off as much; where they are not, F must not.
///
/// With rms(X) the root of the mean square, u the ulp of the dtype at 1 and L the terms of the
/// longest sum in the program, F is right when
///
///   rms(F - R)        <= max(2 max_i rms(E_i - R),        4 u sqrt(L) rms(R))
///   max|F - R|        <= max(8 max_i max|E_i - R|,       16 u sqrt(L) rms(R))
///   |rms(F)/rms(R)-1| <= max(2 max_i |rms(E_i)/rms(R)-1|, 4 u sqrt(L))
///   rms(R) = 0 or F is not zero throughout, unless some E_i is, or R is zero but for the rounding
///   of doubles: below a millionth of max_i rms(E_i - R)
///
/// and has the size of R and no number that is not finite. Where errors have one cause, as in a
/// badly conditioned scalar, four runs are four draws, and a right F is refused about once in 25
/// times; a test over many programs judges again with 32 runs, which makes that once in 10^4. The
/// second terms are floors: rounded runs may agree with R by chance. The third line is for a scale
/// that is off by a little everywhere.
class Yardstick {
public:
  /// `rounded` has at least four runs of the size of `exact`.
  Yardstick(std::vector<double> exact, llvm::ArrayRef<std::vector<double>> rounded,
            int64_t longestReduction, double ulp = kUlpF32);

  /// What is wrong with F, in one line with figures; empty when it is right.
  std::string judge(llvm::ArrayRef<double> actual) const;

  /// The largest share of its allowance that any of F's errors takes: at most 1 when it is right.
  double used(llvm::ArrayRef<double> actual) const;

  const std::vector<double> &exact() const { return reference; }

private:
  struct Errors {
    double rms, largest, ratio;
  };
  Errors errorsOf(llvm::ArrayRef<double> values) const;

  std::vector<double> reference;
  double size; ///< rms(R)
  Errors allowed;
  bool mayVanish;
};

} // namespace ftc::ft

#endif
