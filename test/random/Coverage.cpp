//===- Coverage.cpp - which values have met -------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Coverage.h"

#include "llvm/ADT/STLExtras.h"

using namespace ftc::test;

/// The values of a choice, where there is more than one.
std::vector<int64_t> Coverage::counted(const Choice &choice) const {
  std::vector<int64_t> values = drawn(choice, onCuda);
  return values.size() > 1 ? values : std::vector<int64_t>();
}

void Coverage::add(const Program &program) {
  std::vector<Value> values;
  for (auto [row, choice] : llvm::enumerate(choices()))
    if (llvm::is_contained(counted(choice), program.*choice.member))
      values.push_back({row, program.*choice.member});
  for (size_t i = 0; i < values.size(); ++i) {
    seen.insert(values[i]);
    for (size_t j = i + 1; j < values.size(); ++j)
      met.insert({values[i], values[j]});
  }
}

size_t Coverage::allPairs() const {
  size_t total = 0, before = 0;
  for (const Choice &choice : choices()) {
    size_t count = counted(choice).size();
    total += before * count;
    before += count;
  }
  return total;
}

std::vector<std::string> Coverage::missing() const {
  std::vector<std::string> names;
  for (auto [row, choice] : llvm::enumerate(choices())) {
    for (int64_t value : counted(choice))
      if (!seen.count({row, value}))
        names.push_back(std::string(choice.name) + "=" + textOf(choice, value));
  }
  return names;
}
