//===- Registry.h - the device memory that kernels may touch ---------------===//
// Ranges sorted by address, with names for messages.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_ENGINE_REGISTRY_H
#define FTC_TEST_CUDA_ENGINE_REGISTRY_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <shared_mutex>
#include <string>
#include <vector>

namespace ftc_on_cpu {

class Registry {
public:
  struct Span {
    uintptr_t begin = 0;
    size_t bytes = 0;

    bool contains(uintptr_t address, size_t count) const {
      return address >= begin && address - begin <= bytes && count <= bytes - (address - begin);
    }
  };
  struct Range : Span {
    std::string name;
  };

  void add(uintptr_t begin, size_t bytes, const char *name);
  void remove(uintptr_t begin);

  bool isEmpty() const;
  /// The range with these bytes; false where there is none.
  bool find(uintptr_t address, size_t bytes, Span &found) const;
  /// The range with this byte, or a nameless one that is everything.
  Range rangeOf(uintptr_t address) const;
  /// Where an address is, in words: "8 bytes past the end of `name` (64 bytes)".
  std::string describe(uintptr_t address) const;
  std::vector<Range> ranges() const;

  /// Changes with every change of the ranges.
  uint64_t generation() const { return changes.load(std::memory_order_acquire); }

  static Registry &instance();

private:
  mutable std::shared_mutex mutex;
  std::map<uintptr_t, Range> byBegin;
  std::atomic<uint64_t> changes{1};
};

} // namespace ftc_on_cpu

#endif // FTC_TEST_CUDA_ENGINE_REGISTRY_H
