//===- TreeBuilder.h - value trees from parser events ----------------------===//
// The checks that JSON and YAML share: depth, duplicate keys, ranges of numbers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_SUPPORT_TREEBUILDER_H
#define FTC_LIB_SUPPORT_TREEBUILDER_H

#include "ftc/Support/Json.h"

#include <functional>

namespace ftc::json {

/// Builds a Value from a stream of events. Each event answers false after an error, which `error`
/// then holds; nothing may follow it. Containers are kept on an explicit stack: no recursion. A
/// tree that takes more than 8 times the text and 48 MiB is an error: `[],` is 3 bytes and 56 in
/// memory.
class TreeBuilder {
public:
  TreeBuilder(std::string_view file, size_t textBytes, unsigned maxDepth)
      : file(file), maxDepth(maxDepth), mostBytes(8 * textBytes + (size_t{48} << 20)) {}

  /// Gives each member of the root object away instead of keeping it. One may take half of the
  /// memory: the other half is for what is made of it.
  void handMembersTo(std::function<Status(Member &&)> sink) {
    members = std::move(sink);
    mostBytes /= 2;
  }

  bool scalar(Value value, Position at);
  bool string(std::string text, Position at);
  bool beginArray(Position at) { return begin(Value::array(), at); }
  bool beginObject(Position at) { return begin(Value::object(), at); }
  bool key(std::string name, Position at);
  bool endArray() { return end(); }
  bool endObject();

  /// True when the open container is an object that waits for a key.
  bool wantsKey() const {
    return !open.empty() && open.back().value.isObject() && !open.back().hasKey;
  }
  bool inObject() const { return !open.empty() && open.back().value.isObject(); }

  bool fail(Position at, std::string message);
  const std::optional<Error> &error() const { return failure; }
  Error takeError() { return std::move(*failure); }
  Value takeRoot() { return std::move(root); }

private:
  struct Open {
    Value value;
    Member pending;
    bool hasKey = false;
  };

  bool begin(Value container, Position at);
  bool end();
  bool add(Value value);
  bool handOver(Open &top);
  bool take(size_t bytes, Position at);
  /// Makes sure that one more element fits, and accounts for it.
  template <class Vector> bool takeOneMore(const Vector &vector, Position at);

  std::string file;
  unsigned maxDepth;
  size_t mostBytes;
  size_t bytes = 0; ///< of the values at hand
  std::function<Status(Member &&)> members;
  std::vector<Open> open;
  Value root;
  std::optional<Error> failure;
};

/// Decimal text of an integer (an optional sign, digits) as Int or UInt; nothing when it does not
/// fit in 64 bits. Text of a float as Double; nothing when double cannot hold it (1e400, 1e-400).
/// The grammar is the caller's.
std::optional<Value> integerFromText(std::string_view text);
std::optional<Value> doubleFromText(std::string_view text);

} // namespace ftc::json

#endif // FTC_LIB_SUPPORT_TREEBUILDER_H
