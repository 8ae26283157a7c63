//===- Error.cpp - errors as values: text of errors, nearest names ---------===//
// Formatting of one-line errors, quoting of foreign text, edit distance.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Error.h"

#include "Unicode.h"

#include <algorithm>
#include <cstdio>

namespace ftc {

Error makeError(std::string where, std::string message) {
  return Error{std::move(where), std::move(message), {}};
}

std::string Error::str() const { return where.empty() ? message : where + ": " + message; }

Error &&Error::note(std::string text) && {
  notes.push_back(std::move(text));
  return std::move(*this);
}

Error &Error::note(std::string text) & {
  notes.push_back(std::move(text));
  return *this;
}

std::string place(std::string_view file, unsigned line, unsigned column) {
  std::string text(file);
  if (line == 0)
    return text;
  text += ':' + std::to_string(line);
  if (column != 0)
    text += ':' + std::to_string(column);
  return text;
}

namespace {

/// Names of files may hold anything: what would end the line or steer a terminal becomes `?`.
std::string lineOf(std::string_view prefix, std::string text) {
  for (char &c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = '?';
  return std::string(prefix) + std::move(text) + '\n';
}

} // namespace

std::string formatError(const Error &error) {
  std::string text = lineOf("error: ", error.str());
  for (const std::string &note : error.notes)
    text += lineOf("note: ", note);
  return text;
}

std::string formatWarning(std::string_view text) { return lineOf("warning: ", std::string(text)); }

void printError(const Error &error) {
  std::string text = formatError(error);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

std::string quoted(std::string_view text, size_t limit) {
  static const char digits[] = "0123456789abcdef";
  std::string result = "'";
  size_t i = 0;
  while (i < text.size() && i < limit) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    size_t length = utf8SequenceLength(text.substr(i));
    if (c == '\'' || c == '\\') {
      result += '\\';
      result += text[i];
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (c < 0x20 || c == 0x7f || length == 0) {
      result += "\\x";
      result += digits[c >> 4];
      result += digits[c & 15];
    } else {
      result += text.substr(i, length);
      i += length - 1;
    }
    ++i;
  }
  return result + (i < text.size() ? "...'" : "'");
}

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Damerau's distance, restricted to swaps of neighbours; stops early beyond `bound`.
size_t editDistance(std::string_view a, std::string_view b, size_t bound) {
  if (a.size() > b.size() + bound || b.size() > a.size() + bound)
    return bound + 1;
  std::vector<size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    size_t best = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t cost = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1]))
        current[j] = std::min(current[j], before[j - 2] + 1);
      best = std::min(best, current[j]);
    }
    if (best > bound)
      return bound + 1;
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

template <class Text>
std::string nearestOf(std::string_view name, const std::vector<Text> &candidates) {
  size_t bound = std::max<size_t>(1, name.size() / 3);
  std::string_view found;
  for (std::string_view candidate : candidates) {
    size_t distance = editDistance(name, candidate, bound);
    if (distance > bound || candidate.empty())
      continue;
    found = candidate;
    if (distance == 0)
      break;
    bound = distance - 1;
  }
  return std::string(found);
}

template <class Text> std::string hint(std::string_view name, const std::vector<Text> &candidates) {
  std::string found = nearestOf(name, candidates);
  return found.empty() ? found : "; did you mean " + quoted(found) + "?";
}

} // namespace

std::string nearest(std::string_view name, const std::vector<std::string_view> &candidates) {
  return nearestOf(name, candidates);
}
std::string nearest(std::string_view name, const std::vector<std::string> &candidates) {
  return nearestOf(name, candidates);
}
std::string didYouMean(std::string_view name, const std::vector<std::string_view> &candidates) {
  return hint(name, candidates);
}
std::string didYouMean(std::string_view name, const std::vector<std::string> &candidates) {
  return hint(name, candidates);
}

} // namespace ftc
