//===- PruneGraph.cpp - ft-prune-graph ------------------------------------===//
// Demand-driven removal: what no commit and no returned value needs, goes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/Report.h"
#include "ftc/Transforms/Passes.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

namespace ftc::ft {
#define GEN_PASS_DEF_PRUNEGRAPH
#include "ftc/Transforms/Passes.h.inc"
} // namespace ftc::ft

using namespace mlir;
using namespace ftc;
using namespace ftc::ft;

/// Whether an op's result is the gradient of a weight, by what the gradient rules build.
static bool isWeightGradient(Operation *op) {
  return TypeSwitch<Operation *, bool>(op)
      .Case([](MatmulOp matmul) { return matmul.getTransposeLhs(); })
      .Case<EmbeddingGradOp, RMSNormWeightGradOp, SumRowsOp, LinearCrossEntropyGradWeightOp>(
          [](auto) { return true; })
      .Default(false);
}

/// Bytes of the forward's values that the backward reads: written before the boundary, read behind.
static int64_t savedBytes(Block &block) {
  auto boundaries = block.getOps<BoundaryOp>();
  if (boundaries.empty())
    return 0;
  Operation *boundary = *boundaries.begin();
  int64_t bytes = 0;
  for (Operation &op : block) {
    if (&op == boundary)
      break;
    if (isa<ReadOp, RunValueOp>(op))
      continue;
    for (Value result : op.getResults()) {
      bool saved = llvm::any_of(result.getUsers(), [&](Operation *user) {
        return boundary->isBeforeInBlock(user) && !user->hasTrait<OpTrait::IsTerminator>();
      });
      auto type = dyn_cast<RankedTensorType>(result.getType());
      if (saved && type)
        bytes += type.getNumElements() * (type.getElementTypeBitWidth() / 8);
    }
  }
  return bytes;
}

namespace {
struct PruneGraphPass : ft::impl::PruneGraphBase<PruneGraphPass> {
  using ft::impl::PruneGraphBase<PruneGraphPass>::PruneGraphBase;

  void runOnOperation() override {
    PassReport report{"ft-prune-graph", {}, {}};
    if (off) {
      report.remarks.push_back("switched off");
      return addReport(getOperation(), report);
    }
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (!function.getBody().hasOneBlock())
        continue; // a declaration, or none of ours
      Block &block = function.getBody().front();
      int64_t savedBefore = savedBytes(block);
      int64_t ops = 0, weightGradients = 0;
      prune(block, ops, weightGradients);
      if (ops == 0)
        continue;
      int64_t spared = savedBefore - savedBytes(block);
      std::string name = function.getName().str();
      report.statistics.emplace_back(name + ".ops_removed", ops);
      report.statistics.emplace_back(name + ".weight_gradients_removed", weightGradients);
      report.statistics.emplace_back(name + ".saved_bytes_spared", spared);
      report.remarks.push_back(llvm::formatv(
          "{0}: dropped {1} weight gradients and {2} other ops; the backward no longer "
          "reads {3} of forward values",
          name, weightGradients, ops - weightGradients, formatBytes(spared)));
    }
    addReport(getOperation(), report);
  }

  /// Marks from the roots, then erases from the end, users before producers.
  void prune(Block &block, int64_t &ops, int64_t &weightGradients) {
    llvm::DenseSet<Operation *> demanded;
    SmallVector<Operation *> worklist;
    auto demand = [&](Operation *op) {
      if (op && demanded.insert(op).second)
        worklist.push_back(op);
    };
    for (Operation &op : block)
      if (!isMemoryEffectFree(&op) || op.hasTrait<OpTrait::IsTerminator>())
        demand(&op);
    while (!worklist.empty()) {
      Operation *op = worklist.pop_back_val();
      // Isolated regions read nothing but operands and parameters.
      for (Value operand : op->getOperands())
        demand(operand.getDefiningOp());
    }
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (demanded.contains(&op))
        continue;
      ++ops;
      weightGradients += isWeightGradient(&op);
      op.erase();
    }
  }
};
} // namespace
