//===- CPU.cpp - kernels to a native shared object ------------------------===//
// The steps of the CPU target in order.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Target/CPU/CPU.h"
#include "CodeGen.h"

#include "mlir/IR/Builders.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace ftc;
using namespace ftc::cpu;

FailureOr<CompiledKernels> cpu::compileKernels(ModuleOp module, const CpuOptions &options) {
  loadDialects(*module.getContext());
  std::unique_ptr<llvm::TargetMachine> machine = createTargetMachine(module, options.arch);
  if (!machine)
    return failure();
  OwningOpRef<ModuleOp> loops = ModuleOp::create(module.getLoc());
  FailureOr<std::vector<LoweredKernel>> kernels =
      lowerKernels(module, *loops, getNativeLanes(*machine));
  if (failed(kernels))
    return failure();

  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = lowerToLLVM(*loops, *kernels, context);
  if (!code)
    return failure();
  llvm::SmallVector<char, 0> object = emitObject(module, *code, *machine);
  if (object.empty())
    return failure();
  FailureOr<std::vector<char>> image = linkSharedObject(module, object);
  if (failed(image))
    return failure();

  Builder builder(module.getContext());
  for (LoweredKernel &lowered : *kernels) {
    double grain = std::ceil(kGrainNanoseconds / std::max(lowered.itemNanoseconds, 1e-3));
    lowered.kernel->setAttr(kSymbolAttr, builder.getStringAttr(lowered.symbol));
    lowered.kernel->setAttr(kScratchBytesAttr, builder.getI64IntegerAttr(lowered.scratchBytes));
    lowered.kernel->setAttr(kGrainAttr, builder.getI64IntegerAttr(static_cast<int64_t>(grain)));
  }
  return CompiledKernels{std::move(*image)};
}
