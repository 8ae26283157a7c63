//===- Hash.h - 128-bit content hashes -------------------------------------===//
// XXH3-128 of byte ranges: identity of configs and packages, not cryptography.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_HASH_H
#define FTC_SUPPORT_HASH_H

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ftc {

/// XXH3-128 with seed 0 in canonical (big-endian) byte order, as `xxhsum -H2` prints it.
struct Hash128 {
  std::array<uint8_t, 16> bytes{};

  /// 32 lower-case hexadecimal digits.
  std::string hex() const;
  bool operator==(const Hash128 &other) const { return bytes == other.bytes; }
  bool operator!=(const Hash128 &other) const { return bytes != other.bytes; }
  bool operator<(const Hash128 &other) const { return bytes < other.bytes; }
};

Hash128 hash128(const void *data, size_t size);
inline Hash128 hash128(std::string_view text) { return hash128(text.data(), text.size()); }

/// The same hash over pieces.
class Hasher128 {
public:
  Hasher128();
  ~Hasher128();
  Hasher128(Hasher128 &&) noexcept;
  Hasher128 &operator=(Hasher128 &&) noexcept;

  void update(const void *data, size_t size);
  void update(std::string_view text) { update(text.data(), text.size()); }
  Hash128 finish() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace ftc

#endif // FTC_SUPPORT_HASH_H
