//===- ObjectReader.h - typed access to a JSON object ----------------------===//
// Getters that check type and range, say where they failed, and know what was read.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_OBJECTREADER_H
#define FTC_SUPPORT_OBJECTREADER_H

#include "ftc/Support/Json.h"

#include <limits>
#include <set>

namespace ftc::json {

/// Reads the members of one object. Three families of getters:
///   getX(name)          absent or null is an error;
///   getXOr(name, d)     absent gives d, null is an error;
///   getOptionalX(name)  absent or null gives nothing.
/// Ranges are inclusive. Errors are `FILE:LINE:COL: 'key.path' must be ..., got ...`; the place is
/// the value's, or the object's when the key is absent. Every getter (and `has`, `get`) marks its
/// key as known. The reader keeps a pointer to the value: it must outlive the reader.
class ObjectReader {
public:
  /// `keyPath` names the object in messages (`rope_scaling`), empty for the top level. A value
  /// that is not an object makes every getter, and `status`, fail with one clear error.
  ObjectReader(const Value &value, std::string file, std::string keyPath = "");

  /// Fails when the value is not an object.
  Status status() const;
  const std::string &file() const { return fileName; }
  const Value &value() const { return *object; }

  static constexpr int64_t kMinInt = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();
  static constexpr double kInf = std::numeric_limits<double>::infinity();

  Result<int64_t> getInt(std::string_view name, int64_t min = kMinInt, int64_t max = kMaxInt);
  Result<int64_t> getIntOr(std::string_view name, int64_t fallback, int64_t min = kMinInt,
                           int64_t max = kMaxInt);
  Result<std::optional<int64_t>> getOptionalInt(std::string_view name, int64_t min = kMinInt,
                                                int64_t max = kMaxInt);

  Result<double> getDouble(std::string_view name, double min = -kInf, double max = kInf);
  Result<double> getDoubleOr(std::string_view name, double fallback, double min = -kInf,
                             double max = kInf);
  Result<std::optional<double>> getOptionalDouble(std::string_view name, double min = -kInf,
                                                  double max = kInf);

  Result<bool> getBool(std::string_view name);
  Result<bool> getBoolOr(std::string_view name, bool fallback);
  Result<std::optional<bool>> getOptionalBool(std::string_view name);

  Result<std::string> getString(std::string_view name);
  Result<std::string> getStringOr(std::string_view name, std::string fallback);
  Result<std::optional<std::string>> getOptionalString(std::string_view name);

  /// A string or an array of strings; absent or null gives an empty list.
  Result<std::vector<std::string>> getStringList(std::string_view name);
  /// An array of integers within the range; absent or null gives an empty list.
  Result<std::vector<int64_t>> getIntList(std::string_view name, int64_t min = kMinInt,
                                          int64_t max = kMaxInt);

  /// A nested object or array; absent or null is an error.
  Result<const Value *> getObject(std::string_view name);
  Result<const Value *> getArray(std::string_view name);
  /// A nested object; absent or null gives a null pointer.
  Result<const Value *> getOptionalObject(std::string_view name);

  /// The raw value (a null value included), or a null pointer when absent.
  const Value *get(std::string_view name);
  /// Present, be it null.
  bool has(std::string_view name);
  /// Marks a key as known without reading it.
  void ignore(std::string_view name);

  /// Members nobody asked for, in file order.
  std::vector<const Member *> unknownKeys() const;
  /// The names asked for so far, sorted: candidates for `nearest`.
  std::vector<std::string_view> knownKeys() const;

  /// An error at the value of `name` (at the object when absent): `'key.path' MESSAGE`.
  Error errorAt(std::string_view name, std::string_view message) const;
  /// `FILE:LINE:COL` of the value of `name`, or of the object when absent.
  std::string whereOf(std::string_view name) const;
  /// `keyPath.name`, or `name` at the top level.
  std::string pathOf(std::string_view name) const;

private:
  const Value *lookUp(std::string_view name);
  Error wrongType(std::string_view name, std::string_view expected) const;
  Error missing(std::string_view name, std::string_view expected) const;

  const Value *object;
  std::string fileName;
  std::string path;
  std::set<std::string, std::less<>> known;
};

} // namespace ftc::json

#endif // FTC_SUPPORT_OBJECTREADER_H
