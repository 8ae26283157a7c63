//===- ObjectReader.cpp - typed access to a JSON object --------------------===//
// Getters that check type and range, say where they failed, and know what was read.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/ObjectReader.h"

namespace ftc::json {

namespace {

/// What a message shows of a value: short scalars as they stand, the rest by kind.
std::string shown(const Value &value) {
  if (const std::string *text = value.asString())
    return "the string " + quoted(*text, 40);
  if (value.isArray() || value.isObject())
    return describe(value.kind());
  return dump(value);
}

std::string rangeText(const std::string &noun, const std::string &min, const std::string &max,
                      bool hasMin, bool hasMax) {
  if (hasMin && hasMax)
    return noun + " from " + min + " to " + max;
  if (hasMin)
    return noun + " of at least " + min;
  if (hasMax)
    return noun + " of at most " + max;
  return noun;
}

std::string intRange(int64_t min, int64_t max) {
  return rangeText("an integer", std::to_string(min), std::to_string(max),
                   min != ObjectReader::kMinInt, max != ObjectReader::kMaxInt);
}

std::string doubleRange(double min, double max) {
  return rangeText("a number", formatDouble(min), formatDouble(max), min != -ObjectReader::kInf,
                   max != ObjectReader::kInf);
}

} // namespace

ObjectReader::ObjectReader(const Value &value, std::string file, std::string keyPath)
    : object(&value), fileName(std::move(file)), path(std::move(keyPath)) {}

Status ObjectReader::status() const {
  if (object->isObject())
    return Status::ok();
  Position at = object->position();
  std::string subject = path.empty() ? "the file's value" : quoted(path);
  return makeError(place(fileName, at.line, at.column),
                   subject + " must be an object, got " + shown(*object));
}

std::string ObjectReader::pathOf(std::string_view name) const {
  return path.empty() ? std::string(name) : path + '.' + std::string(name);
}

std::string ObjectReader::whereOf(std::string_view name) const {
  const Value *value = object->find(name);
  Position at = value ? value->position() : object->position();
  return place(fileName, at.line, at.column);
}

Error ObjectReader::errorAt(std::string_view name, std::string_view message) const {
  return makeError(whereOf(name), quoted(pathOf(name)) + ' ' + std::string(message));
}

Error ObjectReader::wrongType(std::string_view name, std::string_view expected) const {
  const Value *value = object->find(name);
  return errorAt(name, "must be " + std::string(expected) + ", got " +
                           (value ? shown(*value) : "nothing"));
}

Error ObjectReader::missing(std::string_view name, std::string_view expected) const {
  if (Status s = status(); !s)
    return s.takeError();
  if (object->find(name))
    return errorAt(name, "must be " + std::string(expected) + ", got null");
  return errorAt(name, "is missing; it must be " + std::string(expected));
}

const Value *ObjectReader::lookUp(std::string_view name) {
  known.insert(std::string(name));
  return object->find(name);
}

const Value *ObjectReader::get(std::string_view name) { return lookUp(name); }
bool ObjectReader::has(std::string_view name) { return lookUp(name) != nullptr; }
void ObjectReader::ignore(std::string_view name) { known.insert(std::string(name)); }

Result<std::optional<int64_t>> ObjectReader::getOptionalInt(std::string_view name, int64_t min,
                                                            int64_t max) {
  if (Status s = status(); !s)
    return s.takeError();
  const Value *value = lookUp(name);
  if (!value || value->isNull())
    return std::optional<int64_t>();
  std::optional<int64_t> number = value->asInt64();
  if (!number || *number < min || *number > max)
    return wrongType(name, intRange(min, max));
  return number;
}

Result<std::optional<double>> ObjectReader::getOptionalDouble(std::string_view name, double min,
                                                              double max) {
  if (Status s = status(); !s)
    return s.takeError();
  const Value *value = lookUp(name);
  if (!value || value->isNull())
    return std::optional<double>();
  std::optional<double> number = value->asDouble();
  if (!number || !(*number >= min && *number <= max))
    return wrongType(name, doubleRange(min, max));
  return number;
}

Result<std::optional<bool>> ObjectReader::getOptionalBool(std::string_view name) {
  if (Status s = status(); !s)
    return s.takeError();
  const Value *value = lookUp(name);
  if (!value || value->isNull())
    return std::optional<bool>();
  if (!value->isBool())
    return wrongType(name, "true or false");
  return value->asBool();
}

Result<std::optional<std::string>> ObjectReader::getOptionalString(std::string_view name) {
  if (Status s = status(); !s)
    return s.takeError();
  const Value *value = lookUp(name);
  if (!value || value->isNull())
    return std::optional<std::string>();
  if (!value->isString())
    return wrongType(name, "a string");
  return std::optional<std::string>(*value->asString());
}

Result<int64_t> ObjectReader::getInt(std::string_view name, int64_t min, int64_t max) {
  Result<std::optional<int64_t>> found = getOptionalInt(name, min, max);
  if (!found)
    return found.takeError();
  if (!*found)
    return missing(name, intRange(min, max));
  return **found;
}

Result<int64_t> ObjectReader::getIntOr(std::string_view name, int64_t fallback, int64_t min,
                                       int64_t max) {
  if (object->isObject() && !has(name))
    return fallback;
  return getInt(name, min, max);
}

Result<double> ObjectReader::getDouble(std::string_view name, double min, double max) {
  Result<std::optional<double>> found = getOptionalDouble(name, min, max);
  if (!found)
    return found.takeError();
  if (!*found)
    return missing(name, doubleRange(min, max));
  return **found;
}

Result<double> ObjectReader::getDoubleOr(std::string_view name, double fallback, double min,
                                         double max) {
  if (object->isObject() && !has(name))
    return fallback;
  return getDouble(name, min, max);
}

Result<bool> ObjectReader::getBool(std::string_view name) {
  Result<std::optional<bool>> found = getOptionalBool(name);
  if (!found)
    return found.takeError();
  if (!*found)
    return missing(name, "true or false");
  return **found;
}

Result<bool> ObjectReader::getBoolOr(std::string_view name, bool fallback) {
  if (object->isObject() && !has(name))
    return fallback;
  return getBool(name);
}

Result<std::string> ObjectReader::getString(std::string_view name) {
  Result<std::optional<std::string>> found = getOptionalString(name);
  if (!found)
    return found.takeError();
  if (!*found)
    return missing(name, "a string");
  return std::move(**found);
}

Result<std::string> ObjectReader::getStringOr(std::string_view name, std::string fallback) {
  if (object->isObject() && !has(name))
    return fallback;
  return getString(name);
}

Result<std::vector<std::string>> ObjectReader::getStringList(std::string_view name) {
  if (Status s = status(); !s)
    return s.takeError();
  std::vector<std::string> list;
  const Value *value = lookUp(name);
  if (!value || value->isNull())
    return list;
  if (const std::string *one = value->asString()) {
    list.push_back(*one);
    return list;
  }
  if (!value->isArray())
    return wrongType(name, "a string or an array of strings");
  for (const Value &element : value->elements()) {
    if (!element.isString())
      return makeError(place(fileName, element.position().line, element.position().column),
                       quoted(pathOf(name)) +
                           " must be a string or an array of strings; an element is " +
                           shown(element));
    list.push_back(*element.asString());
  }
  return list;
}

Result<std::vector<int64_t>> ObjectReader::getIntList(std::string_view name, int64_t min,
                                                      int64_t max) {
  if (Status s = status(); !s)
    return s.takeError();
  std::vector<int64_t> list;
  const Value *value = lookUp(name);
  if (!value || value->isNull())
    return list;
  if (!value->isArray())
    return wrongType(name, "an array of integers");
  for (const Value &element : value->elements()) {
    std::optional<int64_t> number = element.asInt64();
    if (!number || *number < min || *number > max)
      return makeError(place(fileName, element.position().line, element.position().column),
                       quoted(pathOf(name)) + ": an element must be " + intRange(min, max) +
                           ", got " + shown(element));
    list.push_back(*number);
  }
  return list;
}

Result<const Value *> ObjectReader::getOptionalObject(std::string_view name) {
  if (Status s = status(); !s)
    return s.takeError();
  const Value *value = lookUp(name);
  if (!value || value->isNull())
    return static_cast<const Value *>(nullptr);
  if (!value->isObject())
    return wrongType(name, "an object");
  return value;
}

Result<const Value *> ObjectReader::getObject(std::string_view name) {
  Result<const Value *> found = getOptionalObject(name);
  if (found && !*found)
    return missing(name, "an object");
  return found;
}

Result<const Value *> ObjectReader::getArray(std::string_view name) {
  if (Status s = status(); !s)
    return s.takeError();
  const Value *value = lookUp(name);
  if (!value || value->isNull())
    return missing(name, "an array");
  if (!value->isArray())
    return wrongType(name, "an array");
  return value;
}

std::vector<const Member *> ObjectReader::unknownKeys() const {
  std::vector<const Member *> unknown;
  for (const Member &member : object->members())
    if (known.find(member.key) == known.end())
      unknown.push_back(&member);
  return unknown;
}

std::vector<std::string_view> ObjectReader::knownKeys() const {
  return std::vector<std::string_view>(known.begin(), known.end());
}

} // namespace ftc::json
