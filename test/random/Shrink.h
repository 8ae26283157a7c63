//===- Shrink.h - the simplest program that still fails ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_RANDOM_SHRINK_H
#define FTC_TEST_RANDOM_SHRINK_H

#include "Program.h"

#include <functional>

namespace ftc::test {

/// Moves choices towards their simplest values, one at a time, as long as `fails` holds: at once,
/// else by half, else by one step; words to each simpler one. Ends when no choice can be made
/// simpler or `mayGoOn` says no. `fails(program)` must hold.
Program shrink(Program program, const std::function<bool(const Program &)> &fails,
               const std::function<bool()> &mayGoOn);

} // namespace ftc::test

#endif
