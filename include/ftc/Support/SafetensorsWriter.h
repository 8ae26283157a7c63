//===- SafetensorsWriter.h - streaming writer of safetensors files ---------===//
// Declare the tensors, write their bytes, finish; the file appears whole.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_SAFETENSORSWRITER_H
#define FTC_SUPPORT_SAFETENSORSWRITER_H

#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/DType.h"

#include <map>
#include <vector>

namespace ftc {

struct TensorDeclaration {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
};

/// Writes the bytes that the reference implementation writes: tensors sorted by dtype (widest
/// alignment first), then by name; compact JSON, metadata first (keys sorted: the reference's order
/// is a hash map's), padded with spaces to 8 bytes. Nothing stands under the final name before
/// `finish`.
class SafetensorsWriter {
public:
  using Metadata = std::map<std::string, std::string>;

  /// Fails on duplicate names, the name `__metadata__`, names with NUL, and sizes that overflow.
  static Result<SafetensorsWriter>
  create(const std::string &path, std::vector<TensorDeclaration> tensors, Metadata metadata = {});

  /// The declarations in file order: writing in this order writes the disk in order.
  const std::vector<TensorDeclaration> &order() const { return sorted; }

  /// Appends bytes to one tensor; tensors may be written in any order, and each in pieces. Fails
  /// on an unknown name and on more bytes than the tensor has.
  Status write(std::string_view name, const void *data, uint64_t bytes);
  /// Appends f32 values converted to the tensor's dtype (F32, BF16, F16 or F64).
  Status writeF32(std::string_view name, const float *values, size_t count);

  /// Fails when a tensor is incomplete; otherwise syncs and renames.
  Status finish();

private:
  struct Slot {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    uint64_t written = 0;
    DType dtype = DType::F32;
  };
  explicit SafetensorsWriter(AtomicFile file) : file(std::move(file)) {}
  Result<Slot *> slotOf(std::string_view name);

  AtomicFile file;
  std::vector<TensorDeclaration> sorted;
  std::map<std::string, Slot, std::less<>> slots;
};

} // namespace ftc

#endif // FTC_SUPPORT_SAFETENSORSWRITER_H
