//===- SafetensorsFuzz.cpp - one safetensors file ---------------------------===//
// What is taken must lie within the file, tile it, and be readable to its last byte.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "ftc/Support/Safetensors.h"

#include <algorithm>

using namespace ftc;
using fuzz::require;

static uint64_t checkTensor(const TensorView &view, const MappedFile &file) {
  const auto *data = static_cast<const uint8_t *>(view.data);
  require(tensorBytes(view.dtype, view.shape) == view.bytes, "a tensor of another size", view.name);
  if (view.bytes == 0) {
    require(!data, "an empty tensor with data", view.name);
    return 0;
  }
  require(data >= file.data() + 8 && data + view.bytes <= file.data() + file.size(),
          "a tensor outside its file", view.name);
  // Read byte by byte: the sanitizer knows where the file ends.
  uint64_t sum = 0;
  for (uint64_t i = 0; i < view.bytes; ++i)
    sum += data[i];
  if (isConvertibleFloat(view.dtype)) {
    Result<std::vector<float>> values = view.toF32();
    require(values && values->size() == static_cast<size_t>(view.elements()),
            "a float tensor is not converted", view.name);
  } else if (Result<std::vector<int64_t>> values = view.toInt64(); values) {
    require(values->size() == static_cast<size_t>(view.elements()), "integers are lost", view.name);
  }
  return sum;
}

void fuzz::readInput(std::string_view input) {
  static ScratchFile scratch("model.safetensors");
  Result<SafetensorsFile> file = SafetensorsFile::open(scratch.write(input));
  if (!file)
    return checkError(file.error(), scratch.path());
  uint64_t bytes = 0;
  const std::vector<TensorView> &tensors = file->tensors();
  for (size_t i = 0; i < tensors.size(); ++i) {
    require(i == 0 || tensors[i - 1].name < tensors[i].name, "names are not in order");
    require(file->find(tensors[i].name) == &tensors[i], "a tensor is not found by its name");
    checkTensor(tensors[i], file->mapping());
    bytes += tensors[i].bytes;
  }
  uint64_t header = 0;
  for (int i = 7; i >= 0; --i)
    header = header << 8 | static_cast<uint8_t>(input[static_cast<size_t>(i)]);
  require(8 + header + bytes == input.size(), "the tensors do not fill the file");
}
