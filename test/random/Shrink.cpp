//===- Shrink.cpp - the simplest program that still fails -----------------===//
// Greedy, by the table of choices alone.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Shrink.h"

using namespace ftc::test;

/// Simpler values, the simplest first.
static std::vector<int64_t> simpler(const Choice &choice, int64_t value) {
  const Program simplest;
  int64_t goal = simplest.*choice.member;
  std::vector<int64_t> values;
  if (!choice.words.empty()) {
    for (int64_t word = goal; word < value; ++word)
      values.push_back(word);
    return values;
  }
  if (value == goal)
    return values;
  values = {goal, goal + (value - goal) / 2, value > goal ? value - 1 : value + 1};
  return values;
}

Program ftc::test::shrink(Program program, const std::function<bool(const Program &)> &fails,
                          const std::function<bool()> &mayGoOn) {
  for (bool changed = true; changed;) {
    changed = false;
    for (const Choice &choice : choices()) {
      if (choice.when == Drawn::never)
        continue;
      for (int64_t value : simpler(choice, program.*choice.member)) {
        if (!mayGoOn())
          return program;
        Program candidate = program;
        candidate.*choice.member = value;
        makeValid(candidate);
        // Making it valid may undo the change, or make another choice less simple.
        if (weight(candidate) >= weight(program) || !fails(candidate))
          continue;
        program = candidate;
        changed = true;
        break;
      }
    }
  }
  return program;
}
