//===- SafetensorsDirectory.cpp - tensors across files ---------------------===//
// One file, or the shards of an index whose file names are not trusted.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Safetensors.h"

#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/ObjectReader.h"

#include <algorithm>

namespace ftc {

namespace {

bool endsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// A name that stays within its directory.
bool isPlainName(const std::string &name) {
  return !name.empty() && name.size() <= 255 && name[0] != '.' &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

} // namespace

Result<SafetensorsDirectory> SafetensorsDirectory::open(const std::string &directoryOrFile) {
  SafetensorsDirectory result;
  result.source = directoryOrFile;
  if (isDirectory(directoryOrFile)) {
    result.source.clear();
    for (const char *name :
         {"model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors"}) {
      std::string candidate = joinPath(directoryOrFile, name);
      if (fileExists(candidate)) {
        result.source = candidate;
        break;
      }
    }
    if (result.source.empty())
      return makeError(directoryOrFile,
                       "has no weights; model.safetensors, model.safetensors.index.json or "
                       "adapter_model.safetensors is expected");
  }
  Status read = endsWith(result.source, ".json") ? result.openIndex(result.source)
                                                 : result.addShard(result.source);
  if (!read)
    return read.takeError();
  if (Status s = result.finish(); !s)
    return s.takeError();
  return result;
}

Status SafetensorsDirectory::addShard(const std::string &path) {
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file)
    return file.takeError();
  shards.push_back(std::make_unique<SafetensorsFile>(std::move(*file)));
  return Status::ok();
}

Status SafetensorsDirectory::openIndex(const std::string &path) {
  Result<json::Value> root = json::parseFile(path);
  if (!root)
    return root.takeError();
  json::ObjectReader reader(*root, path);
  Result<const json::Value *> map = reader.getObject("weight_map");
  if (!map)
    return map.takeError();
  if ((*map)->members().empty())
    return reader.errorAt("weight_map", "is empty; it must name at least one tensor");

  auto placeOf = [&](json::Position at) { return place(path, at.line, at.column); };
  std::map<std::string, const json::Member *> names; // file -> first entry, by name for determinism
  for (const json::Member &member : (*map)->members()) {
    const std::string *name = member.value.asString();
    if (!name || !isPlainName(*name))
      return makeError(placeOf(member.value.position()),
                       "tensor " + quoted(member.key) +
                           ": the shard must be a plain file name, got " +
                           (name ? quoted(*name) : json::describe(member.value.kind())));
    names.emplace(*name, &member);
  }
  std::map<std::string, const SafetensorsFile *> files;
  for (const auto &[name, member] : names) {
    if (Status s = addShard(joinPath(directoryName(path), name)); !s)
      return s.takeError().note(placeOf(member->value.position()) +
                                ": the index names this shard here");
    files[name] = shards.back().get();
  }
  for (const json::Member &member : (*map)->members()) {
    const std::string &name = *member.value.asString();
    if (!files[name]->find(member.key))
      return makeError(placeOf(member.keyPosition), "tensor " + quoted(member.key) + " is not in " +
                                                        quoted(name) +
                                                        ", where the index says it is");
  }
  return Status::ok();
}

Status SafetensorsDirectory::finish() {
  for (const std::unique_ptr<SafetensorsFile> &shard : shards)
    for (const TensorView &view : shard->tensors())
      all.push_back(&view);
  std::sort(all.begin(), all.end(),
            [](const TensorView *a, const TensorView *b) { return a->name < b->name; });
  for (size_t i = 1; i < all.size(); ++i) {
    if (all[i - 1]->name != all[i]->name)
      continue;
    std::string holders;
    for (const std::unique_ptr<SafetensorsFile> &shard : shards)
      if (shard->find(all[i]->name))
        holders += (holders.empty() ? "" : " and ") + quoted(baseName(shard->path()));
    return makeError(source, "tensor " + quoted(all[i]->name) + " is in " + holders +
                                 "; it must be in one shard only");
  }
  return Status::ok();
}

const TensorView *SafetensorsDirectory::find(std::string_view name) const {
  auto found = std::lower_bound(
      all.begin(), all.end(), name,
      [](const TensorView *view, std::string_view key) { return view->name < key; });
  return found != all.end() && (*found)->name == name ? *found : nullptr;
}

std::string SafetensorsDirectory::fileOf(std::string_view name) const {
  for (const std::unique_ptr<SafetensorsFile> &shard : shards)
    if (shard->find(name))
      return shard->path();
  return {};
}

} // namespace ftc
