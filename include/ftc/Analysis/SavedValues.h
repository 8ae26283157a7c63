//===- SavedValues.h - what to keep for the backward ------------*- C++ -*-===//
// Which forward values are kept and which are rebuilt, by cost.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_ANALYSIS_SAVEDVALUES_H
#define FTC_ANALYSIS_SAVEDVALUES_H

#include "dialects/FT/IR/FT.h"

#include "llvm/ADT/DenseMap.h"

#include <vector>

namespace ftc {

/// How a forward value can be had again behind the boundary.
struct Recipe {
  mlir::Operation *op;      ///< what is run again
  bool fromStatistics;      ///< a norm's last step alone, ft.rms_norm_apply
  std::vector<int> inputs;  ///< forward values that it needs; parameters are always there
  std::vector<int> results; ///< forward values that it gives
  int64_t cost = 0;         ///< FLOP, or bytes of traffic as FLOP where these take longer
  int64_t flops = 0;        ///< of products and attention that are done twice
  bool streams = false;     ///< no product and no attention: one pass over memory, if at all
  bool allowed = true;      ///< see SavedValues
  int region = 0;           ///< between two kept values; rebuilding never reaches beyond
};

/// One forward value.
struct ForwardValue {
  mlir::Value value;
  int64_t bytes;
  int recipe;    ///< that gives it
  bool isNeeded; ///< the backward reads it
};

/// What is rebuilt, by recipe; everything else that is needed is kept.
struct Rebuilt {
  std::vector<bool> recipes;
  int64_t savedBytes = 0; ///< of forward values that live across the boundary
  int64_t flops = 0;      ///< of products and attention that are done twice
  int64_t cost = 0;
};

/// The choices for one function with a backward. A norm has two recipes: its statistics, and its
/// result from these.
///
/// Rebuilding a value takes its recipe, and what that reads must be there: kept, rebuilt, or a
/// parameter. The cheapest set for a price of a byte is a cut of a graph with a node per recipe and
/// per value, so it is found exactly; FlexLLM's rule ("recompute what is cheap, from what is saved
/// anyway") and activation checkpointing are both points of it. What the loss reads is kept, since
/// its gradient reads it at once.
///
/// A *bottleneck* is a forward value that everything behind it goes through: the residual stream
/// between two blocks. Every `segments`-th is kept: products are only repeated from the last one
/// on, so that no more than the values of one region are there twice.
class SavedValues {
public:
  /// `flopsPerByte`: of the machine, to compare traffic with arithmetic.
  /// `boundary`: the op between forward and backward.
  SavedValues(mlir::Block &block, mlir::Operation *boundary, int segments, int64_t flopsPerByte);

  /// Repeats no product: the fewest bytes, and of these choices the least traffic.
  Rebuilt rebuildFree() const;

  /// The cheapest choices for falling prices of memory: the lower convex hull of (savedBytes,
  /// cost), from `rebuildFree` to the fewest bytes.
  std::vector<Rebuilt> hull() const;

  /// Between two points of the hull, region by region from the first on: the cheapest of these with
  /// at most `limit` bytes, else that with the fewest. `leastCost` gets a bound that no choice of
  /// at most so many bytes can be below (0 where there is none).
  Rebuilt withLimit(const std::vector<Rebuilt> &hull, int64_t limit, int64_t &leastCost) const;

  /// What a set of recipes keeps and costs, whether it is a good one or not.
  Rebuilt measure(std::vector<bool> recipes) const;

  /// The bytes of every choice that `withLimit` can give, falling.
  std::vector<int64_t> steps(const std::vector<Rebuilt> &hull) const;

  const std::vector<ForwardValue> &values() const { return forward; }
  const std::vector<Recipe> &recipes() const { return all; }
  /// The index of a forward value, or -1.
  int indexOf(mlir::Value value) const;

private:
  Rebuilt solve(__int128 bytePrice, __int128 costPrice, bool products) const;
  template <typename Visit>
  void forEachStep(const Rebuilt &from, const Rebuilt &to, Visit visit) const;
  void addRecipes(mlir::Operation &op, int64_t flopsPerByte);
  void findRegions(mlir::Block &block, mlir::Operation *boundary, int segments);

  std::vector<ForwardValue> forward;
  std::vector<Recipe> all;
  llvm::DenseMap<mlir::Value, int> index;
};

} // namespace ftc

#endif // FTC_ANALYSIS_SAVEDVALUES_H
