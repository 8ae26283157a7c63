//===- Error.h - errors as values: Error, Result, Status -------------------===//
// Every failure a user can cause travels as an Error value; nothing throws.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_ERROR_H
#define FTC_SUPPORT_ERROR_H

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ftc {

/// One failure. `where` is `FILE[:LINE[:COL]]` (or a flag name; may be empty), `message` is one
/// line: what is wrong, and what would be right. Notes are one line each, with a place of their own
/// where they have one.
struct Error {
  std::string where;
  std::string message;
  std::vector<std::string> notes;

  /// `WHERE: message`, or the message alone when there is no place. One line, no notes.
  std::string str() const;

  /// Adds one note and returns the error, for `return makeError(...).note(...)`.
  Error &&note(std::string text) &&;
  Error &note(std::string text) &;
};

Error makeError(std::string where, std::string message);

/// `FILE:LINE:COL` (LINE and COL count from 1; a zero is left out, and COL with a zero LINE).
std::string place(std::string_view file, unsigned line, unsigned column = 0);

/// The text for stderr: `error: WHERE: message\n`, then `note: ...\n` for each note.
std::string formatError(const Error &error);
/// The text for stderr: `warning: TEXT\n`.
std::string formatWarning(std::string_view text);

/// Writes formatError(error) to stderr in one write.
void printError(const Error &error);

/// `'text'` for a message: control characters, quotes and bytes that are not UTF-8 are escaped, so
/// that a message stays one line, and a text over `limit` bytes is cut with an ellipsis.
std::string quoted(std::string_view text, size_t limit = 80);

/// The candidate with the smallest edit distance (insert, delete, substitute, swap of neighbours:
/// each 1) to `name`; empty when none is within a third of its length (at least 1). The first of
/// equals wins. Distances ignore ASCII case.
std::string nearest(std::string_view name, const std::vector<std::string_view> &candidates);
std::string nearest(std::string_view name, const std::vector<std::string> &candidates);

/// `; did you mean 'x'?`, or nothing when `nearest` finds nothing.
std::string didYouMean(std::string_view name, const std::vector<std::string_view> &candidates);
std::string didYouMean(std::string_view name, const std::vector<std::string> &candidates);

/// A T or an Error. Read it only after a check: `if (!r) return r.takeError();`.
template <class T> class [[nodiscard]] Result {
public:
  Result(T value) : storage(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : storage(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return storage.index() == 0; }

  T &operator*() & { return get(); }
  const T &operator*() const & { return get(); }
  T &&operator*() && { return std::move(get()); }
  T *operator->() { return &get(); }
  const T *operator->() const { return &get(); }

  const Error &error() const {
    assert(storage.index() == 1 && "no error in this result");
    return *std::get_if<1>(&storage);
  }
  Error takeError() {
    assert(storage.index() == 1 && "no error in this result");
    return std::move(*std::get_if<1>(&storage));
  }

private:
  T &get() {
    assert(storage.index() == 0 && "result read without a check");
    return *std::get_if<0>(&storage);
  }
  const T &get() const {
    assert(storage.index() == 0 && "result read without a check");
    return *std::get_if<0>(&storage);
  }

  std::variant<T, Error> storage;
};

/// Success or an Error: `return Status::ok();`, `if (!s) return s.takeError();`.
class [[nodiscard]] Status {
public:
  static Status ok() { return Status(); }
  Status(Error error) : failure(std::move(error)) {}

  /// True on success.
  explicit operator bool() const { return !failure; }

  const Error &error() const {
    assert(failure && "no error in this status");
    return *failure;
  }
  Error takeError() {
    assert(failure && "no error in this status");
    return std::move(*failure);
  }

private:
  Status() = default;
  std::optional<Error> failure;
};

} // namespace ftc

#endif // FTC_SUPPORT_ERROR_H
