//===- Mutants.h - faults that can be switched on ---------------*- C++ -*-===//
// Mistakes planted for the tests to find; in a build with FTC_MUTANTS only.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_MUTANTS_H
#define FTC_MUTANTS_H

/// `right`; in a build configured with -DFTC_MUTANTS=ON, `wrong` where the environment variable
/// FTC_MUTANT is `name`. Only the one that is chosen is evaluated; both are compiled in every
/// build, so that none rots. Each name stands in test/mutants/mutants.json with the check that must
/// find the fault (docs/mutants.md).
#ifdef FTC_MUTANTS

#include <cstdlib>
#include <string_view>

namespace ftc {
inline bool isMutant(std::string_view name) {
  static const char *const chosen = std::getenv("FTC_MUTANT");
  return chosen && name == chosen;
}
} // namespace ftc

#define FTC_MUTATE(name, right, wrong) (::ftc::isMutant(name) ? (wrong) : (right))
#else
#define FTC_MUTATE(name, right, wrong) (false ? (wrong) : (right))
#endif

#endif
