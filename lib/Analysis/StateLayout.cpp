//===- StateLayout.cpp - where state tensors lie --------------------------===//
// One sweep over the states of a module.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/StateLayout.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ftc;

StateLayout StateLayout::of(ModuleOp module) {
  StateLayout layout;
  for (auto state : module.getOps<launch::StateOp>()) {
    Place &place = layout.places[state.getSymName()];
    if (state.getRole() == launch::Role::base) {
      place = {true, layout.bound++, 0};
      continue;
    }
    place = {false, 0, layout.bytes};
    int64_t bytes = launch::getBufferBytes(state.getBufferType());
    layout.bytes += static_cast<int64_t>(llvm::alignTo(bytes, launch::kArenaAlignment));
  }
  return layout;
}
