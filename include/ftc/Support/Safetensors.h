//===- Safetensors.h - strict reader of safetensors files ------------------===//
// Memory-mapped tensors by name, from one file or a sharded directory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_SAFETENSORS_H
#define FTC_SUPPORT_SAFETENSORS_H

#include "ftc/Support/DType.h"
#include "ftc/Support/MappedFile.h"

#include <map>
#include <memory>
#include <vector>

namespace ftc {

/// One tensor of a mapped file: row-major, little-endian, `bytes` long. `data` is valid as long as
/// the file object lives and may be misaligned for its dtype (the format does not promise
/// alignment): read it with memcpy or the accessors below. It is null when `bytes` is 0.
struct TensorView {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape; ///< empty for a scalar; a dimension may be 0
  const void *data = nullptr;
  uint64_t bytes = 0;

  /// The product of the dimensions, 1 for a scalar.
  int64_t elements() const;
  /// `F32 [2, 3]` for messages.
  std::string typeString() const;
  bool isAligned() const;
  /// All elements as f32; fails when the dtype is not F16, BF16, F32 or F64.
  Result<std::vector<float>> toF32() const;
  /// All elements of an integer tensor (I32, I64, U8, I8, I16, U16, U32, BOOL) as int64.
  Result<std::vector<int64_t>> toInt64() const;
};

/// `[2, 3]`; of more than 16 dimensions the first
std::string shapeString(const std::vector<int64_t> &shape);
/// Bytes of a dense tensor; nothing on a negative dimension, on overflow of uint64, or when the
/// bits do not fill whole bytes.
std::optional<uint64_t> tensorBytes(DType dtype, const std::vector<int64_t> &shape);

/// One safetensors file. The header is checked completely before any tensor is handed out: length
/// (at most 100,000,000 bytes, all within the file), strict JSON, known dtypes, integer dimensions
/// and offsets, byte sizes equal to the checked product of the shape, and offsets that tile the
/// data exactly. Beyond the format: at most 64 dimensions, names without NUL.
class SafetensorsFile {
public:
  static Result<SafetensorsFile> open(const std::string &path);

  /// Sorted by name (bytewise).
  const std::vector<TensorView> &tensors() const { return views; }
  /// Null when absent.
  const TensorView *find(std::string_view name) const;
  /// `__metadata__`, sorted by key.
  const std::map<std::string, std::string> &metadata() const { return meta; }
  const std::string &path() const { return file.path(); }
  const MappedFile &mapping() const { return file; }

private:
  explicit SafetensorsFile(MappedFile mapped) : file(std::move(mapped)) {}

  MappedFile file;
  std::vector<TensorView> views;
  std::map<std::string, std::string> meta;
};

/// The tensors of a model or adapter: one `.safetensors` file, a `.safetensors.index.json`, or a
/// directory with the first of `model.safetensors`, `model.safetensors.index.json`,
/// `adapter_model.safetensors`. Of a sharded model every file of the index must be there, under a
/// plain name (no `/`, no `..`), hold the tensors that the index says, and no tensor twice.
class SafetensorsDirectory {
public:
  static Result<SafetensorsDirectory> open(const std::string &directoryOrFile);

  /// All tensors of all shards, sorted by name.
  const std::vector<const TensorView *> &tensors() const { return all; }
  const TensorView *find(std::string_view name) const;
  /// The path of the file that holds the tensor; empty when absent.
  std::string fileOf(std::string_view name) const;
  const std::vector<std::unique_ptr<SafetensorsFile>> &files() const { return shards; }
  /// What was opened, for messages: the file, or the index.
  const std::string &path() const { return source; }

private:
  SafetensorsDirectory() = default;
  Status addShard(const std::string &path);
  Status openIndex(const std::string &path);
  Status finish();

  std::string source;
  std::vector<std::unique_ptr<SafetensorsFile>> shards;
  std::vector<const TensorView *> all;
};

} // namespace ftc

#endif // FTC_SUPPORT_SAFETENSORS_H
