//===- PatternCompiler.cpp - parsing of regular expressions ----------------===//
// Python's syntax into the program that Pattern.cpp walks.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Frontend/Pattern.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <tuple>

namespace ftc {

/// Recursive descent. Every part of the pattern becomes a fragment whose addresses count from its
/// own start, so that a counted repetition is a copy.
class PatternCompiler {
public:
  PatternCompiler(std::string_view text, std::string_view where) : text(text), where(where) {}

  Result<Pattern> compile() {
    Fragment body;
    if (text.size() > kMaxText)
      fail(0, "is longer than " + std::to_string(kMaxText) + " characters");
    else if (parseAlternatives(body, 0) && at < text.size())
      fail(at, "has a ')' that no '(' opens");
    if (failure)
      return std::move(*failure);
    append(body, {{Op::Match}});
    pattern.source = std::string(text);
    pattern.program = std::move(body);
    return std::move(pattern);
  }

private:
  using Op = Pattern::Op;
  using Fragment = std::vector<Pattern::Instruction>;
  using Set = std::bitset<256>;

  static constexpr size_t kMaxText = 4096;
  static constexpr size_t kMaxProgram = 8192;
  static constexpr unsigned kMaxDepth = 64;
  static constexpr unsigned kUnlimited = ~0u;

  /// Records the first failure at a character of the pattern; always false.
  bool fail(size_t index, const std::string &what) {
    if (!failure)
      failure =
          makeError(std::string(where), "the regular expression " + quoted(text) + ' ' + what +
                                            " (at character " + std::to_string(index + 1) + ")");
    return false;
  }

  bool atEnd() const { return at == text.size(); }
  bool peek(char c) const { return at < text.size() && text[at] == c; }
  bool take(char c) { return peek(c) && ++at; }
  bool take(std::string_view word) {
    if (text.substr(at, word.size()) != word)
      return false;
    at += word.size();
    return true;
  }

  void append(Fragment &to, const Fragment &from) {
    uint32_t base = static_cast<uint32_t>(to.size());
    for (Pattern::Instruction step : from) {
      if (step.op == Op::Split || step.op == Op::Jump || step.op == Op::Ahead ||
          step.op == Op::NotAhead) {
        step.x += base;
        step.y += base;
      }
      to.push_back(step);
    }
  }

  static uint32_t size(const Fragment &fragment) { return static_cast<uint32_t>(fragment.size()); }

  bool parseAlternatives(Fragment &out, unsigned depth) {
    if (depth > kMaxDepth)
      return fail(at, "nests deeper than " + std::to_string(kMaxDepth) + " groups");
    std::vector<Fragment> alternatives;
    size_t total = 0;
    do {
      alternatives.emplace_back();
      if (!parseSequence(alternatives.back(), depth))
        return false;
      total += alternatives.back().size() + 2;
      if (total > kMaxProgram)
        return fail(at, "is too large");
    } while (take('|'));
    // Split(a, rest) a Jump(end) Split(b, rest) b Jump(end) ... z
    Fragment joined = std::move(alternatives.back());
    for (size_t i = alternatives.size() - 1; i-- > 0;) {
      uint32_t length = size(alternatives[i]);
      Fragment both = {{Op::Split, 1, length + 2}};
      append(both, alternatives[i]);
      both.push_back({Op::Jump, length + 2 + size(joined)});
      append(both, joined);
      joined = std::move(both);
    }
    out = std::move(joined);
    return true;
  }

  bool parseSequence(Fragment &out, unsigned depth) {
    while (!atEnd() && !peek('|') && !peek(')')) {
      Fragment atom;
      bool repeatable = true;
      if (!parseAtom(atom, repeatable, depth) || !parseRepetition(atom, repeatable))
        return false;
      append(out, atom);
      if (out.size() > kMaxProgram)
        return fail(at, "is too large");
    }
    return true;
  }

  //===-- Repetition ------------------------------------------------------===//

  /// `{m}`, `{m,}`, `{,n}`, `{m,n}` at the cursor; anything else in braces is literal text.
  std::optional<std::pair<unsigned, unsigned>> takeCounts() {
    size_t start = at;
    auto number = [&](unsigned absent) {
      uint64_t value = 0;
      size_t first = at;
      for (; !atEnd() && std::isdigit(static_cast<unsigned char>(text[at])); ++at)
        value = std::min<uint64_t>(value * 10 + static_cast<unsigned>(text[at] - '0'), kMaxProgram);
      return at == first ? absent : static_cast<unsigned>(value);
    };
    if (take('{') && !peek('}')) {
      unsigned low = number(0);
      unsigned high = take(',') ? number(kUnlimited) : low;
      if (take('}'))
        return std::make_pair(low, high);
    }
    at = start;
    return std::nullopt;
  }

  bool parseRepetition(Fragment &atom, bool repeatable) {
    size_t start = at;
    unsigned low = 0, high = 0;
    if (take('*'))
      high = kUnlimited;
    else if (take('+'))
      low = 1, high = kUnlimited;
    else if (take('?'))
      high = 1;
    else if (auto counts = takeCounts())
      std::tie(low, high) = *counts;
    else
      return true;
    if (!repeatable)
      return fail(start, "has nothing to repeat");
    if (low > high)
      return fail(start, "repeats at least " + std::to_string(low) + " and at most " +
                             std::to_string(high) + " times");
    if (take('+'))
      return fail(start, "has a possessive quantifier, which is not supported");
    take('?'); // lazy: the same set of matches
    size_t after = at;
    if (peek('*') || peek('+') || peek('?') || takeCounts())
      return fail(after, "has a quantifier behind a quantifier; put the inner one in parentheses");
    return repeat(atom, low, high, start);
  }

  bool repeat(Fragment &atom, unsigned low, unsigned high, size_t start) {
    size_t copies = high == kUnlimited ? low + size_t{1} : high;
    if (copies * (atom.size() + 2) > kMaxProgram)
      return fail(start, "is too large");
    Fragment out;
    for (unsigned i = 0; i < low; ++i)
      append(out, atom);
    uint32_t length = size(atom);
    if (high == kUnlimited) { // Split(atom, end) atom Jump(start)
      Fragment loop = {{Op::Split, 1, length + 2}};
      append(loop, atom);
      loop.push_back({Op::Jump, 0});
      append(out, loop);
    } else { // Split(atom, end) atom, again and again: each copy may end the repetition
      for (unsigned i = low; i < high; ++i) {
        Fragment once = {{Op::Split, 1, length + 1}};
        append(once, atom);
        append(out, once);
      }
    }
    atom = std::move(out);
    return true;
  }

  //===-- Atoms -----------------------------------------------------------===//

  Fragment one(const Set &set) {
    auto found = std::find(pattern.sets.begin(), pattern.sets.end(), set);
    uint32_t index = static_cast<uint32_t>(found - pattern.sets.begin());
    if (found == pattern.sets.end())
      pattern.sets.push_back(set);
    return {{Op::Set, index}};
  }
  Fragment literal(char c) {
    Set set;
    set.set(static_cast<uint8_t>(c));
    return one(set);
  }

  bool parseAtom(Fragment &atom, bool &repeatable, unsigned depth) {
    size_t start = at;
    char c = text[at++];
    if (static_cast<unsigned char>(c) >= 128)
      return fail(start, "has a character that is not ASCII, as names never have");
    auto anchor = [&](Op op) {
      repeatable = false;
      atom = {{op}};
      return true;
    };
    switch (c) {
    case '(':
      return parseGroup(atom, repeatable, depth, start);
    case '[':
      return parseClass(atom, start);
    case '.': {
      Set set;
      set.set();
      set.reset('\n');
      atom = one(set);
      return true;
    }
    case '^':
      return anchor(Op::Begin);
    case '$':
      return anchor(Op::LineEnd);
    case '*':
    case '+':
    case '?':
      return fail(start, "has nothing to repeat");
    case '{':
      at = start;
      if (takeCounts())
        return fail(start, "has nothing to repeat");
      ++at;
      break;
    case '\\':
      if (take('A'))
        return anchor(Op::Begin);
      if (take('Z'))
        return anchor(Op::End);
      if (take('b'))
        return anchor(Op::Boundary);
      if (take('B'))
        return anchor(Op::NotBoundary);
      Set set;
      if (!parseEscape(set, start, /*inClass=*/false))
        return false;
      atom = one(set);
      return true;
    }
    atom = literal(c);
    return true;
  }

  bool parseGroup(Fragment &atom, bool &repeatable, unsigned depth, size_t start) {
    bool ahead = false, negated = false;
    if (take('?')) {
      if (take("P<")) {
        size_t name = at;
        while (!atEnd() && (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_'))
          ++at;
        if (at == name || std::isdigit(static_cast<unsigned char>(text[name])) || !take('>'))
          return fail(name, "has a group name that is no identifier");
        if (!groups.insert(text.substr(name, at - 1 - name)).second)
          return fail(name, "names two groups alike");
      } else if (take('#')) {
        while (!atEnd() && text[at] != ')')
          ++at;
        repeatable = false;
        return take(')') || fail(start, "has a comment without an end");
      } else if (take('=')) {
        ahead = true;
      } else if (take('!')) {
        ahead = negated = true;
      } else if (take("<=") || take("<!")) {
        return fail(start, "has a lookbehind, which is not supported");
      } else if (take("P=") || take("P>")) {
        return fail(start, "has a back reference, which is not supported");
      } else if (take('>') || take('(')) {
        return fail(start, "has an atomic or conditional group, which is not supported");
      } else if (!take(':')) {
        return fail(start,
                    "has inline flags, which are not supported; write (?:...), (?P<name>...), "
                    "(?=...) or (?!...)");
      }
    }
    Fragment body;
    if (!parseAlternatives(body, depth + 1))
      return false;
    if (!take(')'))
      return fail(start, "has a '(' that no ')' closes");
    if (!ahead) {
      atom = std::move(body);
      return true;
    }
    atom = {{negated ? Op::NotAhead : Op::Ahead, 1, size(body) + 2}};
    append(atom, body);
    atom.push_back({Op::Match});
    return true;
  }

  /// The class of `\d`, `\s`, `\w` over ASCII.
  static Set classOf(char letter) {
    Set set;
    for (int c = 0; c < 128; ++c) {
      bool in = letter == 'd'   ? std::isdigit(c) != 0
                : letter == 's' ? std::isspace(c) != 0
                                : std::isalnum(c) || c == '_';
      if (in)
        set.set(static_cast<size_t>(c));
    }
    return set;
  }

  /// Behind a backslash: a class, or one character.
  bool parseEscape(Set &set, size_t start, bool inClass) {
    if (atEnd())
      return fail(start, "ends in a backslash");
    char c = text[at++];
    static constexpr std::string_view letters = "abfnrtv", values = "\a\b\f\n\r\t\v";
    if (c == 'd' || c == 's' || c == 'w') {
      set = classOf(c);
    } else if (c == 'D' || c == 'S' || c == 'W') {
      set = ~classOf(static_cast<char>(std::tolower(c)));
    } else if (size_t index = letters.find(c); index != letters.npos) {
      set.set(static_cast<uint8_t>(values[index]));
    } else if (c == 'x') {
      unsigned value = 0;
      for (int digit = 0; digit < 2; ++digit, ++at) {
        if (atEnd() || !std::isxdigit(static_cast<unsigned char>(text[at])))
          return fail(start, "has an incomplete escape; write two hexadecimal digits");
        int lower = std::tolower(text[at]);
        value = value * 16 + static_cast<unsigned>(lower <= '9' ? lower - '0' : lower - 'a' + 10);
      }
      set.set(value);
    } else if (c >= '1' && c <= '9' && !inClass) {
      return fail(start, "has a back reference, which is not supported");
    } else if (std::isalnum(static_cast<unsigned char>(c))) {
      return fail(start, std::string("has the unknown escape \\") + c);
    } else {
      set.set(static_cast<uint8_t>(c));
    }
    return true;
  }

  /// One member of a class: a character (then `single`), or a class within the class.
  bool parseMember(Set &set, int &single) {
    size_t start = at;
    char c = text[at++];
    single = static_cast<uint8_t>(c);
    if (single >= 128)
      return fail(start, "has a character that is not ASCII, as names never have");
    if (c != '\\') {
      set.set(static_cast<size_t>(single));
      return true;
    }
    if (!parseEscape(set, start, /*inClass=*/true))
      return false;
    single = -1;
    if (set.count() == 1)
      for (int value = 0; value < 256; ++value)
        if (set[static_cast<size_t>(value)])
          single = value;
    return true;
  }

  bool parseClass(Fragment &atom, size_t start) {
    Set all;
    bool negated = take('^');
    for (bool first = true; first || !peek(']'); first = false) {
      if (atEnd())
        return fail(start, "has a '[' that no ']' closes");
      Set low;
      int from = 0, to = 0;
      size_t member = at;
      if (!parseMember(low, from))
        return false;
      if (peek('-') && at + 1 < text.size() && text[at + 1] != ']') {
        ++at;
        Set high;
        if (!parseMember(high, to))
          return false;
        if (from < 0 || to < 0 || from > to)
          return fail(member, "has a bad range of characters");
        for (int value = from; value <= to; ++value)
          low.set(static_cast<size_t>(value));
      }
      all |= low;
    }
    ++at;
    atom = one(negated ? ~all : all);
    return true;
  }

  std::string_view text, where;
  size_t at = 0;
  Pattern pattern;
  std::set<std::string_view> groups;
  std::optional<Error> failure;
};

Result<Pattern> Pattern::compile(std::string_view text, std::string_view where) {
  return PatternCompiler(text, where).compile();
}

} // namespace ftc
