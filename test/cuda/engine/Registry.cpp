//===- Registry.cpp - the device memory that kernels may touch -------------===//
// Changed by the host between launches, read by kernels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Registry.h"

#include <mutex>

namespace ftc_on_cpu {

Registry &Registry::instance() {
  // Never destroyed: buffers in static storage are unregistered after it would be.
  static Registry *registry = new Registry;
  return *registry;
}

void Registry::add(uintptr_t begin, size_t bytes, const char *name) {
  std::unique_lock<std::shared_mutex> lock(mutex);
  byBegin[begin] = {{begin, bytes}, name ? name : "device memory"};
  ++changes;
}

void Registry::remove(uintptr_t begin) {
  std::unique_lock<std::shared_mutex> lock(mutex);
  byBegin.erase(begin);
  ++changes;
}

bool Registry::isEmpty() const {
  std::shared_lock<std::shared_mutex> lock(mutex);
  return byBegin.empty();
}

bool Registry::find(uintptr_t address, size_t bytes, Span &found) const {
  std::shared_lock<std::shared_mutex> lock(mutex);
  auto after = byBegin.upper_bound(address);
  if (after == byBegin.begin())
    return false;
  const Range &range = std::prev(after)->second;
  if (!range.contains(address, bytes))
    return false;
  found = range;
  return true;
}

Registry::Range Registry::rangeOf(uintptr_t address) const {
  std::shared_lock<std::shared_mutex> lock(mutex);
  auto after = byBegin.upper_bound(address);
  if (after != byBegin.begin() && std::prev(after)->second.contains(address, 1))
    return std::prev(after)->second;
  return {{0, SIZE_MAX}, "memory"};
}

std::string Registry::describe(uintptr_t address) const {
  std::shared_lock<std::shared_mutex> lock(mutex);
  if (address < 4096)
    return "address " + std::to_string(address) + ", a null pointer with an offset";
  auto after = byBegin.upper_bound(address);
  std::string text = "outside the registered memory";
  size_t nearest = SIZE_MAX;
  if (after != byBegin.begin()) {
    const Range &range = std::prev(after)->second;
    size_t offset = address - range.begin;
    if (offset < range.bytes)
      return "byte " + std::to_string(offset) + " of `" + range.name + "` (" +
             std::to_string(range.bytes) + " bytes)";
    nearest = offset - range.bytes;
    text = std::to_string(nearest) + " bytes past the end of `" + range.name + "` (" +
           std::to_string(range.bytes) + " bytes)";
  }
  if (after != byBegin.end() && after->first - address < nearest)
    text = std::to_string(after->first - address) + " bytes before `" + after->second.name + "` (" +
           std::to_string(after->second.bytes) + " bytes)";
  return text;
}

std::vector<Registry::Range> Registry::ranges() const {
  std::shared_lock<std::shared_mutex> lock(mutex);
  std::vector<Range> all;
  for (const auto &entry : byBegin)
    all.push_back(entry.second);
  return all;
}

} // namespace ftc_on_cpu
