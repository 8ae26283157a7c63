//===- IndexFuzz.cpp - the index of a model's shards ------------------------===//
// Beside the index lie two shards that are sound; what is taken must name them alone.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Safetensors.h"

using namespace ftc;

/// A safetensors file with one U8 tensor of each name.
static std::string shardOf(std::initializer_list<const char *> names) {
  std::string header = "{", data;
  for (const char *name : names) {
    std::string begin = std::to_string(data.size()), end = std::to_string(data.size() + 1);
    header += header.size() > 1 ? "," : "";
    header += '"' + std::string(name) + "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[" +
              begin + "," + end + "]}";
    data += 'x';
  }
  header += '}';
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size());
  return length + header + data;
}

void fuzz::readInput(std::string_view input) {
  static ScratchFile first("m-1.safetensors"), second("m-2.safetensors");
  static ScratchFile index("model.safetensors.index.json");
  static const bool made =
      !first.write(shardOf({"a", "b"})).empty() && !second.write(shardOf({"b", "c"})).empty();
  require(made, "no shards");
  Result<SafetensorsDirectory> model = SafetensorsDirectory::open(index.write(input));
  // Of a shard's own errors the shard is the place.
  std::string folder = directoryName(index.path());
  if (!model)
    return checkError(model.error(), folder);
  require(!model->files().empty() && model->files().size() <= 2, "a shard that is none");
  for (const TensorView *view : model->tensors()) {
    require(model->find(view->name) == view, "a tensor is not found by its name", view->name);
    require(directoryName(model->fileOf(view->name)) == folder, "a shard from elsewhere");
  }
}
