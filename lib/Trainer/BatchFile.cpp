//===- BatchFile.cpp - one batch from a safetensors file -------------------===//
// Checks names, types and shapes; values are narrowed to int32.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/BatchFile.h"

#include "ftc/Support/Safetensors.h"

namespace ftc::trainer {

namespace {

bool isMaskType(DType dtype) {
  switch (dtype) {
  case DType::BOOL:
  case DType::U8:
  case DType::I8:
  case DType::I16:
  case DType::U16:
  case DType::I32:
  case DType::U32:
  case DType::I64:
    return true;
  default:
    return false;
  }
}

Status readTensor(const std::string &path, const TensorView &tensor, bool mask,
                  std::vector<int32_t> &values) {
  std::string what = "tensor " + quoted(tensor.name) + " is " + tensor.typeString();
  bool isRight =
      mask ? isMaskType(tensor.dtype) : tensor.dtype == DType::I32 || tensor.dtype == DType::I64;
  if (!isRight)
    return makeError(path, what + "; it must be I32 or I64" + (mask ? ", or BOOL" : ""));
  Result<std::vector<int64_t>> wide = tensor.toInt64();
  if (!wide)
    return makeError(path, what + ": " + wide.error().message);
  values.clear();
  values.reserve(wide->size());
  for (int64_t value : *wide) {
    if (value < INT32_MIN || value > INT32_MAX)
      return makeError(path, "tensor " + quoted(tensor.name) + " element " +
                                 std::to_string(values.size()) + " is " + std::to_string(value) +
                                 "; it must fit 32 bits");
    values.push_back(static_cast<int32_t>(value));
  }
  return Status::ok();
}

} // namespace

Result<BatchFile> BatchFile::load(const std::string &path, std::vector<std::string> *warnings) {
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file)
    return file.takeError();
  BatchFile batch;
  batch.name = path;

  static const std::vector<std::string_view> known = {"input_ids", "labels", "position_ids",
                                                      "cu_seqlens", "attention_mask"};
  for (const TensorView &tensor : file->tensors()) {
    bool isKnown = false;
    for (std::string_view name : known)
      isKnown |= name == tensor.name;
    if (!isKnown && warnings)
      warnings->push_back(path + ": tensor " + quoted(tensor.name) + " is ignored" +
                          didYouMean(tensor.name, known));
  }
  const TensorView *inputIds = file->find("input_ids"), *labels = file->find("labels");
  const TensorView *positions = file->find("position_ids"), *seqlens = file->find("cu_seqlens");
  const TensorView *mask = file->find("attention_mask");
  for (auto [tensor, name] : {std::pair(inputIds, "input_ids"), std::pair(labels, "labels")})
    if (!tensor)
      return makeError(path, std::string("has no tensor '") + name +
                                 "'; a batch has input_ids and labels");

  const std::vector<int64_t> &shape = inputIds->shape;
  if (shape.empty() || shape.size() > 2 || inputIds->elements() == 0)
    return makeError(path, "tensor 'input_ids' is " + inputIds->typeString() +
                               "; it must be [batch, length] or packed [length], and not empty");
  for (const TensorView *tensor : {labels, positions, mask})
    if (tensor && tensor->shape != shape)
      return makeError(path, "tensor " + quoted(tensor->name) + " has shape " +
                                 shapeString(tensor->shape) + " and 'input_ids' " +
                                 shapeString(shape) + "; they must be equal");
  batch.rank = static_cast<int32_t>(shape.size());
  batch.rows = batch.rank == 2 ? shape[0] : 1;
  batch.length = shape.back();
  if (seqlens && (batch.rank != 1 || seqlens->shape.size() != 1 || seqlens->shape[0] < 2))
    return makeError(path, "tensor 'cu_seqlens' is " + seqlens->typeString() +
                               " beside input_ids " + shapeString(shape) +
                               "; it belongs to packed input_ids [length] and "
                               "must be [segments + 1]");
  if (mask && batch.rank != 2)
    return makeError(path, "tensor 'attention_mask' belongs to input_ids [batch, length]; packed "
                           "input_ids have cu_seqlens or position_ids");

  struct Part {
    const TensorView *tensor;
    std::vector<int32_t> &values;
  };
  for (const Part &part : {Part{inputIds, batch.inputIds}, Part{labels, batch.labels},
                           Part{positions, batch.positionIds}, Part{seqlens, batch.cuSeqlens},
                           Part{mask, batch.attentionMask}})
    if (part.tensor)
      if (Status s = readTensor(path, *part.tensor, part.tensor == mask, part.values); !s)
        return s.takeError();
  return batch;
}

ftc_batch BatchFile::view() const {
  auto pointer = [](const std::vector<int32_t> &v) { return v.empty() ? nullptr : v.data(); };
  ftc_batch batch{};
  batch.struct_size = sizeof batch;
  batch.rank = rank;
  batch.rows = rows;
  batch.length = length;
  batch.input_ids = inputIds.data();
  batch.labels = labels.data();
  batch.position_ids = pointer(positionIds);
  batch.cu_seqlens = pointer(cuSeqlens);
  batch.segments = cuSeqlens.empty() ? 0 : static_cast<int64_t>(cuSeqlens.size()) - 1;
  batch.attention_mask = pointer(attentionMask);
  return batch;
}

} // namespace ftc::trainer
