//===- LowerToLLVM.cpp - loops to LLVM IR ---------------------------------===//
// Expands functions of math, lowers to the LLVM dialect, translates, adds the exported entries.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CodeGen.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/IRBuilder.h"

using namespace mlir;
using namespace ftc;
using namespace ftc::cpu;

void cpu::loadDialects(MLIRContext &context) {
  context.loadDialect<LLVM::LLVMDialect, arith::ArithDialect, cf::ControlFlowDialect,
                      func::FuncDialect, math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                      vector::VectorDialect>();
}

/// Math that x86-64 has an instruction for.
static bool isNative(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp, math::FloorOp, math::FmaOp,
             math::RoundEvenOp, math::SqrtOp, math::TruncOp>(op);
}

/// Replaces functions by polynomials, inline: bits then do not depend on a library.
static LogicalResult expandMath(ModuleOp loops) {
  RewritePatternSet patterns(loops.getContext());
  math::populateExpansionPatterns(
      patterns, {"clampf", "cosh", "exp2", "powf", "round", "rsqrt", "sinh", "tan"});
  populateMathPolynomialApproximationPatterns(patterns, [](StringRef) { return true; });
  if (failed(applyPatternsGreedily(loops, std::move(patterns))))
    return failure();
  WalkResult result = loops.walk([](Operation *op) {
    if (!isa<math::MathDialect>(op->getDialect()) || isNative(op))
      return WalkResult::advance();
    op->emitError("the CPU target has no expansion of ") << op->getName();
    return WalkResult::interrupt();
  });
  return success(!result.wasInterrupted());
}

static LogicalResult lowerToLLVMDialect(ModuleOp loops) {
  PassManager pm(loops.getContext(), ModuleOp::getOperationName());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions functions;
  functions.useBarePtrCallConv = true;
  pm.addPass(createConvertFuncToLLVMPass(functions));
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  return pm.run(loops);
}

/// Adds `symbol`, which takes a kernel's arguments from an array, in front of `body`.
static void addEntry(llvm::Module &code, llvm::Function &body, StringRef symbol, unsigned numArgs) {
  llvm::IRBuilder<> b(code.getContext());
  llvm::Type *pointer = b.getPtrTy(), *i64 = b.getInt64Ty();
  auto *type = llvm::FunctionType::get(b.getVoidTy(), {pointer, i64, i64, pointer, pointer}, false);
  auto *entry = llvm::Function::Create(type, llvm::Function::ExternalLinkage, symbol, code);
  b.SetInsertPoint(llvm::BasicBlock::Create(code.getContext(), "", entry));
  SmallVector<llvm::Value *> values;
  for (unsigned i = 0; i < numArgs; ++i)
    values.push_back(
        b.CreateLoad(pointer, b.CreateConstInBoundsGEP1_64(pointer, entry->getArg(0), i)));
  for (unsigned i = 1; i < 5; ++i)
    values.push_back(entry->getArg(i));
  b.CreateCall(&body, values);
  b.CreateRetVoid();
}

std::unique_ptr<llvm::Module> cpu::lowerToLLVM(ModuleOp loops, ArrayRef<LoweredKernel> kernels,
                                               llvm::LLVMContext &context) {
  if (failed(expandMath(loops)) || failed(lowerToLLVMDialect(loops)))
    return nullptr;
  registerBuiltinDialectTranslation(*loops.getContext());
  registerLLVMDialectTranslation(*loops.getContext());
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(loops, context, "kernels");
  if (!code) {
    loops.emitError("kernels could not be translated to LLVM IR");
    return nullptr;
  }
  for (llvm::Function &function : *code) {
    if (function.isDeclaration())
      continue;
    function.setLinkage(llvm::Function::InternalLinkage);
    function.addFnAttr(function.getName().starts_with("ftc.") ? llvm::Attribute::AlwaysInline
                                                              : llvm::Attribute::NoInline);
  }
  for (const LoweredKernel &lowered : kernels) {
    // Kept apart from its entry: only a function's parameters can be noalias.
    llvm::Function *body = code->getFunction(lowered.symbol);
    body->setName(lowered.symbol + ".body");
    launch::KernelOp kernel = lowered.kernel;
    addEntry(*code, *body, lowered.symbol, kernel.getNumArgs());
  }
  for (llvm::Function &function : *code) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind);
    // Nothing is imported, memset and memcpy included, so loops must stay loops.
    function.addFnAttr("no-builtins");
  }
  return code;
}
