//===- Hash.cpp - 128-bit content hashes -----------------------------------===//
// XXH3-128 with its header-only implementation confined to this file.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ftc {

namespace {

Hash128 canonical(XXH128_hash_t hash) {
  XXH128_canonical_t text;
  XXH128_canonicalFromHash(&text, hash);
  Hash128 result;
  for (size_t i = 0; i < result.bytes.size(); ++i)
    result.bytes[i] = text.digest[i];
  return result;
}

} // namespace

std::string Hash128::hex() const {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

Hash128 hash128(const void *data, size_t size) { return canonical(XXH3_128bits(data, size)); }

struct Hasher128::State {
  XXH3_state_t state;
};

Hasher128::Hasher128() : state(std::make_unique<State>()) { XXH3_128bits_reset(&state->state); }
Hasher128::~Hasher128() = default;
Hasher128::Hasher128(Hasher128 &&) noexcept = default;
Hasher128 &Hasher128::operator=(Hasher128 &&) noexcept = default;

void Hasher128::update(const void *data, size_t size) {
  if (size)
    XXH3_128bits_update(&state->state, data, size);
}

Hash128 Hasher128::finish() const { return canonical(XXH3_128bits_digest(&state->state)); }

} // namespace ftc
