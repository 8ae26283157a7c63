//===- TreeBuilder.h - value trees from parser events ----------------------===//
// The checks that JSON and YAML share: depth, duplicate keys, ranges of numbers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_SUPPORT_TREEBUILDER_H
#define FTC_LIB_SUPPORT_TREEBUILDER_H

#include "ftc/Support/Json.h"

namespace ftc::json {

/// Builds a Value from a stream of events. Each event answers false after an error, which `error`
/// then holds; nothing may follow it. Containers are kept on an explicit stack: no recursion.
class TreeBuilder {
public:
  TreeBuilder(std::string_view file, unsigned maxDepth) : file(file), maxDepth(maxDepth) {}

  bool scalar(Value value, Position at);
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

  std::string file;
  unsigned maxDepth;
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
