//===- Unicode.h - UTF-8 validity ------------------------------------------===//
// Lengths of well-formed UTF-8 sequences, shared by the readers of this room.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_SUPPORT_UNICODE_H
#define FTC_LIB_SUPPORT_UNICODE_H

#include <cstddef>
#include <string_view>

namespace ftc {

/// Bytes of the well-formed sequence at the start of `text` (Unicode 15, table 3-7: no overlong
/// forms, no surrogates, nothing above U+10FFFF); 0 when there is none.
inline size_t utf8SequenceLength(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  auto within = [&](size_t i, unsigned char low, unsigned char high) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  if (text.empty())
    return 0;
  unsigned char lead = byte(0);
  if (lead < 0x80)
    return 1;
  if (lead >= 0xc2 && lead <= 0xdf)
    return within(1, 0x80, 0xbf) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    unsigned char low = lead == 0xe0 ? 0xa0 : 0x80, high = lead == 0xed ? 0x9f : 0xbf;
    return within(1, low, high) && within(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    unsigned char low = lead == 0xf0 ? 0x90 : 0x80, high = lead == 0xf4 ? 0x8f : 0xbf;
    return within(1, low, high) && within(2, 0x80, 0xbf) && within(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

/// The offset of the first byte that is not part of a well-formed sequence; text.size() when all
/// are.
inline size_t firstInvalidUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    size_t length = utf8SequenceLength(text.substr(i, 4));
    if (length == 0)
      return i;
    i += length;
  }
  return i;
}

} // namespace ftc

#endif // FTC_LIB_SUPPORT_UNICODE_H
