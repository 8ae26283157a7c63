//===- Memory.h - pages of zeros -------------------------------------------===//
// RAII over anonymous mmap: arena, state and scratch of an instance.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_MEMORY_H
#define FTC_RUNTIME_MEMORY_H

#include <cstdint>
#include <optional>
#include <utility>

namespace ftc {

/// Zeroed memory at a page boundary. Empty when it has no bytes.
class Memory {
public:
  Memory() = default;
  /// Nothing when the system has none.
  static std::optional<Memory> allocate(uint64_t bytes);
  Memory(Memory &&other) noexcept { swap(other); }
  Memory &operator=(Memory &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Memory();

  unsigned char *data() const { return address; }
  uint64_t size() const { return length; }

private:
  void swap(Memory &other) {
    std::swap(address, other.address);
    std::swap(length, other.length);
  }

  unsigned char *address = nullptr;
  uint64_t length = 0;
};

} // namespace ftc

#endif // FTC_RUNTIME_MEMORY_H
