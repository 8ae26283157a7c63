//===- TrainConfig.cpp - the training configuration ------------------------===//
// Overlaying, resolving and comparing configurations by the table of keys.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/TrainConfig.h"

#include "TrainConfigTable.h"
#include "ftc/Support/Yaml.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ftc {

using detail::ForeignKey;
using detail::TrainConfigRow;
using detail::When;

namespace {

void warn(std::vector<std::string> *warnings, std::string text) {
  if (warnings)
    warnings->push_back(std::move(text));
}

/// The text as YAML: a bare word where that reads back as the same string, JSON otherwise.
std::string yamlText(const json::Value &value) {
  const std::string *text = value.asString();
  bool bare = text && !text->empty();
  for (size_t i = 0; bare && i < text->size(); ++i) {
    char c = (*text)[i];
    bare = (c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9');
  }
  if (bare && *text != "null" && *text != "true" && *text != "false")
    return *text;
  return json::dump(value);
}

std::string_view trim(std::string_view text) {
  size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// The values of `report_to` that ftc knows; others belong to services that it does not reach.
bool isReporter(std::string_view name) {
  return name == "tensorboard" || name == "all" || name == "none";
}

std::string_view optimizerFamily(std::string_view optim) {
  // The fused form of torch computes the same update.
  return optim == "adamw_torch_fused" ? "adamw_torch" : optim;
}

} // namespace

int64_t StepCount::resolve(int64_t totalSteps) const {
  if (isRatio())
    return static_cast<int64_t>(std::ceil(static_cast<double>(totalSteps) * value));
  return static_cast<int64_t>(value);
}

int64_t TrainConfig::warmupStepsFor(int64_t totalSteps) const {
  if (warmupSteps.value > 0)
    return warmupSteps.resolve(totalSteps);
  return static_cast<int64_t>(std::ceil(static_cast<double>(totalSteps) * warmupRatio));
}

bool TrainConfig::reportsToTensorBoard() const {
  return std::any_of(reportTo.begin(), reportTo.end(), [](const std::string &name) {
    return name == "tensorboard" || name == "all";
  });
}

Result<ByteSize> parseByteSize(std::string_view text, std::string where) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  static const Unit units[] = {
      {"", 1},      {"B", 1},        {"KB", 1e3},     {"MB", 1e6},     {"GB", 1e9},
      {"TB", 1e12}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40},
  };
  std::string_view body = trim(text);
  double number = 0;
  std::from_chars_result end =
      std::from_chars(body.data(), body.data() + body.size(), number, std::chars_format::fixed);
  std::string_view unit = trim(body.substr(static_cast<size_t>(end.ptr - body.data())));
  for (const Unit &known : units) {
    if (end.ec != std::errc() || unit != known.name)
      continue;
    double bytes = number * known.bytes;
    if (!(bytes >= 1) || bytes > 0x1p62 || (unit.empty() && bytes != std::floor(bytes)))
      break;
    return ByteSize{static_cast<uint64_t>(bytes)};
  }
  return makeError(std::move(where),
                   "size " + quoted(text) +
                       " must be a number above 0 with a unit: KiB, MiB, GiB, TiB, "
                       "KB, MB, GB, TB, or none for bytes");
}

Result<Mesh> parseMesh(std::string_view text, std::string where) {
  auto wrong = [&](const std::string &why) {
    return makeError(where, "mesh " + quoted(text) + ": " + why);
  };
  Mesh mesh;
  if (trim(text).empty())
    return mesh;
  int64_t devices = 1;
  std::string_view rest = text;
  for (bool more = true; more;) {
    size_t comma = rest.find(',');
    std::string_view part = trim(rest.substr(0, comma));
    more = comma != std::string_view::npos;
    rest = more ? rest.substr(comma + 1) : std::string_view();
    size_t equals = part.find('=');
    std::string_view name = trim(part.substr(0, equals));
    bool isName =
        !name.empty() && name[0] >= 'a' && name[0] <= 'z' &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
    if (equals == std::string_view::npos || !isName)
      return wrong("axes are written NAME=SIZE with commas between, as in tp=2,dp=2");
    std::string_view number = trim(part.substr(equals + 1));
    int64_t size = 0;
    std::from_chars_result end =
        std::from_chars(number.data(), number.data() + number.size(), size);
    if (end.ec != std::errc() || end.ptr != number.data() + number.size() || size < 1 ||
        size > 65536)
      return wrong("the size of axis " + quoted(name) + " must be an integer from 1 to 65536");
    for (const MeshAxis &axis : mesh)
      if (axis.name == name)
        return wrong("axis " + quoted(name) + " is given twice");
    devices *= size;
    if (devices > 65536)
      return wrong("more than 65536 devices");
    mesh.push_back({std::string(name), size});
  }
  return mesh;
}

std::string meshString(const Mesh &mesh) {
  std::string text;
  for (const MeshAxis &axis : mesh)
    text += (text.empty() ? "" : ",") + axis.name + '=' + std::to_string(axis.size);
  return text;
}

Result<TrainConfig> TrainConfig::fromValue(const json::Value &value, const std::string &file,
                                           std::vector<std::string> *warnings) {
  TrainConfig config;
  if (Status s = config.merge(value, file, warnings); !s)
    return s.takeError();
  return config;
}

Status TrainConfig::merge(const json::Value &value, const std::string &file,
                          std::vector<std::string> *warnings) {
  auto placeOf = [&](json::Position at) { return place(file, at.line, at.column); };
  if (value.isNull())
    return Status::ok();
  if (!value.isObject())
    return makeError(placeOf(value.position()), std::string("a training configuration must be a "
                                                            "mapping of keys to values, got ") +
                                                    json::describe(value.kind()));
  TrainConfig merged = *this;
  std::map<std::string_view, const json::Member *> given;
  for (const json::Member &member : value.members()) {
    std::string where = placeOf(member.keyPosition);
    std::string_view name = member.key;
    if (std::string_view present = detail::presentName(name); !present.empty()) {
      warn(warnings, where + ": key " + quoted(name) + " is deprecated; use " + quoted(present));
      name = present;
    }
    if (const TrainConfigRow *row = detail::findTrainConfigRow(name)) {
      auto [earlier, isNew] = given.emplace(row->name, &member);
      if (!isNew)
        return makeError(where, "key " + quoted(member.key) + " sets " + quoted(name) +
                                    " a second time; keep one")
            .note(placeOf(earlier->second->keyPosition) + ": first set here");
      std::string valueWhere = placeOf(member.value.position());
      if (Status s = detail::readField(merged, *row, member.value, valueWhere); !s)
        return s;
      merged.places[row->name] = valueWhere;
    } else if (const ForeignKey *foreign = detail::findForeignKey(name)) {
      if (!foreign->neutral)
        warn(warnings, where + ": key " + quoted(name) + " has no effect here: " + foreign->reason);
      else if (!detail::isNeutral(*foreign, member.value))
        return makeError(placeOf(member.value.position()),
                         quoted(name) + ": " + quoted(json::dump(member.value), 40) +
                             " is not supported: " + foreign->reason);
    } else {
      warn(warnings, where + ": unknown key " + quoted(name) + " is ignored" +
                         didYouMean(name, trainConfigKeys()));
    }
  }
  if (given.count("eval_steps") && merged.evalSteps && merged.whereOf("eval_strategy").empty())
    merged.evalStrategy = "steps";
  if (given.count("report_to"))
    for (const std::string &name : merged.reportTo)
      if (!isReporter(name))
        warn(warnings, merged.whereOf("report_to") + ": 'report_to' " + quoted(name) +
                           " has no effect here: ftc writes TensorBoard's event files "
                           "('tensorboard') and --metrics");
  if (merged.tokensPerStep() > INT32_MAX)
    return makeError(
        merged.whereOf(given.count("max_length") ? "max_length" : "per_device_train_batch_size"),
        "per_device_train_batch_size x max_length is " + std::to_string(merged.tokensPerStep()) +
            " tokens; a step has at most 2147483647");
  *this = std::move(merged);
  return Status::ok();
}

json::Value TrainConfig::toValue() const {
  json::Value object = json::Value::object();
  for (const TrainConfigRow &row : detail::trainConfigRows())
    object.appendMember({row.name, {}, detail::writeField(*this, row)});
  return object;
}

std::string TrainConfig::printResolved() const {
  std::string text;
  for (const TrainConfigRow &row : detail::trainConfigRows())
    text += std::string(row.name) + ": " + yamlText(detail::writeField(*this, row)) + '\n';
  return text;
}

std::string TrainConfig::whereOf(std::string_view key) const {
  auto found = places.find(key);
  return found == places.end() ? std::string() : found->second;
}

Status applySet(TrainConfig &config, std::string_view assignment,
                std::vector<std::string> *warnings) {
  std::string where = "--set " + std::string(assignment.substr(0, 200));
  size_t equals = assignment.find('=');
  std::string_view key = trim(assignment.substr(0, equals));
  if (equals == std::string_view::npos || key.empty())
    return makeError("--set " + quoted(assignment), "must have the form key=value");
  Result<json::Value> value = parseYaml(assignment.substr(equals + 1), where);
  if (!value)
    return value.takeError();
  // Line 1, column 1 of a flag says nothing.
  value->setPosition({});
  json::Value object = json::Value::object();
  object.set(std::string(key), std::move(*value));
  return config.merge(object, where, warnings);
}

std::optional<ConfigDifference> firstCompileTimeDifference(const TrainConfig &left,
                                                           const TrainConfig &right) {
  for (const TrainConfigRow &row : detail::trainConfigRows()) {
    if (row.when != When::Compile)
      continue;
    json::Value a = detail::writeField(left, row), b = detail::writeField(right, row);
    bool same = std::string_view(row.name) == "optim"
                    ? optimizerFamily(left.optim) == optimizerFamily(right.optim)
                    : a == b;
    if (!same)
      return ConfigDifference{row.name, yamlText(a), yamlText(b)};
  }
  return std::nullopt;
}

std::vector<std::string_view> trainConfigKeys() {
  std::vector<std::string_view> names;
  for (const TrainConfigRow &row : detail::trainConfigRows())
    names.push_back(row.name);
  return names;
}

bool isCompileTimeKey(std::string_view key) {
  const TrainConfigRow *row = detail::findTrainConfigRow(key);
  return row && row->when == When::Compile;
}

} // namespace ftc
