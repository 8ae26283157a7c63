//===- OutcomeDifference.h - what two runs do not share ---------*- C++ -*-===//
// The first value that differs, and the first op on the way to it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_PIPELINES_OUTCOMEDIFFERENCE_H
#define FTC_LIB_PIPELINES_OUTCOMEDIFFERENCE_H

#include "Evaluation.h"

namespace ftc {

/// A difference as a sentence, and the functions of both modules that show it.
struct Difference {
  std::string what; ///< empty: none
  std::string before, after;
  bool traceable = false; ///< both are functions of ft that were run
};

/// The first value of `before` that `after` lacks or has otherwise; losses and results come first.
Difference firstDifference(const Outcome &before, const Outcome &after);

/// Where two runs part.
struct FirstSite {
  std::string text; ///< "; first at SITE (OP in @F): element I was A and is B", or empty
  mlir::Operation *op = nullptr; ///< of the later run
};

/// The first op of the earlier run, in its order, whose match in the later run gives something
/// else. An op's match has the same name, site and shapes; where several have, one that gives the
/// same, else the one of the same ordinal. Ops without a match are passed over.
FirstSite firstSite(const std::vector<TraceRow> &before, const std::vector<TraceRow> &after);

/// A number with ten digits.
std::string shortText(double value);

} // namespace ftc

#endif
