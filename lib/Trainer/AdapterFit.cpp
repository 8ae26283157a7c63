//===- AdapterFit.cpp - an adapter's config beside the package's -----------===//
// The keys that change what equal tensors compute.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "AdapterFit.h"

#include "ftc/Support/AtomicFile.h"

namespace ftc::trainer {

namespace {

const char kConfig[] = "adapter_config.json";

/// A key and what its absence means; without that it is compared where both have it.
struct Key {
  const char *name;
  json::Value absent;
};

/// Numbers by value: 16 and 16.0 are one scale.
bool sameValue(const json::Value &a, const json::Value &b) {
  if (a.isNumber() && b.isNumber())
    return *a.asDouble() == *b.asDouble();
  if (!a.isObject() || !b.isObject())
    return a == b;
  if (a.members().size() != b.members().size())
    return false;
  for (const json::Member &member : a.members()) {
    const json::Value *other = b.find(member.key);
    if (!other || !sameValue(member.value, *other))
      return false;
  }
  return true;
}

Status compare(const std::vector<Key> &keys, const json::Value &compiled, const json::Value &given,
               const std::string &package, const std::string &path) {
  for (const Key &key : keys) {
    const json::Value *ours = compiled.find(key.name), *theirs = given.find(key.name);
    const json::Value &left = ours && !ours->isNull() ? *ours : key.absent;
    const json::Value &right = theirs && !theirs->isNull() ? *theirs : key.absent;
    if ((!ours && !theirs) || left.isNull() || right.isNull() || sameValue(left, right))
      continue;
    json::Position at = theirs ? theirs->position() : json::Position();
    return makeError(place(path, at.line, at.column),
                     quoted(key.name) + " is " + json::dump(right).substr(0, 100) + ", and " +
                         package + " was compiled for an adapter with " +
                         json::dump(left).substr(0, 100) +
                         "; compile for this adapter, or give weights of the package's");
  }
  return Status::ok();
}

} // namespace

Status checkAdapterConfig(const Package &package, const std::string &directory) {
  const std::string path = joinPath(directory, kConfig);
  if (!fileExists(path))
    return Status::ok();
  Result<std::vector<PackageFile>> files = package.files();
  if (!files)
    return files.takeError();
  Result<json::Value> compiled = json::Value();
  for (const PackageFile &file : *files)
    if (file.name == kConfig)
      compiled = json::parse(file.text, package.path() + ": " + kConfig);
  if (!compiled)
    return compiled.takeError();
  Result<json::Value> given = json::parseFile(path);
  if (!given)
    return given.takeError();
  if (!compiled->isObject() || !given->isObject())
    return Status::ok();

  static const std::vector<Key> keys = {{"peft_type", nullptr},
                                        {"lora_alpha", 8},
                                        {"alpha", 8},
                                        {"use_rslora", false},
                                        {"use_dora", false}};
  static const std::vector<Key> patterns = {{"alpha_pattern", json::Value::object()}};
  // Of AdapterHub's methods, in their member `config`.
  static const std::vector<Key> nested = {
      {"scaling", nullptr},           {"non_linearity", nullptr},
      {"is_parallel", nullptr},       {"original_ln_before", nullptr},
      {"original_ln_after", nullptr}, {"ln_before", nullptr},
      {"ln_after", nullptr},          {"residual_before_ln", nullptr}};
  if (Status s = compare(keys, *compiled, *given, package.path(), path); !s)
    return s;
  // In a model with routed experts PEFT turns names of modules into names of parameters, and
  // patterns with them; the package's config is turned.
  static const json::Value none;
  auto parameters = [](const json::Value &config) -> const json::Value & {
    const json::Value *value = config.find("target_parameters");
    return value ? *value : none;
  };
  if (parameters(*compiled) == parameters(*given))
    if (Status s = compare(patterns, *compiled, *given, package.path(), path); !s)
      return s;
  const json::Value *ours = compiled->find("config"), *theirs = given->find("config");
  return ours && theirs ? compare(nested, *ours, *theirs, package.path(), path) : Status::ok();
}

} // namespace ftc::trainer
