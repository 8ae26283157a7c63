//===- Crc32c.cpp - cyclic redundancy checks of byte ranges ----------------===//
// By the CPU's instruction where it has one, by tables of eight bytes otherwise.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Crc32c.h"

#include <array>
#include <cstring>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace ftc {

namespace {

/// x^32 + x^28 + x^27 + ... + 1, bits reversed.
constexpr uint32_t polynomial = 0x82f63b78;

/// table[n][b]: what byte b does to the remainder when n bytes follow it.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables makeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit)
      remainder = (remainder >> 1) ^ (remainder & 1 ? polynomial : 0);
    tables[0][byte] = remainder;
  }
  for (size_t n = 1; n < tables.size(); ++n)
    for (size_t byte = 0; byte < 256; ++byte)
      tables[n][byte] = (tables[n - 1][byte] >> 8) ^ tables[0][tables[n - 1][byte] & 255];
  return tables;
}

constexpr Tables tables = makeTables();

#ifdef __x86_64__
__attribute__((target("sse4.2"))) uint32_t byInstruction(const void *data, size_t size,
                                                         uint32_t seed) {
  const unsigned char *next = static_cast<const unsigned char *>(data);
  uint64_t remainder = ~seed;
  for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t), next += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, next, sizeof word);
    remainder = _mm_crc32_u64(remainder, word);
  }
  uint32_t last = static_cast<uint32_t>(remainder);
  for (; size > 0; --size)
    last = _mm_crc32_u8(last, *next++);
  return ~last;
}
#endif

} // namespace

uint32_t crc32cByTables(const void *data, size_t size, uint32_t seed) {
  const unsigned char *next = static_cast<const unsigned char *>(data);
  uint32_t remainder = ~seed;
  for (; size >= 8; size -= 8, next += 8) {
    uint32_t low = remainder ^ (next[0] | uint32_t{next[1]} << 8 | uint32_t{next[2]} << 16 |
                                uint32_t{next[3]} << 24);
    remainder = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
                tables[4][low >> 24] ^ tables[3][next[4]] ^ tables[2][next[5]] ^
                tables[1][next[6]] ^ tables[0][next[7]];
  }
  for (; size > 0; --size)
    remainder = (remainder >> 8) ^ tables[0][(remainder ^ *next++) & 255];
  return ~remainder;
}

uint32_t crc32c(const void *data, size_t size, uint32_t seed) {
#ifdef __x86_64__
  static const bool hasInstruction = __builtin_cpu_supports("sse4.2") != 0;
  if (hasInstruction)
    return byInstruction(data, size, seed);
#endif
  return crc32cByTables(data, size, seed);
}

} // namespace ftc
