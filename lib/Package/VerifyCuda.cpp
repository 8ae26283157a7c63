//===- VerifyCuda.cpp - checks on packages for the target cuda -------------===//
// Launch shapes, groups of batched launches, sources and cubins.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Verifier.h"

#include <algorithm>
#include <cstring>
#include <elf.h>

namespace ftc {

namespace {

constexpr uint32_t warp = 32, mostThreads = 1024;
// What a block can ask for on sm_90 and sm_100, where it is most.
constexpr uint32_t mostSharedBytes = 227 * 1024;
constexpr uint32_t mostBatchArguments = 16;
constexpr uint64_t mostBlocks = INT32_MAX;
// More device memory than any GPU has.
constexpr uint64_t mostWorkspace = uint64_t{1} << 40;

bool isDigit(char c) { return c >= '0' && c <= '9'; }

bool isIdentifier(std::string_view text) {
  return !text.empty() && !isDigit(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || isDigit(c) || c == '_';
         });
}

/// A path below a folder that headers are written to: `ftc/Kernels/CUDA/Map.h`.
bool isIncludeName(std::string_view name) {
  while (!name.empty()) {
    size_t end = std::min(name.find('/'), name.size());
    std::string_view part = name.substr(0, end);
    if (part.empty() || part == "." || part == ".." || end + 1 == name.size())
      return false;
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return true;
}

bool holdsNul(const flatbuffers::String &text) {
  return text.string_view().find('\0') != std::string_view::npos;
}

bool isElf64(const flatbuffers::Vector<uint8_t> &code) {
  unsigned char ident[EI_NIDENT];
  if (code.size() < sizeof(Elf64_Ehdr))
    return false;
  std::memcpy(ident, code.data(), sizeof ident);
  return std::memcmp(ident, ELFMAG, SELFMAG) == 0 && ident[EI_CLASS] == ELFCLASS64 &&
         ident[EI_DATA] == ELFDATA2LSB;
}

} // namespace

bool isCudaArch(std::string_view arch) {
  constexpr std::string_view prefix = "sm_";
  if (arch.substr(0, prefix.size()) != prefix)
    return false;
  arch.remove_prefix(prefix.size());
  if (!arch.empty() && (arch.back() == 'a' || arch.back() == 'f'))
    arch.remove_suffix(1);
  return arch.size() >= 2 && arch.size() <= 3 && std::all_of(arch.begin(), arch.end(), isDigit);
}

Status PackageVerifier::cudaKernel(const package::Kernel &kernel, const std::string &where) {
  if (!isIdentifier(kernel.symbol()->string_view()))
    return fail(where,
                "the symbol " + quoted(kernel.symbol()->string_view()) + " is no identifier of C");
  if (kernel.threads() < 1 || kernel.threads() > mostThreads || kernel.threads() % warp != 0)
    return fail(where, "threads is " + std::to_string(kernel.threads()) +
                           ", not a multiple of 32 up to 1024");
  if (kernel.items() < 1)
    return fail(where, "items is " + std::to_string(kernel.items()) + ", below 1");
  if (kernel.shared_bytes() > mostSharedBytes)
    return fail(where, "shared_bytes is " + std::to_string(kernel.shared_bytes()) + ", over " +
                           std::to_string(mostSharedBytes));
  return Status::ok();
}

Status PackageVerifier::batch(const package::Kernel &kernel, const package::Launch &launch,
                              const std::string &where) {
  uint64_t groups = launch.batch();
  if (groups < 1)
    return fail(where, "batch is 0, below 1");
  if (groups > 1 && (!isCuda(root) || kernel.gemm()))
    return fail(where, "batch is " + std::to_string(groups) +
                           ", but only kernels of CUDA can be batched, and no product");
  if (groups > 1 && kernel.args()->size() > mostBatchArguments)
    return fail(where, "it is batched, but the kernel has " +
                           std::to_string(kernel.args()->size()) + " arguments, over 16");
  if (launch.operands()->size() != groups * kernel.args()->size())
    return fail(where,
                "has " + std::to_string(launch.operands()->size()) +
                    " operands, but the kernel has " + std::to_string(kernel.args()->size()) +
                    " arguments" +
                    (groups > 1 ? " for each of " + std::to_string(groups) + " groups" : ""));
  uint64_t grids = launch.grids() ? launch.grids()->size() : 0;
  if (grids != (groups > 1 ? groups : 0))
    return fail(where, "has " + std::to_string(grids) + " grids, but " + std::to_string(groups) +
                           (groups > 1 ? " groups" : " group, whose grid is the launch's"));
  uint64_t sum = 0;
  for (uint32_t group = 0; groups > 1 && group < groups; ++group) {
    int64_t grid = launch.grids()->Get(group);
    if (grid < 1 || grid > launch.grid())
      return fail(where, "grid " + std::to_string(group) + " is " + std::to_string(grid) +
                             ", not within 1 and the launch's " + std::to_string(launch.grid()));
    sum += static_cast<uint64_t>(grid); // cannot overflow: there are fewer than 2^29 groups
    if (sum > static_cast<uint64_t>(launch.grid()))
      break;
  }
  if (groups > 1 && sum != static_cast<uint64_t>(launch.grid()))
    return fail(where, "grid is " + std::to_string(launch.grid()) +
                           ", but its groups' add up to another number");
  if (isCuda(root) && !kernel.gemm() && launchBlocks(kernel, launch) > mostBlocks)
    return fail(where, "has " + std::to_string(launchBlocks(kernel, launch)) + " blocks, over " +
                           std::to_string(mostBlocks));
  return Status::ok();
}

Status PackageVerifier::cudaCode() {
  if (root.code() && root.code()->size() > 0)
    return fail("code", "is for the target 'cpu'; this package has sources");
  if (root.product_workspace() > mostWorkspace)
    return fail("product_workspace", "is " + std::to_string(root.product_workspace()) + ", over " +
                                         std::to_string(mostWorkspace));
  if (Status status = cudaSources(); !status)
    return status;
  return cubins();
}

Status PackageVerifier::cudaSources() {
  if (!root.sources() || root.sources()->size() == 0)
    return fail("sources", "are missing, but the target is 'cuda'");
  names.clear();
  for (uint32_t i = 0; i < root.sources()->size(); ++i) {
    const package::File &source = *root.sources()->Get(i);
    std::string where = "source " + std::to_string(i);
    if (Status status = unique(source.name(), where); !status)
      return status;
    where += ' ' + quoted(source.name()->string_view());
    if (!isIncludeName(source.name()->string_view()))
      return fail(where, "the name is no path below a folder");
    if (source.text()->size() == 0 || holdsNul(*source.text()))
      return fail(where, "the text is empty or holds a NUL");
  }
  std::sort(names.begin(), names.end());
  auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end())
    return fail("sources", "two are named " + quoted(*twice));
  return Status::ok();
}

Status PackageVerifier::cubins() {
  if (!root.cubins())
    return Status::ok();
  std::vector<std::string_view> archs;
  for (uint32_t i = 0; i < root.cubins()->size(); ++i) {
    const package::Cubin &cubin = *root.cubins()->Get(i);
    std::string where = "cubin " + std::to_string(i);
    std::string_view arch = cubin.arch()->string_view();
    if (!isCudaArch(arch))
      return fail(where, "arch " + quoted(arch) +
                             " is no architecture of CUDA; one is named like 'sm_90'");
    if (!isElf64(*cubin.code()))
      return fail(where, "is no 64-bit ELF image");
    archs.push_back(arch);
  }
  std::sort(archs.begin(), archs.end());
  auto twice = std::adjacent_find(archs.begin(), archs.end());
  if (twice != archs.end())
    return fail("cubins", "two are for " + quoted(*twice));
  return Status::ok();
}

} // namespace ftc
