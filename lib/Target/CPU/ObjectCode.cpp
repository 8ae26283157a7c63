//===- ObjectCode.cpp - LLVM IR to an object file -------------------------===//
// The target machine, LLVM's optimizations and the assembler.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CodeGen.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Triple.h"

#include <mutex>

using namespace mlir;
using namespace ftc;
using namespace ftc::cpu;

std::unique_ptr<llvm::TargetMachine> cpu::createTargetMachine(ModuleOp module, StringRef arch) {
  static std::once_flag initialized;
  std::call_once(initialized, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    module.emitError("this LLVM cannot make code for x86-64: ") << error;
    return nullptr;
  }
  // Without a processor first: LLVM prints to stderr about a name that it does not know.
  std::unique_ptr<llvm::MCSubtargetInfo> known(target->createMCSubtargetInfo(triple, "", ""));
  if (!known->isCPUStringValid(arch)) {
    module.emitError("unknown CPU architecture '")
        << arch << "'; expected x86-64-v3, x86-64-v4 or a processor name of LLVM's";
    return nullptr;
  }
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  // 512-bit vectors where there are any; LLVM's default of 256 bits costs up to a third.
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, arch, "-prefer-256-bit", options, llvm::Reloc::PIC_,
                                  std::nullopt, llvm::CodeGenOptLevel::Default));
  for (StringRef feature : {"+avx2", "+fma", "+f16c", "+64bit"})
    if (!machine->getMCSubtargetInfo()->checkFeatures(feature)) {
      module.emitError("CPU architecture '") << arch << "' lacks " << feature.drop_front()
                                             << ", which kernels use; expected x86-64-v3 or later";
      return nullptr;
    }
  return machine;
}

int64_t cpu::getNativeLanes(const llvm::TargetMachine &machine) {
  return machine.getMCSubtargetInfo()->checkFeatures("+avx512vl") ? 16 : 8;
}

llvm::SmallVector<char, 0> cpu::emitObject(ModuleOp module, llvm::Module &code,
                                           llvm::TargetMachine &machine) {
  code.setTargetTriple(machine.getTargetTriple());
  code.setDataLayout(machine.createDataLayout());

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  // The loops are vectorized and unrolled as they should be (KernelBuilder.h).
  tuning.LoopInterleaving = tuning.LoopVectorization = tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(code, modules);

  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager assemble;
  if (machine.addPassesToEmitFile(assemble, stream, nullptr, llvm::CodeGenFileType::ObjectFile)) {
    module.emitError("LLVM cannot write object files for ") << machine.getTargetTriple().str();
    return {};
  }
  assemble.run(code);
  return object;
}
