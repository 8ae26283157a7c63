//===- Json.cpp - the JSON value tree --------------------------------------===//
// Construction, access and comparison of values; parser and writer are elsewhere.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Json.h"

namespace ftc::json {

const char *describe(Kind kind) {
  switch (kind) {
  case Kind::Null:
    return "null";
  case Kind::Bool:
    return "a boolean";
  case Kind::Int:
  case Kind::UInt:
    return "an integer";
  case Kind::Double:
    return "a number";
  case Kind::String:
    return "a string";
  case Kind::Array:
    return "an array";
  case Kind::Object:
    return "an object";
  }
  return "a value";
}

Value Value::array() { return array({}); }

Value Value::array(Array elements) {
  Value value;
  value.payload = detail::Box<Array>(std::move(elements));
  return value;
}

Value Value::object() {
  Value value;
  value.payload = detail::Box<std::vector<Member>>();
  return value;
}

std::optional<bool> Value::asBool() const {
  if (const bool *held = std::get_if<bool>(&payload))
    return *held;
  return std::nullopt;
}

std::optional<int64_t> Value::asInt64() const {
  if (const int64_t *held = std::get_if<int64_t>(&payload))
    return *held;
  return std::nullopt;
}

std::optional<uint64_t> Value::asUInt64() const {
  if (const uint64_t *held = std::get_if<uint64_t>(&payload))
    return *held;
  if (const int64_t *held = std::get_if<int64_t>(&payload); held && *held >= 0)
    return static_cast<uint64_t>(*held);
  return std::nullopt;
}

std::optional<double> Value::asDouble() const {
  if (const double *held = std::get_if<double>(&payload))
    return *held;
  if (const int64_t *held = std::get_if<int64_t>(&payload))
    return static_cast<double>(*held);
  if (const uint64_t *held = std::get_if<uint64_t>(&payload))
    return static_cast<double>(*held);
  return std::nullopt;
}

const std::string *Value::asString() const {
  const auto *held = std::get_if<detail::Box<std::string>>(&payload);
  return held ? &**held : nullptr;
}

const Value::Array &Value::elements() const {
  static const Array none;
  const auto *held = std::get_if<detail::Box<Array>>(&payload);
  return held ? **held : none;
}

const std::vector<Member> &Value::members() const {
  static const std::vector<Member> none;
  const auto *held = std::get_if<detail::Box<std::vector<Member>>>(&payload);
  return held ? **held : none;
}

const Member *Value::findMember(std::string_view key) const {
  for (const Member &member : members())
    if (member.key == key)
      return &member;
  return nullptr;
}

const Value *Value::find(std::string_view key) const {
  const Member *member = findMember(key);
  return member ? &member->value : nullptr;
}

Value &Value::push(Value element) {
  if (!isArray())
    payload = detail::Box<Array>();
  Array &elements = **std::get_if<detail::Box<Array>>(&payload);
  elements.push_back(std::move(element));
  return *this;
}

void Value::appendMember(Member member) {
  if (!isObject())
    payload = detail::Box<std::vector<Member>>();
  std::vector<Member> &members = **std::get_if<detail::Box<std::vector<Member>>>(&payload);
  members.push_back(std::move(member));
}

Value &Value::set(std::string key, Value value) {
  if (const Member *member = findMember(key))
    const_cast<Member *>(member)->value = std::move(value);
  else
    appendMember({std::move(key), {}, std::move(value)});
  return *this;
}

bool Value::operator==(const Value &other) const {
  if (kind() != other.kind())
    return false;
  switch (kind()) {
  case Kind::String:
    return *asString() == *other.asString();
  case Kind::Array:
    return elements() == other.elements();
  case Kind::Object: {
    const std::vector<Member> &mine = members(), &theirs = other.members();
    if (mine.size() != theirs.size())
      return false;
    for (size_t i = 0; i < mine.size(); ++i)
      if (mine[i].key != theirs[i].key || mine[i].value != theirs[i].value)
        return false;
    return true;
  }
  case Kind::Bool:
    return asBool() == other.asBool();
  case Kind::Int:
    return asInt64() == other.asInt64();
  case Kind::UInt:
    return asUInt64() == other.asUInt64();
  case Kind::Double:
    return asDouble() == other.asDouble();
  case Kind::Null:
    return true;
  }
  return false;
}

} // namespace ftc::json
