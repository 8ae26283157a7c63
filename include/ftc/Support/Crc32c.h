//===- Crc32c.h - cyclic redundancy checks of byte ranges ------------------===//
// CRC32C (Castagnoli), as in RFC 3720: damage of files, not cryptography.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_CRC32C_H
#define FTC_SUPPORT_CRC32C_H

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ftc {

/// CRC32C of bytes (RFC 3720, B.4). `seed` is the CRC of the bytes before them, so that pieces give
/// what the whole gives: crc32c(b, crc32c(a)) == crc32c(ab).
uint32_t crc32c(const void *data, size_t size, uint32_t seed = 0);
inline uint32_t crc32c(std::string_view text, uint32_t seed = 0) {
  return crc32c(text.data(), text.size(), seed);
}

/// The same by tables alone, whatever instructions the CPU has.
uint32_t crc32cByTables(const void *data, size_t size, uint32_t seed = 0);

} // namespace ftc

#endif // FTC_SUPPORT_CRC32C_H
