//===- Pattern.cpp - matching of regular expressions -----------------------===//
// Walks the set of all states over a name, one character at a time.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Frontend/Pattern.h"

#include <cctype>

namespace ftc {

/// One name against one program. Lookaheads are answered once for each place.
class PatternMatcher {
public:
  PatternMatcher(const Pattern &pattern, std::string_view name)
      : program(pattern.program), sets(pattern.sets), name(name) {}

  /// True when the program from `start` matches name[from...], up to the end of the name if
  /// `whole`.
  bool run(uint32_t start, size_t from, bool whole) {
    std::vector<uint32_t> states, next;
    std::vector<bool> seen(program.size());
    for (size_t at = from;; ++at) {
      // `next` holds what consuming name[at - 1] led to; the closure adds what needs no character.
      if (at == from)
        next.assign(1, start);
      seen.assign(program.size(), false);
      states.clear();
      bool matched = false;
      while (!next.empty()) {
        uint32_t pc = next.back();
        next.pop_back();
        if (seen[pc])
          continue;
        seen[pc] = true;
        const Pattern::Instruction &step = program[pc];
        switch (step.op) {
        case Pattern::Op::Set:
          states.push_back(pc);
          break;
        case Pattern::Op::Split:
          next.push_back(step.x);
          next.push_back(step.y);
          break;
        case Pattern::Op::Jump:
          next.push_back(step.x);
          break;
        case Pattern::Op::Match:
          matched |= !whole || at == name.size();
          break;
        case Pattern::Op::Ahead:
        case Pattern::Op::NotAhead:
          if (looksAhead(pc, at) == (step.op == Pattern::Op::Ahead))
            next.push_back(step.y);
          break;
        default:
          if (holds(step.op, at))
            next.push_back(pc + 1);
          break;
        }
      }
      if (matched)
        return true;
      if (at == name.size() || states.empty())
        return false;
      for (uint32_t pc : states)
        if (sets[program[pc].x][static_cast<uint8_t>(name[at])])
          next.push_back(pc + 1);
    }
  }

private:
  enum Answer : uint8_t { Unknown, No, Yes };

  bool looksAhead(uint32_t pc, size_t at) {
    if (looked.empty())
      looked.resize(program.size() * (name.size() + 1), Unknown);
    Answer &answer = looked[pc * (name.size() + 1) + at];
    if (answer == Unknown)
      answer = run(program[pc].x, at, /*whole=*/false) ? Yes : No;
    return answer == Yes;
  }

  bool isWord(size_t at) const {
    if (at >= name.size())
      return false;
    unsigned char c = static_cast<unsigned char>(name[at]);
    return c < 128 && (std::isalnum(c) || c == '_');
  }

  bool holds(Pattern::Op op, size_t at) const {
    bool boundary = (at > 0 && isWord(at - 1)) != isWord(at);
    switch (op) {
    case Pattern::Op::Begin:
      return at == 0;
    case Pattern::Op::End:
      return at == name.size();
    case Pattern::Op::LineEnd:
      return at == name.size() || (at + 1 == name.size() && name[at] == '\n');
    case Pattern::Op::Boundary:
      return boundary;
    default:
      return !boundary;
    }
  }

  const std::vector<Pattern::Instruction> &program;
  const std::vector<std::bitset<256>> &sets;
  std::string_view name;
  std::vector<Answer> looked;
};

bool Pattern::fullMatch(std::string_view name) const {
  return PatternMatcher(*this, name).run(0, 0, /*whole=*/true);
}

bool Pattern::search(std::string_view name) const {
  PatternMatcher matcher(*this, name);
  for (size_t from = 0; from <= name.size(); ++from)
    if (matcher.run(0, from, /*whole=*/false))
      return true;
  return false;
}

} // namespace ftc
