//===- TestPasses.cpp - passes that are wrong on purpose ------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TestPasses.h"

#include "dialects/FT/IR/FT.h"
#include "dialects/Launch/IR/Launch.h"
#include "ftc/Analysis/ValueChanges.h"

#include "mlir/Pass/Pass.h"

#include <csignal>

using namespace mlir;
using namespace ftc;

namespace {
struct CrashPass : PassWrapper<CrashPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CrashPass)
  StringRef getArgument() const override { return "test-crash"; }
  StringRef getDescription() const override { return "Change something, then crash"; }
  void runOnOperation() override {
    getOperation()->setAttr("test.half_done", UnitAttr::get(&getContext()));
    std::raise(SIGSEGV);
  }
};

struct FailPass : PassWrapper<FailPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FailPass)
  StringRef getArgument() const override { return "test-fail"; }
  StringRef getDescription() const override { return "Fail"; }
  void runOnOperation() override {
    getOperation().emitError("fails on purpose");
    signalPassFailure();
  }
};

/// Doubles the scale of the last product.
void doubleLastScale(ModuleOp module) {
  ft::LinearOp last;
  module.walk([&](ft::LinearOp op) { last = op; });
  if (last)
    last.setScaleAttr(
        Builder(module.getContext()).getF64FloatAttr(2 * last.getScale().convertToDouble()));
}

struct ChangePass : PassWrapper<ChangePass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ChangePass)
  StringRef getArgument() const override { return "test-change"; }
  StringRef getDescription() const override { return "Double the scale of the last ft.linear"; }
  void runOnOperation() override { doubleLastScale(getOperation()); }
};

struct OverlapPass : PassWrapper<OverlapPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(OverlapPass)
  StringRef getArgument() const override { return "test-overlap"; }
  StringRef getDescription() const override { return "Put every buffer of the arena at its start"; }
  void runOnOperation() override {
    getOperation().walk([](launch::AllocOp op) { op.setOffset(0); });
  }
};

struct RoundPass : PassWrapper<RoundPass, OperationPass<ModuleOp>>, ChangesValues {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(RoundPass)
  RoundPass() = default;
  RoundPass(const RoundPass &other) : PassWrapper(other), ChangesValues(other) {}
  StringRef getArgument() const override { return "test-round"; }
  StringRef getDescription() const override { return "Store base weights in bf16"; }

  ValueChanges valueChanges() const override {
    ValueChanges changes;
    for (const auto &[symbol, type] : rounded)
      if (!silent)
        changes[symbol] = roundedTo(type);
    return changes;
  }

  void runOnOperation() override {
    FloatType type = BFloat16Type::get(&getContext());
    rounded.clear();
    for (auto parameter : getOperation().getOps<ft::ParameterOp>()) {
      if (parameter.getRole() != ft::Role::base)
        continue;
      parameter.setStorageAttr(ft::DenseStorageAttr::get(&getContext(), type));
      rounded[parameter.getSymName().str()] = type;
    }
    if (scales)
      doubleLastScale(getOperation());
  }

  Option<bool> silent{*this, "silent", llvm::cl::desc("Do not say so"), llvm::cl::init(false)};
  Option<bool> scales{*this, "scales", llvm::cl::desc("Be wrong besides"), llvm::cl::init(false)};
  std::map<std::string, FloatType> rounded;
};
} // namespace

void ftc::test::registerTestPasses() {
  PassRegistration<CrashPass>();
  PassRegistration<FailPass>();
  PassRegistration<ChangePass>();
  PassRegistration<OverlapPass>();
  PassRegistration<RoundPass>();
}
