//===- Passes.cpp - debugging passes of the CPU target --------------------===//
// launch-lower-kernels-to-loops.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Target/CPU/Passes.h"
#include "CodeGen.h"
#include "ftc/Target/CPU/CPU.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace ftc::cpu {
#define GEN_PASS_DEF_LOWERKERNELSTOLOOPS
#include "ftc/Target/CPU/Passes.h.inc"
} // namespace ftc::cpu

using namespace mlir;
using namespace ftc;
using namespace ftc::cpu;

namespace {

struct LowerKernelsToLoops : cpu::impl::LowerKernelsToLoopsBase<LowerKernelsToLoops> {
  using LowerKernelsToLoopsBase::LowerKernelsToLoopsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::unique_ptr<llvm::TargetMachine> machine = createTargetMachine(module, arch);
    if (!machine)
      return signalPassFailure();
    OwningOpRef<ModuleOp> loops = ModuleOp::create(module.getLoc());
    FailureOr<std::vector<LoweredKernel>> kernels =
        lowerKernels(module, *loops, getNativeLanes(*machine));
    if (failed(kernels))
      return signalPassFailure();
    numKernels += kernels->size();
    module.getBodyRegion().takeBody(loops->getBodyRegion());
    for (StringRef name : {launch::kTokensAttr, launch::kMaxSegmentsAttr, launch::kArenaBytesAttr})
      module->removeAttr(name);
  }
};

} // namespace
