//===- CudaPackage.h - the toy package for the target cuda -----------------===//
// The toy of TestPackage.h with launch shapes, sources and one batched launch.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_PACKAGE_CUDAPACKAGE_H
#define FTC_TEST_UNIT_PACKAGE_CUDAPACKAGE_H

#include "TestPackage.h"

namespace ftc::test {

/// Splits the launch's operands and grid into two groups after `first` items. An operand with as
/// many elements as the grid has items is split with them, any other shared.
inline void splitIntoGroups(package::LaunchT &launch, int64_t first) {
  std::vector<Operand> groups[2];
  for (const Operand &operand : launch.operands) {
    auto items = static_cast<uint64_t>(launch.grid), front = static_cast<uint64_t>(first);
    bool divided = operand.bytes() == items * 4;
    groups[0].push_back(Operand(operand.offset(), divided ? front * 4 : operand.bytes(),
                                operand.index(), operand.region()));
    groups[1].push_back(Operand(operand.offset() + (divided ? front * 4 : 0),
                                divided ? (items - front) * 4 : operand.bytes(), operand.index(),
                                operand.region()));
  }
  launch.batch = 2;
  launch.grids = {first, launch.grid - first};
  launch.operands = groups[0];
  launch.operands.insert(launch.operands.end(), groups[1].begin(), groups[1].end());
}

/// The toy's updates run as two groups of 8 and 12 items, in one and two blocks.
inline PackageMaker cudaToy(const std::string &source, DType tableType = DType::f32) {
  PackageMaker maker = toyPackage({}, tableType);
  maker.content.target = "cuda";
  maker.content.arch = "sm_90";
  maker.content.cpu_abi = 0;
  for (auto &kernel : maker.content.kernels) {
    kernel->grain = 1;
    if (kernel->gemm)
      continue;
    kernel->symbol = "toy_" + kernel->name; // CUDA itself has a norm
    kernel->threads = 32;
    kernel->items = kernel->name == "descend" ? 8 : 16;
    kernel->shared_bytes = kernel->name == "sum" ? 128 : 0;
  }
  for (auto &entry : maker.content.entries)
    for (auto &launch : entry->launches)
      if (maker.content.kernels[launch->kernel]->name == "descend")
        splitIntoGroups(*launch, 8);
  for (auto [name, text] : {std::pair<const char *, std::string>{"kernels.cu", source},
                            {"toy/Sizes.h", "constexpr int width = 20, tokens = 24;\n"}}) {
    maker.content.sources.push_back(std::make_unique<package::FileT>());
    maker.content.sources.back()->name = name;
    maker.content.sources.back()->text = text;
  }
  maker.content.product_workspace = 4096;
  maker.sumUp();
  maker.content.memory->workspace = maker.content.product_workspace;
  return maker;
}

} // namespace ftc::test

#endif // FTC_TEST_UNIT_PACKAGE_CUDAPACKAGE_H
