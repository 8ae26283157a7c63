//===- Reference.h - what a run must be, and how closely --------*- C++ -*-===//
// A program interpreted exactly and, several times, rounded: the yardsticks of native execution.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_PIPELINES_REFERENCE_H
#define FTC_TEST_UNIT_PIPELINES_REFERENCE_H

#include "Experiment.h"
#include "ftc/Interpreter/Tolerance.h"

namespace ftc::test {

/// Goes through the same entry points as a program under test. Exact and rounded runs each carry
/// their own state on, so that errors of several steps add up in them as they do there.
class Reference {
public:
  /// `program` has entry points of ft and outlives this.
  Reference(Experiment &program, ft::State start, unsigned roundedRuns = 4);

  /// Yardsticks of what the entry point returns: the loss, the gradient norm.
  std::vector<ft::Yardstick> run(llvm::StringRef entry, const Data &data, const ftc_run &step);
  /// Yardsticks of all state as it is now, by symbol.
  std::map<std::string, ft::Yardstick> state() const;
  const ft::State &exact() const { return exactState; }

private:
  Experiment &program;
  ft::State exactState;
  std::vector<ft::State> roundedStates;
};

/// Expects that a tensor is within its allowance, and keeps the largest share of each `kind` to be
/// printed at the end.
void expectWithin(const char *kind, const std::string &what, const ft::Yardstick &yardstick,
                  llvm::ArrayRef<double> actual);
/// The same for every tensor of a state; both must have the same symbols.
void expectWithin(const char *kind, const std::map<std::string, ft::Yardstick> &yardsticks,
                  const ft::State &actual);

} // namespace ftc::test

#endif
