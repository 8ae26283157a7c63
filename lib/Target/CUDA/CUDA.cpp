//===- CUDA.cpp - kernels of a module as CUDA C++ -------------------------===//
// One translation unit of device code, and the headers that it includes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Target/CUDA/CUDA.h"

#include "KernelHeaders.h"
#include "KernelPrinter.h"
#include "ftc/Analysis/Report.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <set>

using namespace mlir;
using namespace ftc;
using namespace ftc::cuda;
using namespace ftc::launch;

std::vector<std::string> cuda::gpuArchitectures() {
  return {"sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"};
}

namespace {
/// How a kernel is launched over all entry points.
struct Use {
  int64_t plain = 0, batched = 0;
  llvm::SetVector<StringRef, SmallVector<StringRef>, std::set<StringRef>> entries;
  std::string site;
};
} // namespace

static llvm::MapVector<StringRef, Use> usesOf(ModuleOp module) {
  llvm::MapVector<StringRef, Use> uses;
  for (auto entry : module.getOps<EntryOp>())
    for (auto launch : entry.getBody().front().getOps<LaunchOp>()) {
      Use &use = uses[launch.getKernel()];
      ++(launch.getBatch() > 1 ? use.batched : use.plain);
      use.entries.insert(entry.getSymName());
      if (use.site.empty())
        use.site = sitePattern(launch.getSite());
    }
  return uses;
}

/// "// 65 launches of train_step, gradients: model.layers.*.input_layernorm and others\n"
static std::string commentOf(const Use &use) {
  int64_t launches = use.plain + use.batched;
  return "// " + std::to_string(launches) + (launches == 1 ? " launch of " : " launches of ") +
         llvm::join(use.entries, ", ") + ", the first at " + use.site + "\n";
}

FailureOr<std::vector<SourceFile>> cuda::printKernels(ModuleOp module) {
  std::set<std::string> headers = {"Device.h"};
  std::string text;
  struct Attributes {
    KernelOp kernel;
    PrintedKernel printed;
  };
  std::vector<Attributes> all;
  llvm::MapVector<StringRef, Use> uses = usesOf(module);
  for (auto kernel : module.getOps<KernelOp>()) {
    if (kernel.getFamily() == Family::gemm)
      continue;
    const Use &use = uses[kernel.getSymName()];
    std::string comment = commentOf(use);
    // A kernel that nothing launches is printed too: a dump may hold one.
    for (bool batched : {false, true}) {
      if (batched ? use.batched == 0 : use.plain == 0 && use.batched > 0)
        continue;
      FailureOr<PrintedKernel> printed = printKernel(kernel, batched, comment);
      if (failed(printed))
        return failure();
      headers.insert(printed->header);
      text += "\n" + printed->text;
      all.push_back({kernel, std::move(*printed)});
    }
  }
  Builder builder(module.getContext());
  for (auto &[kernel, printed] : all) {
    kernel->setAttr(kThreadsAttr, builder.getI64IntegerAttr(printed.threads));
    kernel->setAttr(kItemsAttr, builder.getI64IntegerAttr(printed.items));
    kernel->setAttr(kSharedBytesAttr, builder.getI64IntegerAttr(printed.sharedBytes));
  }
  std::string includes;
  for (const std::string &header : headers)
    includes += "#include \"" + kernelHeaderFolder().str() + header + "\"\n";
  std::vector<SourceFile> files = {
      {"kernels.cu", "// kernels.cu - the kernels of a training step, printed by ftc " FTC_VERSION
                     ".\n// Device code alone: nvcc and NVRTC take it as it is.\n" +
                         includes + text}};
  for (const std::string &header : withIncluded(headers))
    files.push_back({kernelHeaderFolder().str() + header, kernelHeader(header).str()});
  return files;
}
