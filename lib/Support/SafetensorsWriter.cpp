//===- SafetensorsWriter.cpp - streaming writer of safetensors files -------===//
// The header is fixed by the declarations; the data follows by position.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/SafetensorsWriter.h"

#include "Unicode.h"
#include "ftc/Support/Json.h"
#include "ftc/Support/Safetensors.h"

#include <algorithm>

namespace ftc {

namespace {

constexpr size_t kMaxHeaderBytes = 100'000'000;

std::string jsonString(const std::string &text) { return json::dump(json::Value(text)); }

Status checkText(const std::string &path, const char *what, const std::string &text) {
  if (text.find('\0') != std::string::npos || firstInvalidUtf8(text) != text.size())
    return makeError(path, std::string(what) + ' ' + quoted(text) + " must be UTF-8 without NUL");
  return Status::ok();
}

} // namespace

Result<SafetensorsWriter> SafetensorsWriter::create(const std::string &path,
                                                    std::vector<TensorDeclaration> tensors,
                                                    Metadata metadata) {
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorDeclaration &a, const TensorDeclaration &b) {
              return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
            });
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto &[key, value] : metadata) {
      if (Status s = checkText(path, "metadata key", key); !s)
        return s.takeError();
      if (Status s = checkText(path, "metadata value", value); !s)
        return s.takeError();
      header += (header.back() == '{' ? "" : ",") + jsonString(key) + ':' + jsonString(value);
    }
    header += '}';
  }
  std::map<std::string, Slot, std::less<>> slots;
  uint64_t offset = 0;
  for (const TensorDeclaration &tensor : tensors) {
    if (Status s = checkText(path, "tensor name", tensor.name); !s)
      return s.takeError();
    std::optional<uint64_t> bytes = tensorBytes(tensor.dtype, tensor.shape);
    uint64_t end = 0;
    if (!bytes || __builtin_add_overflow(offset, *bytes, &end) || end > uint64_t{INT64_MAX} / 2)
      return makeError(path, "tensor " + quoted(tensor.name) + ": " + dtypeName(tensor.dtype) +
                                 ' ' + shapeString(tensor.shape) + " is no size for a file");
    if (tensor.name == "__metadata__" ||
        !slots.emplace(tensor.name, Slot{offset, *bytes, 0, tensor.dtype}).second)
      return makeError(path, "tensor name " + quoted(tensor.name) + " is taken");
    header += (header.size() == 1 ? "" : ",") + jsonString(tensor.name) + ":{\"dtype\":\"" +
              dtypeName(tensor.dtype) + "\",\"shape\":[";
    for (size_t i = 0; i < tensor.shape.size(); ++i)
      header += (i ? "," : "") + std::to_string(tensor.shape[i]);
    header += "],\"data_offsets\":[" + std::to_string(offset) + ',' + std::to_string(end) + "]}";
    offset = end;
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > kMaxHeaderBytes)
    return makeError(path, "the names of " + std::to_string(tensors.size()) +
                               " tensors make a header over 100000000 bytes");

  Result<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  SafetensorsWriter writer(std::move(*file));
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i)
    length[i] = static_cast<char>(static_cast<uint64_t>(header.size()) >> (8 * i));
  if (Status s = writer.file.write(length + header); !s)
    return s.takeError();
  for (auto &[name, slot] : slots)
    slot.offset += 8 + header.size();
  writer.sorted = std::move(tensors);
  writer.slots = std::move(slots);
  return writer;
}

Result<SafetensorsWriter::Slot *> SafetensorsWriter::slotOf(std::string_view name) {
  auto found = slots.find(name);
  if (found == slots.end())
    return makeError(file.path(), "tensor " + quoted(name) + " was not declared");
  return &found->second;
}

Status SafetensorsWriter::write(std::string_view name, const void *data, uint64_t bytes) {
  Result<Slot *> slot = slotOf(name);
  if (!slot)
    return slot.takeError();
  if (bytes > (*slot)->bytes - (*slot)->written)
    return makeError(file.path(), "tensor " + quoted(name) + " has " +
                                      std::to_string((*slot)->bytes) +
                                      " bytes; more were to be written");
  if (Status s = file.writeAt((*slot)->offset + (*slot)->written, data, bytes); !s)
    return s;
  (*slot)->written += bytes;
  return Status::ok();
}

Status SafetensorsWriter::writeF32(std::string_view name, const float *values, size_t count) {
  Result<Slot *> slot = slotOf(name);
  if (!slot)
    return slot.takeError();
  DType dtype = (*slot)->dtype;
  if (dtype == DType::F32)
    return write(name, values, uint64_t{count} * sizeof(float));
  constexpr size_t kChunk = 1 << 16;
  std::vector<char> converted(std::min(count, kChunk) * sizeof(double));
  for (size_t done = 0; done < count;) {
    size_t now = std::min(kChunk, count - done);
    if (Status s = convertFromF32(dtype, values + done, converted.data(), now); !s)
      return makeError(file.path(), "tensor " + quoted(name) + ": " + s.error().message);
    if (Status s = write(name, converted.data(), uint64_t{now} * dtypeBytes(dtype)); !s)
      return s;
    done += now;
  }
  return Status::ok();
}

Status SafetensorsWriter::finish() {
  for (const TensorDeclaration &tensor : sorted) {
    const Slot &slot = slots.find(tensor.name)->second;
    if (slot.written != slot.bytes)
      return makeError(file.path(), "tensor " + quoted(tensor.name) +
                                        " is incomplete: " + std::to_string(slot.written) + " of " +
                                        std::to_string(slot.bytes) + " bytes were written");
  }
  return file.commit();
}

} // namespace ftc
