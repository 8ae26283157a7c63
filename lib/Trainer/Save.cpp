//===- Save.cpp - trained weights to disk ----------------------------------===//
// Streams tensors from the instance into the files of a directory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Save.h"

#include "ftc/Mutants.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Safetensors.h"
#include "ftc/Support/SafetensorsWriter.h"

#include <algorithm>
#include <map>

namespace ftc::trainer {

namespace {

/// What a config says of its model's type, where it does.
const json::Value *dtypeOf(const json::Value *config) {
  for (const char *key : {"dtype", "torch_dtype"})
    if (const json::Value *value = config ? config->find(key) : nullptr; value && !value->isNull())
      return value;
  return nullptr;
}

} // namespace

Result<DType> modelDType(const std::vector<PackageFile> &files) {
  for (const PackageFile &file : files) {
    if (file.name != "config.json")
      continue;
    Result<json::Value> config = json::parse(file.text, file.name);
    if (!config)
      return config.takeError();
    const json::Value *dtype = dtypeOf(&*config);
    if (!dtype)
      dtype = dtypeOf(config->find("text_config"));
    if (!dtype)
      return DType::F32;
    const std::string *name = dtype->asString();
    if (name && *name == "float32")
      return DType::F32;
    if (name && *name == "bfloat16")
      return DType::BF16;
    if (name && *name == "float16")
      return DType::F16;
    return makeError(file.name, "the model's dtype is " +
                                    ftc::quoted(name ? *name : json::dump(*dtype)) +
                                    "; weights are saved as float32, bfloat16 or float16");
  }
  return DType::F32;
}

namespace {

/// One tensor of the output and where it comes from.
struct Source {
  const ftc_tensor_info *tensor;
  FileTensor file;
  DType stored;
  DType written;
};

Result<std::vector<Source>> sourcesOf(const Package &package, DType trainedType) {
  bool isModel = package.info().writes_model != 0;
  std::vector<Source> list;
  for (const ftc_tensor_info &tensor : package.tensors()) {
    bool isTrained = tensor.role == FTC_TRAINABLE;
    bool isKept = tensor.is_adapter || (tensor.role == FTC_BASE && (isModel || tensor.saved_as));
    if (!isTrained && !isKept)
      continue;
    std::optional<DType> stored = storedDType(tensor.dtype);
    if (!stored || (isTrained && *stored != DType::F32))
      return makeError(package.path(), "tensor " + quoted(tensor.key, 200) +
                                           " has a type that cannot be saved; compile again");
    DType written = *stored;
    if (isTrained)
      written = FTC_MUTATE("saved-in-bf16",
                           isModel ? trainedType : storedDType(tensor.saved).value_or(DType::F32),
                           DType::BF16);
    for (FileTensor &file : fileTensors(package, tensor)) {
      if (!isModel && tensor.saved_as)
        file.key = tensor.saved_as;
      list.push_back({&tensor, std::move(file), *stored, written});
    }
  }
  return list;
}

/// Tensors of the model that it was trained without: those whose names begin so.
std::vector<const TensorView *> tensorsOf(const SafetensorsDirectory &weights,
                                          const std::vector<std::string> &beginnings) {
  std::vector<const TensorView *> found;
  for (const TensorView *tensor : weights.tensors())
    if (std::any_of(beginnings.begin(), beginnings.end(), [&](const std::string &beginning) {
          return tensor->name.compare(0, beginning.size(), beginning) == 0;
        }))
      found.push_back(tensor);
  return found;
}

/// In pieces, but for a matrix that files have the other way round.
Status writeTensor(const Package &package, const Instance &instance, const Source &source,
                   SafetensorsWriter &writer, std::vector<float> &buffer) {
  constexpr uint64_t most = uint64_t{1} << 22;
  const ftc_tensor_info &tensor = *source.tensor;
  uint64_t piece = tensor.transposed ? source.file.bytes : most;
  for (uint64_t done = 0; done < source.file.bytes; done += piece) {
    size_t bytes = static_cast<size_t>(std::min(piece, source.file.bytes - done));
    buffer.resize((bytes + sizeof(float) - 1) / sizeof(float));
    if (Status s = instance.read(tensor.name, source.file.offset + done, buffer.data(), bytes); !s)
      return s;
    if (tensor.role == FTC_TRAINABLE) {
      if (Status s = checkFinite(package, tensor, source.written, buffer.data(), buffer.size()); !s)
        return s;
      toFileOrder(tensor, buffer);
    }
    Status written = source.stored == source.written
                         ? writer.write(source.file.key, buffer.data(), bytes)
                         : writer.writeF32(source.file.key, buffer.data(), bytes / sizeof(float));
    if (!written)
      return written;
  }
  return Status::ok();
}

Status writeWeights(const Package &package, const Instance &instance,
                    const std::vector<Source> &sources,
                    const std::vector<const TensorView *> &copied, const std::string &path) {
  std::vector<TensorDeclaration> declarations;
  std::map<std::string, const Source *> byKey;
  std::map<std::string, const TensorView *> copiedByKey;
  for (const TensorView *tensor : copied) {
    declarations.push_back({tensor->name, tensor->dtype, tensor->shape});
    copiedByKey[tensor->name] = tensor;
  }
  for (const Source &source : sources) {
    declarations.push_back({source.file.key, source.written, source.file.shape});
    byKey[source.file.key] = &source;
  }
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(path, std::move(declarations), {{"format", "pt"}});
  if (!writer)
    return writer.takeError();
  std::vector<float> buffer;
  for (const TensorDeclaration &declaration : writer->order()) {
    if (auto copy = copiedByKey.find(declaration.name); copy != copiedByKey.end()) {
      if (Status s = writer->write(declaration.name, copy->second->data, copy->second->bytes); !s)
        return s;
      continue;
    }
    if (Status s = writeTensor(package, instance, *byKey[declaration.name], *writer, buffer); !s)
      return s;
  }
  return writer->finish();
}

} // namespace

Status writeResult(const Package &package, const Instance &instance,
                   const std::string &modelWeights, const std::string &directory) {
  Result<std::vector<PackageFile>> files = package.files();
  if (!files)
    return files.takeError();
  bool isModel = package.info().writes_model != 0;
  DType trainedType = DType::F32;
  if (isModel) {
    Result<DType> dtype = modelDType(*files);
    if (!dtype)
      return makeError(package.path(), dtype.error().str());
    trainedType = *dtype;
  }
  Result<std::vector<Source>> sources = sourcesOf(package, trainedType);
  if (!sources)
    return sources.takeError();
  std::optional<SafetensorsDirectory> model; // mapped while what it has is copied
  std::vector<const TensorView *> copied;
  std::vector<std::string> leftAlone = package.leftAlone();
  if (isModel && !leftAlone.empty()) {
    Result<SafetensorsDirectory> opened = SafetensorsDirectory::open(modelWeights);
    if (!opened)
      return opened.takeError();
    model = std::move(*opened);
    copied = tensorsOf(*model, leftAlone);
  }
  for (const PackageFile &file : *files)
    if (Status s = writeFileAtomically(joinPath(directory, file.name), file.text); !s)
      return s;
  std::string weights = isModel ? "model.safetensors" : "adapter_model.safetensors";
  return writeWeights(package, instance, *sources, copied, joinPath(directory, weights));
}

} // namespace ftc::trainer
