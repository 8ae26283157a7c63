//===- AttachAdapters.cpp - ft-attach-adapters ----------------------------===//
// Replaces resolved adapters by parameters and bypass networks.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/Report.h"
#include "ftc/Analysis/ValueChanges.h"
#include "ftc/Transforms/Adapters.h"
#include "ftc/Transforms/Passes.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FormatVariadic.h"

namespace ftc::ft {
#define GEN_PASS_DEF_ATTACHADAPTERS
#include "ftc/Transforms/Passes.h.inc"
} // namespace ftc::ft

using namespace mlir;
using namespace ftc;
using namespace ftc::ft;

AttachMethod ftc::ft::lookupAdapterMethod(StringRef name) {
  return llvm::StringSwitch<AttachMethod>(name).Case("lora", attachLora).Default(nullptr);
}

namespace {
struct AttachAdaptersPass : ft::impl::AttachAdaptersBase<AttachAdaptersPass>, ChangesValues {
  /// Where all its parameters are zero, an adapter changes nothing.
  ValueChanges valueChanges() const override {
    ValueChanges changes;
    for (const std::string &symbol : added)
      changes[symbol] = zeroed();
    return changes;
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    added.clear();
    llvm::StringMap<SmallVector<LinearOp, 1>> bySite;
    module.walk([&](LinearOp op) { bySite[op.getSite()].push_back(op); });

    int64_t attached = 0, elements = 0;
    bool bad = false;
    for (AdapterOp adapter : llvm::make_early_inc_range(module.getOps<AdapterOp>())) {
      AttachMethod method = lookupAdapterMethod(adapter.getMethod());
      ArrayRef<LinearOp> targets = bySite[adapter.getSite()];
      if (!method) {
        adapter.emitOpError("has unknown method '") << adapter.getMethod() << "'; expected lora";
        bad = true;
        continue;
      }
      if (targets.size() != 1) {
        adapter.emitOpError("has site '") << adapter.getSite() << "', which " << targets.size()
                                          << " ft.linear ops have; expected exactly one";
        bad = true;
        continue;
      }
      LinearOp target = targets.front();
      OpBuilder parameters(adapter), builder(target.getContext());
      builder.setInsertionPointAfter(target);
      FailureOr<BypassOp> bypass = method(adapter, target, parameters, builder);
      if (failed(bypass)) {
        bad = true;
        continue;
      }
      target.getResult().replaceAllUsesExcept(bypass->getResult(), *bypass);
      bypass->getBody().walk([&](ReadOp read) {
        elements += read.getType().getNumElements();
        added.push_back(read.getParameter().str());
      });
      adapter.erase();
      ++attached;
    }
    if (bad)
      return signalPassFailure();
    addReport(module, {"ft-attach-adapters",
                       {{"adapters", attached}, {"trainable_elements", elements}},
                       {llvm::formatv("attached {0} adapters with {1} trainable elements", attached,
                                      elements)}});
  }

  std::vector<std::string> added; ///< parameters of the adapters attached last
};
} // namespace
