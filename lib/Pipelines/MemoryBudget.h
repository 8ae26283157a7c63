//===- MemoryBudget.h - how much recomputation a budget needs ---*- C++ -*-===//
// Plans a module with more and more of its forward repeated.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_PIPELINES_MEMORYBUDGET_H
#define FTC_LIB_PIPELINES_MEMORYBUDGET_H

#include "ftc/Pipelines/Pipelines.h"

namespace ftc {

/// A choice of ft-rematerialize, and what the planned program then needs.
struct MemoryPoint {
  int64_t segments = 2;   ///< the pass's option
  int64_t limit = -1;     ///< `saved-bytes`, the pass's option
  int64_t savedBytes = 0; ///< of the forward's values, kept for the backward
  int64_t arenaBytes = 0; ///< of train_step
  int64_t peakBytes = 0;  ///< of the certificate: parameters, state and arena
  int64_t extraFlops = 0; ///< that a step repeats
};

/// The cheapest choice whose planned peak is at most `budget` bytes, for a module in front of
/// ft-rematerialize: no product is repeated if that fits, then as little as needed. `atLeast`: no
/// cheaper than this. Each choice that is looked at is planned, so what is returned fits. An error
/// at `where` says the smallest peak that there is.
Result<MemoryPoint> fitMemory(mlir::ModuleOp module, const PipelineOptions &options, int64_t budget,
                              const MemoryPoint &atLeast, const std::string &where);

/// Bytes against repeated work, from the free choice to the smallest peak: at most `most` points
/// between those.
Result<std::vector<MemoryPoint>> memoryCurve(mlir::ModuleOp module, const PipelineOptions &options,
                                             int most);

/// Floating-point operations of a step that repeats nothing, by the cost interface.
int64_t stepFlops(mlir::ModuleOp module);

} // namespace ftc

#endif // FTC_LIB_PIPELINES_MEMORYBUDGET_H
