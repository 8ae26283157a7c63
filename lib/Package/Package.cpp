//===- Package.cpp - reading and sealing package files ---------------------===//
// Size, identifier, checksum, structure; then the verifier. And the trailer for writers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Package/Package.h"

#include "Verifier.h"
#include "ftc/Package/CpuAbi.h"
#include "ftc/Support/Hash.h"
#include "ftc/Support/Json.h"
#include "lib/Package/SchemaText.h"

#include <algorithm>
#include <cstring>

namespace ftc {

namespace {

constexpr size_t prefixBytes = sizeof(flatbuffers::uoffset_t);
constexpr size_t trailerBytes = sizeof(Hash128::bytes);
// The size prefix, the root's offset, the identifier.
constexpr size_t leastBytes = prefixBytes + sizeof(flatbuffers::uoffset_t) +
                              flatbuffers::FlatBufferBuilder::kFileIdentifierLength + trailerBytes;
// FlatBuffers' offsets are 32 bits wide, signed.
constexpr size_t mostBytes = FLATBUFFERS_MAX_BUFFER_SIZE;
// The schema nests five deep; the largest packages hold some ten thousand launches.
constexpr unsigned maxDepth = 8;
constexpr unsigned maxTables = 1000000;
// Far over any machine's memory, and rounding and small sums of such sizes cannot overflow.
constexpr uint64_t mostTensorBytes = uint64_t{1} << 60;

Status verifyContainer(const uint8_t *data, size_t size, const std::string &name) {
  if (size < leastBytes)
    return makeError(name, "holds " + std::to_string(size) +
                               " bytes, too few for a package of ftc; is this an .ftp file?");
  if (size > mostBytes)
    return makeError(name, "is larger than a package of ftc can be (2 GiB)");
  if (!flatbuffers::BufferHasIdentifier(data, package::PackageIdentifier(), /*size_prefixed=*/true))
    return makeError(name, "is not a package of ftc: the identifier 'FTCP' is missing");
  Hash128 hash = hash128(data, size - trailerBytes);
  if (std::memcmp(hash.bytes.data(), data + size - trailerBytes, trailerBytes) != 0)
    return makeError(name, "the checksum is wrong: the file is damaged or cut off; compile or copy "
                           "it again");
  flatbuffers::uoffset_t prefix = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(data);
  if (prefix != size - prefixBytes - trailerBytes)
    return makeError(name, "the size prefix says " + std::to_string(prefix) + " bytes, but " +
                               std::to_string(size - prefixBytes - trailerBytes) + " follow it");
  flatbuffers::Verifier verifier(data, size - trailerBytes, maxDepth, maxTables);
  if (!package::VerifySizePrefixedPackageBuffer(verifier))
    return makeError(name, "is no sound package of format " + std::to_string(packageFormatVersion) +
                               ": the FlatBuffers structure does not verify");
  return Status::ok();
}

} // namespace

const std::string &schemaHash() {
  static const std::string hash = hash128(packageSchemaText()).hex();
  return hash;
}

unsigned elementBytes(package::DType dtype) {
  switch (dtype) {
  case package::DType::f32:
  case package::DType::i32:
    return 4;
  case package::DType::bf16:
  case package::DType::f16:
    return 2;
  }
  return 0;
}

std::optional<uint64_t> tensorBytes(package::DType dtype,
                                    const flatbuffers::Vector<int64_t> &shape) {
  uint64_t bytes = elementBytes(dtype);
  for (int64_t dimension : shape) {
    if (dimension < 1)
      return std::nullopt;
    std::optional<uint64_t> product = checkedMultiply(bytes, static_cast<uint64_t>(dimension));
    if (!product || *product > mostTensorBytes)
      return std::nullopt;
    bytes = *product;
  }
  return bytes;
}

std::string typeString(package::DType dtype, const flatbuffers::Vector<int64_t> &shape) {
  std::string text = package::EnumNameDType(dtype);
  text += '[';
  constexpr flatbuffers::uoffset_t mostShown = 16;
  flatbuffers::uoffset_t shown = std::min(shape.size(), mostShown);
  for (flatbuffers::uoffset_t i = 0; i < shown; ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  if (shown < shape.size())
    text += ", ... " + std::to_string(shape.size()) + " dimensions";
  return text + ']';
}

std::optional<InputKind> inputKind(std::string_view name) {
  static constexpr std::string_view names[] = {
      "input_ids", "targets", "positions", "segment_begin", "segment_end", "loss_rows", "run"};
  for (size_t i = 0; i < std::size(names); ++i)
    if (name == names[i])
      return static_cast<InputKind>(i);
  return std::nullopt;
}

uint64_t cpuScratchBytes(const package::Kernel &kernel) {
  uint64_t bytes = kernel.scratch_bytes();
  if (kernel.gemm())
    for (const package::KernelArg *arg : *kernel.args())
      if (elementBytes(arg->dtype()) == 2)
        bytes = std::max<uint64_t>(bytes, FTC_CPU_GEMM_SCRATCH);
  return bytes;
}

uint64_t cpuScratchBytes(const package::Package &package) {
  uint64_t bytes = 0;
  for (const package::Kernel *kernel : *package.kernels())
    bytes = std::max(bytes, cpuScratchBytes(*kernel));
  return alignedBytes(bytes);
}

bool isCuda(const package::Package &package) { return package.target()->string_view() == "cuda"; }

int64_t listedRows(const package::Kernel &kernel, const package::Launch &launch) {
  const package::Gemm *gemm = kernel.gemm();
  return !gemm ? launch.grid() : gemm->transpose_a() ? gemm->k() : gemm->m();
}

int64_t groupGrid(const package::Launch &launch, uint32_t group) {
  return launch.batch() == 1 ? launch.grid() : launch.grids()->Get(group);
}

uint64_t launchBlocks(const package::Kernel &kernel, const package::Launch &launch) {
  uint64_t blocks = 0, items = static_cast<uint64_t>(kernel.items());
  for (uint32_t group = 0; group < launch.batch(); ++group) {
    auto grid = static_cast<uint64_t>(groupGrid(launch, group));
    blocks += grid / items + (grid % items != 0);
  }
  return blocks;
}

Result<std::unique_ptr<Package>> Package::open(const std::string &path) {
  Result<std::string> content = readFile(path, mostBytes);
  if (!content)
    return content.takeError();
  return fromMemory(content->data(), content->size(), path);
}

Result<std::unique_ptr<Package>> Package::fromMemory(const void *data, size_t size,
                                                     std::string name) {
  std::unique_ptr<Package> result(new Package());
  result->name = std::move(name);
  result->length = size;
  // The code's alignment is relative to the start of the buffer, so that has to be aligned too.
  if (size > 0 && size <= mostBytes) {
    result->bytes.reset(
        static_cast<uint8_t *>(std::aligned_alloc(packageAlignment, alignedBytes(size))));
    if (!result->bytes)
      return makeError(result->name,
                       "there is no memory for its " + std::to_string(size) + " bytes");
    std::memcpy(result->bytes.get(), data, size);
  }
  Status status = verifyContainer(result->bytes.get(), size, result->name);
  if (!status)
    return status.takeError();
  result->content = package::GetSizePrefixedPackage(result->bytes.get());
  status = PackageVerifier(*result->content, result->name, result->tensorsByName).verify();
  if (!status)
    return status.takeError();
  return result;
}

std::optional<uint32_t> Package::findTensor(std::string_view symbol) const {
  const auto &tensors = *content->tensors();
  auto found = std::lower_bound(tensorsByName.begin(), tensorsByName.end(), symbol,
                                [&](uint32_t index, std::string_view wanted) {
                                  return tensors[index]->name()->string_view() < wanted;
                                });
  if (found == tensorsByName.end() || tensors[*found]->name()->string_view() != symbol)
    return std::nullopt;
  return *found;
}

std::optional<uint32_t> Package::findEntry(std::string_view entry) const {
  const auto &entries = *content->entries();
  for (uint32_t i = 0; i < entries.size(); ++i)
    if (entries[i]->name()->string_view() == entry)
      return i;
  return std::nullopt;
}

std::vector<uint8_t> finishPackage(flatbuffers::FlatBufferBuilder &builder,
                                   flatbuffers::Offset<package::Package> root) {
  package::FinishSizePrefixedPackageBuffer(builder, root);
  const uint8_t *data = builder.GetBufferPointer();
  std::vector<uint8_t> file(data, data + builder.GetSize());
  Hash128 hash = hash128(file.data(), file.size());
  file.insert(file.end(), hash.bytes.begin(), hash.bytes.end());
  return file;
}

std::vector<uint8_t> finishPackage(const package::PackageT &package) {
  flatbuffers::FlatBufferBuilder builder;
  return finishPackage(builder, package::Package::Pack(builder, &package));
}

} // namespace ftc
