//===- Coverage.h - which values have met -----------------------*- C++ -*-===//
// Pairs of values of two choices that some program had.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_RANDOM_COVERAGE_H
#define FTC_TEST_RANDOM_COVERAGE_H

#include "Program.h"

#include <map>
#include <set>

namespace ftc::test {

/// Counts pairs of values among those that are drawn (a size that was halved to fit is none, and
/// neither is the seed of the data). Some pairs cannot be: a rank without an adapter.
class Coverage {
public:
  /// Of the choices that programs for the target draw.
  explicit Coverage(bool onCuda = false) : onCuda(onCuda) {}
  void add(const Program &program);
  size_t pairs() const { return met.size(); }
  /// Pairs that there could be.
  size_t allPairs() const;
  /// `choice=value` of every value that no program had.
  std::vector<std::string> missing() const;

private:
  std::vector<int64_t> counted(const Choice &choice) const;

  using Value = std::pair<size_t, int64_t>; ///< the choice's row, and its value
  std::set<std::pair<Value, Value>> met;
  std::set<Value> seen;
  bool onCuda;
};

} // namespace ftc::test

#endif
