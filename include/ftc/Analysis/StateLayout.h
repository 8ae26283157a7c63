//===- StateLayout.h - where state tensors lie ------------------*- C++ -*-===//
// Offsets in the state region, numbers of the bound tensors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_ANALYSIS_STATELAYOUT_H
#define FTC_ANALYSIS_STATELAYOUT_H

#include "dialects/Launch/IR/Launch.h"

#include "llvm/ADT/StringMap.h"

namespace ftc {

/// The one place of a launch.state: base tensors are bound, each to a pointer of its own; the
/// others lie in the state region in the module's order, each at a multiple of 64 bytes.
struct StateLayout {
  struct Place {
    bool bound = false;
    int64_t index = 0;  ///< among the bound tensors, where bound
    int64_t offset = 0; ///< bytes in the state region, where not
  };
  llvm::StringMap<Place> places;
  int64_t bound = 0; ///< how many tensors are bound
  int64_t bytes = 0; ///< of the state region

  static StateLayout of(mlir::ModuleOp module);
};

} // namespace ftc

#endif
