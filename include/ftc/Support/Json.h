//===- Json.h - one strict JSON reader with positions ----------------------===//
// A value tree that remembers line and column, a strict parser, and a writer.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_JSON_H
#define FTC_SUPPORT_JSON_H

#include "ftc/Support/Error.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace ftc::json {

class Value;
struct Member;

/// Line and column count from 1, columns in Unicode characters; 0 means "made by the program".
struct Position {
  uint32_t line = 0;
  uint32_t column = 0;
};

/// The name of a kind for messages: `null`, `a boolean`, `an integer`, `a number`, ...
enum class Kind : uint8_t { Null, Bool, Int, UInt, Double, String, Array, Object };
const char *describe(Kind kind);

namespace detail {
/// An owned heap value that copies deeply: keeps Value at 24 bytes.
template <class T> class Box {
public:
  Box() : held(std::make_unique<T>()) {}
  explicit Box(T value) : held(std::make_unique<T>(std::move(value))) {}
  Box(const Box &other) : held(std::make_unique<T>(*other.held)) {}
  Box(Box &&) noexcept = default;
  Box &operator=(const Box &other) {
    if (this != &other)
      held = std::make_unique<T>(*other.held);
    return *this;
  }
  Box &operator=(Box &&) noexcept = default;
  T &operator*() { return *held; }
  const T &operator*() const { return *held; }

private:
  std::unique_ptr<T> held;
};
} // namespace detail

/// A JSON value. An integer is kept exactly: as Int when it fits int64, as UInt when it fits only
/// uint64. Objects keep the order of the file. The accessors `asX` answer nothing (or an empty
/// list) when the kind is another; they never fail.
class Value {
public:
  using Array = std::vector<Value>;

  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool value) : payload(value) {}
  /// Any integer type: unsigned values beyond int64 become UInt, all others Int.
  template <class T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
  Value(T value) {
    if (std::is_unsigned_v<T> && static_cast<uint64_t>(value) > uint64_t{INT64_MAX})
      payload = static_cast<uint64_t>(value);
    else
      payload = static_cast<int64_t>(value);
  }
  Value(double value) : payload(value) {}
  Value(std::string value) : payload(detail::Box<std::string>(std::move(value))) {}
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(const char *value) : Value(std::string(value)) {}

  static Value array();
  static Value array(Array elements);
  static Value object();

  Kind kind() const { return static_cast<Kind>(payload.index()); }
  bool isNull() const { return kind() == Kind::Null; }
  bool isBool() const { return kind() == Kind::Bool; }
  bool isInteger() const { return kind() == Kind::Int || kind() == Kind::UInt; }
  bool isNumber() const { return isInteger() || kind() == Kind::Double; }
  bool isString() const { return kind() == Kind::String; }
  bool isArray() const { return kind() == Kind::Array; }
  bool isObject() const { return kind() == Kind::Object; }

  std::optional<bool> asBool() const;
  /// An integer within int64. A number with a point or exponent is not an integer.
  std::optional<int64_t> asInt64() const;
  /// An integer within uint64.
  std::optional<uint64_t> asUInt64() const;
  /// Any number, integers rounded to double.
  std::optional<double> asDouble() const;
  /// The string, or null when this is not one. The text may hold NUL bytes.
  const std::string *asString() const;
  /// The elements; empty when this is not an array.
  const Array &elements() const;
  /// The members in file order; empty when this is not an object.
  const std::vector<Member> &members() const;

  /// The member's value, or null when absent or when this is not an object.
  const Value *find(std::string_view key) const;
  const Member *findMember(std::string_view key) const;

  /// Appends to an array (a null becomes an array first).
  Value &push(Value element);
  /// Adds or replaces a member (a null becomes an object first); returns *this for chaining.
  Value &set(std::string key, Value value);
  /// Appends a member whose key is known to be new: the parsers' path, no search.
  void appendMember(Member member);

  Position position() const { return at; }
  void setPosition(Position position) { at = position; }

  /// Same kind and content; positions do not count. 1 and 1.0 differ. Order of members counts.
  bool operator==(const Value &other) const;
  bool operator!=(const Value &other) const { return !(*this == other); }

private:
  // The order of alternatives is the order of Kind.
  std::variant<std::monostate, bool, int64_t, uint64_t, double, detail::Box<std::string>,
               detail::Box<Array>, detail::Box<std::vector<Member>>>
      payload;
  Position at;
};

struct Member {
  std::string key;
  Position keyPosition;
  Value value;
};

struct ParseOptions {
  /// Larger texts are refused before they are read.
  uint64_t maxBytes = uint64_t{64} << 20;
  /// Arrays and objects within one another.
  unsigned maxDepth = 64;
};

/// Parses strict JSON (RFC 8259): no comments, no trailing commas, no byte order mark, valid UTF-8,
/// nothing after the value. Refused too: duplicate keys (both positions named), integers beyond 64
/// bits, numbers beyond double, NUL bytes, depth over the limit, values that take over 8 times the
/// text and 48 MiB. Errors are `FILE:LINE:COL: what, what is right`; `file` is only for them.
Result<Value> parse(std::string_view text, std::string_view file, const ParseOptions &options = {});

/// Reads and parses one file.
Result<Value> parseFile(const std::string &path, const ParseOptions &options = {});

/// The text of a value. `indent` 0: one line without spaces; otherwise that many spaces a level and
/// no newline at the end. Same value, same text. Doubles are the shortest text that reads back to
/// the same bits and always show a point or an exponent; non-finite doubles become `null`. Strings
/// escape only what JSON asks for (", \, control characters); bytes that are not UTF-8 become
/// U+FFFD.
std::string dump(const Value &value, unsigned indent = 0);

/// The finite double's shortest round-trip text, as `dump` writes it (`0.1`, `1e-04`, `3.0`).
std::string formatDouble(double value);

} // namespace ftc::json

namespace ftc {
/// Reads a whole regular file, refused when larger than `maxBytes`.
Result<std::string> readFile(const std::string &path, uint64_t maxBytes = uint64_t{64} << 20);
} // namespace ftc

#endif // FTC_SUPPORT_JSON_H
