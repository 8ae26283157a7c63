//===- TreeBuilder.cpp - value trees from parser events --------------------===//
// The checks that JSON and YAML share: depth, duplicate keys, ranges of numbers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TreeBuilder.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ftc::json {

// A string or vector on the heap, with what the allocator adds to each block.
constexpr size_t kBoxBytes = sizeof(std::string) + 32;

bool TreeBuilder::fail(Position at, std::string message) {
  failure = makeError(place(file, at.line, at.column), std::move(message));
  return false;
}

bool TreeBuilder::scalar(Value value, Position at) {
  value.setPosition(at);
  return add(std::move(value));
}

bool TreeBuilder::take(size_t more, Position at) {
  bytes += more;
  if (bytes <= mostBytes)
    return true;
  return fail(at, "the values up to here take more than " + std::to_string(mostBytes >> 20) +
                      " MiB of memory, too much for the text; split the file");
}

template <class Vector> bool TreeBuilder::takeOneMore(const Vector &vector, Position at) {
  if (vector.size() < vector.capacity())
    return true;
  size_t now = vector.capacity() * sizeof(vector[0]);
  // It grows to twice its size, and both are there while it is copied.
  if (!take(std::max(2 * now, sizeof(vector[0])), at))
    return false;
  bytes -= now;
  return true;
}

bool TreeBuilder::string(std::string text, Position at) {
  return take(kBoxBytes + text.capacity(), at) && scalar(Value(std::move(text)), at);
}

bool TreeBuilder::begin(Value container, Position at) {
  if (open.size() >= maxDepth)
    return fail(at, "nested deeper than " + std::to_string(maxDepth) + " levels; flatten the file");
  if (!take(kBoxBytes, at))
    return false;
  container.setPosition(at);
  open.push_back({std::move(container), {}, false});
  return true;
}

bool TreeBuilder::key(std::string name, Position at) {
  Open &top = open.back();
  if (!take(name.capacity(), at))
    return false;
  top.pending.key = std::move(name);
  top.pending.keyPosition = at;
  top.hasKey = true;
  return true;
}

bool TreeBuilder::end() {
  Value value = std::move(open.back().value);
  open.pop_back();
  return add(std::move(value));
}

bool TreeBuilder::add(Value value) {
  if (open.empty()) {
    root = std::move(value);
    return true;
  }
  Open &top = open.back();
  if (!top.value.isObject()) {
    if (!takeOneMore(top.value.elements(), value.position()))
      return false;
    top.value.push(std::move(value));
    return true;
  }
  top.pending.value = std::move(value);
  if (members && open.size() == 1)
    return handOver(top);
  if (!takeOneMore(top.value.members(), top.pending.keyPosition))
    return false;
  top.value.appendMember(std::move(top.pending));
  top.pending = Member();
  top.hasKey = false;
  return true;
}

bool TreeBuilder::handOver(Open &top) {
  Status taken = members(std::move(top.pending));
  top.pending = Member();
  top.hasKey = false;
  bytes = 0;
  if (!taken)
    failure = taken.takeError();
  return bool(taken);
}

bool TreeBuilder::endObject() {
  const std::vector<Member> &members = open.back().value.members();
  // Sorting references keeps a header of a million names within n log n.
  std::vector<const Member *> sorted;
  sorted.reserve(members.size());
  for (const Member &member : members)
    sorted.push_back(&member);
  std::sort(sorted.begin(), sorted.end(), [](const Member *a, const Member *b) {
    return a->key != b->key ? a->key < b->key : a < b;
  });
  const Member *first = nullptr, *again = nullptr;
  for (size_t i = 1; i < sorted.size(); ++i)
    if (sorted[i - 1]->key == sorted[i]->key && (!again || sorted[i] < again)) {
      first = sorted[i - 1];
      again = sorted[i];
    }
  if (again) {
    fail(again->keyPosition,
         "key " + quoted(again->key) + " is given twice; remove one of the two");
    failure->note(place(file, first->keyPosition.line, first->keyPosition.column) +
                  ": first given here");
    return false;
  }
  return end();
}

std::optional<Value> integerFromText(std::string_view text) {
  if (!text.empty() && text[0] == '+')
    text.remove_prefix(1);
  const char *end = text.data() + text.size();
  int64_t narrow = 0;
  std::from_chars_result result = std::from_chars(text.data(), end, narrow);
  if (result.ec == std::errc() && result.ptr == end)
    return Value(narrow);
  uint64_t wide = 0;
  result = std::from_chars(text.data(), end, wide);
  if (result.ec == std::errc() && result.ptr == end)
    return Value(wide);
  return std::nullopt;
}

std::optional<Value> doubleFromText(std::string_view text) {
  if (!text.empty() && text[0] == '+')
    text.remove_prefix(1);
  const char *end = text.data() + text.size();
  double value = 0;
  std::from_chars_result result = std::from_chars(text.data(), end, value);
  if (result.ptr != end || result.ec != std::errc() || !std::isfinite(value))
    return std::nullopt;
  return Value(value);
}

} // namespace ftc::json
