//===- SourceText.h - checks and positions common to text formats ----------===//
// What JSON and YAML refuse before parsing, and offsets into lines and columns.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_SUPPORT_SOURCETEXT_H
#define FTC_LIB_SUPPORT_SOURCETEXT_H

#include "ftc/Support/Json.h"

namespace ftc::json {

/// Offsets into positions. Asked in rising order it walks the text once.
class PositionFinder {
public:
  explicit PositionFinder(std::string_view text) : text(text) {}
  /// The position of the character that holds the byte at `offset`.
  Position at(size_t offset);

private:
  std::string_view text;
  size_t reached = 0;
  Position position{1, 1};
};

Error errorAt(std::string_view text, std::string_view file, size_t offset, std::string message);

/// Refuses texts over the limit, byte order marks, invalid UTF-8 and NUL bytes.
Status checkText(std::string_view text, std::string_view file, const ParseOptions &options);

} // namespace ftc::json

#endif // FTC_LIB_SUPPORT_SOURCETEXT_H
