//===- ReferenceForward.h - a forward step as schemes see it ----*- C++ -*-===//
// What needs a gradient, which layer an op is of, what a value is made of.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_ANALYSIS_REFERENCEFORWARD_H
#define FTC_LIB_ANALYSIS_REFERENCEFORWARD_H

#include "dialects/FT/IR/FT.h"
#include "ftc/Analysis/ReferenceSchemes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

namespace ftc {

/// The forward step with the facts that every scheme asks for.
class ReferenceForward {
public:
  ReferenceForward(mlir::ModuleOp module, mlir::func::FuncOp function);

  mlir::Block &block() const { return *body; }
  int64_t tokens() const { return tokenCount; }
  /// Tokens that one token's scores reach over: a row of the batch.
  int64_t length() const { return rowLength; }
  /// Bytes of a number that is computed with.
  int64_t width() const { return bytesPerNumber; }
  /// `attn_implementation` is eager.
  bool eagerAttention() const { return eager; }
  bool hasAdapters() const { return adapters; }

  /// Whether the value depends on a trainable parameter.
  bool needsGradient(mlir::Value value) const { return needing.contains(value); }
  /// A row for each token, in floating point, and no parameter.
  bool isActivation(mlir::Value value) const;
  /// The decoder layer of an op, -1 outside of them.
  int64_t layerOf(mlir::Operation *op) const { return layers.lookup(op); }
  /// The matrix is an adapter's.
  static bool isAdapterWeight(mlir::Value weight);
  /// The site inside of the layer; an op without one goes by its own name.
  static std::string nameOf(mlir::Operation *op);

private:
  void assignLayers();

  mlir::Block *body;
  int64_t tokenCount = 0, rowLength = 0, bytesPerNumber = 4;
  bool eager = false, adapters = false;
  llvm::DenseSet<mlir::Value> needing;
  llvm::DenseMap<mlir::Operation *, int64_t> layers;
};

/// Tensors that are kept, each once.
class KeptTensors {
public:
  explicit KeptTensors(const ReferenceForward &forward) : forward(forward) {}

  /// What is kept from now on is kept for the gradient of `op`, and counts in its layer.
  void setKeeper(mlir::Operation *op) { keeper = op; }
  /// Keeps the value, in numbers of `width` bytes.
  void value(mlir::Value value, int64_t width);
  void value(mlir::Value kept) { value(kept, forward.width()); }
  /// Keeps something that the op makes besides its results.
  void made(llvm::StringRef what, int64_t bytes);
  /// Keeps a table that all layers share.
  void table(mlir::Value table, int64_t bytes);
  void drop(mlir::Value value);
  bool has(mlir::Value value) const { return index.contains(value); }

  /// The values, in the order in which they were kept.
  std::vector<mlir::Value> values() const;
  std::vector<KeptTensor> take();

private:
  struct Entry {
    mlir::Value value; ///< null for what is no value
    KeptTensor tensor;
  };
  const ReferenceForward &forward;
  mlir::Operation *keeper = nullptr;
  std::vector<Entry> entries;
  llvm::DenseMap<mlir::Value, size_t> index;
};

/// Drops every kept value that ops without a product make of kept values, parameters and inputs;
/// statistics of rows stay. Gives the FLOP of making them again.
int64_t dropRebuildable(const ReferenceForward &forward, KeptTensors &kept);

/// FLOP of one execution, by the cost interface; 0 for an op that has none.
int64_t flopsOf(mlir::Operation *op);

} // namespace ftc

#endif
