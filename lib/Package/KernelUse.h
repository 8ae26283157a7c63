//===- KernelUse.h - how often a package runs each kernel ------------------===//
// Launches and cost by kernel, for the two forms of `ftc inspect`.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PACKAGE_KERNELUSE_H
#define FTC_PACKAGE_KERNELUSE_H

#include "ftc/Package/Package.h"

#include <vector>

namespace ftc {

/// The entry point that counts and costs are given for: `train_step`, or the first.
inline uint32_t representativeEntry(const package::Package &root) {
  for (uint32_t i = 0; i < root.entries()->size(); ++i)
    if (root.entries()->Get(i)->name()->string_view() == "train_step")
      return i;
  return 0;
}

struct KernelUse {
  uint32_t kernel = 0;
  uint64_t count = 0, flops = 0, bytes = 0; ///< in the representative entry point
  std::vector<uint64_t> launches;           ///< of each entry point
  uint64_t blocks = 0;                      ///< of its largest launch there; CUDA
  uint32_t batch = 0;                       ///< groups of that
};

/// One for each kernel, in the order of the package.
inline std::vector<KernelUse> kernelUses(const package::Package &root) {
  std::vector<KernelUse> uses(root.kernels()->size());
  uint32_t representative = representativeEntry(root), entries = root.entries()->size();
  for (uint32_t i = 0; i < uses.size(); ++i) {
    uses[i].kernel = i;
    uses[i].launches.resize(entries);
  }
  for (uint32_t i = 0; i < entries; ++i)
    for (const package::Launch *launch : *root.entries()->Get(i)->launches()) {
      KernelUse &use = uses[launch->kernel()];
      ++use.launches[i];
      if (i != representative)
        continue;
      ++use.count;
      use.flops += launch->flops();
      use.bytes += launch->bytes();
      const package::Kernel &kernel = *root.kernels()->Get(launch->kernel());
      if (uint64_t blocks = launchBlocks(kernel, *launch); blocks > use.blocks) {
        use.blocks = blocks;
        use.batch = launch->batch();
      }
    }
  return uses;
}

} // namespace ftc

#endif // FTC_PACKAGE_KERNELUSE_H
