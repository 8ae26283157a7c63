//===- Pattern.h - Python's regular expressions over names -----------------===//
// What PEFT and users write over module paths, matched in linear time, without exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_FRONTEND_PATTERN_H
#define FTC_FRONTEND_PATTERN_H

#include "ftc/Support/Error.h"

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ftc {

/// A regular expression in the syntax of Python's `re`, for ASCII names: literals, `.`, classes,
/// `\d
/// \s \w \D \S \W`, groups (capturing, `(?:`, `(?P<name>`), `|`, greedy and lazy `* + ? {m} {m,}
/// {,n} {m,n}`, `^ $ \A \Z \b \B`, lookahead `(?=` and `(?!`, comments `(?#`. Refused with a
/// message: back references, lookbehind, inline flags, conditionals, atomic groups and possessive
/// quantifiers.
///
/// Whether a name matches does not depend on which alternative or how many repetitions are tried
/// first, so matching walks the set of all states at once (Thompson, CACM 11(6), 1968): time is
/// |name| x |pattern| for each lookahead, and no pattern can hang or overflow the stack.
class Pattern {
public:
  /// `where` is the place of the pattern for messages.
  static Result<Pattern> compile(std::string_view text, std::string_view where);

  /// `re.fullmatch(text, name) is not None`
  bool fullMatch(std::string_view name) const;
  /// `re.search(text, name) is not None`
  bool search(std::string_view name) const;

  const std::string &text() const { return source; }

private:
  friend class PatternCompiler;
  friend class PatternMatcher;

  enum class Op : uint8_t {
    Set,      ///< one character of sets[x]
    Split,    ///< go on at x and at y
    Jump,     ///< go on at x
    Begin,    ///< at the first character
    End,      ///< behind the last character
    LineEnd,  ///< behind the last character, or before a newline that is the last
    Boundary, ///< between a word character and another
    NotBoundary,
    Ahead,    ///< what starts at x (and ends with Match) must match here; go on at y
    NotAhead, ///< ... must not match here
    Match
  };
  struct Instruction {
    Op op;
    uint32_t x = 0;
    uint32_t y = 0;
  };

  std::string source;
  std::vector<Instruction> program;
  std::vector<std::bitset<256>> sets;
};

} // namespace ftc

#endif // FTC_FRONTEND_PATTERN_H
