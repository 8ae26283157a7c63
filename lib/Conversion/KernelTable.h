//===- KernelTable.h - kernels shared by launches ---------------*- C++ -*-===//
// One launch.kernel per distinct code.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_CONVERSION_KERNELTABLE_H
#define FTC_LIB_CONVERSION_KERNELTABLE_H

#include "ftc/Conversion/Passes.h"

#include "llvm/ADT/StringMap.h"

namespace ftc {

/// What identifies a kernel, and how its regions are written when it is new.
struct KernelSpec {
  launch::Family family;
  std::string name; ///< wished symbol
  std::string body; ///< what the regions compute, as text
  llvm::SmallVector<launch::ArgAttr> args;
  mlir::DictionaryAttr params; ///< may be null
  unsigned regions = 0;
  std::function<void(launch::KernelOp)> fill; ///< writes the regions
};

/// The kernels of a module, in the order in which they were first needed.
class KernelTable {
public:
  explicit KernelTable(mlir::OpBuilder builder) : builder(builder) {}

  /// The symbol of the kernel for a spec; made when there is none yet.
  mlir::FlatSymbolRefAttr get(const KernelSpec &spec, mlir::Location loc);

  int64_t size() const { return bySpec.size(); }

private:
  mlir::OpBuilder builder;
  llvm::StringMap<mlir::FlatSymbolRefAttr> bySpec;
  llvm::StringMap<unsigned> names;
};

/// What the ops of a formed kernel compute, sites and value names apart.
std::string describeBody(ft::KernelOp kernel);

/// One argument of a streaming kernel: an input as it is read, or an output.
struct StreamArg {
  mlir::Value input; ///< argument of the ft.kernel's region; null for a new output
  ft::Indexing indexing;
  int output = -1; ///< index of the kernel's result written here, or -1
};

/// Writes the scalar regions of a `map`, `row_reduce` or `col_reduce` from the ops of an ft.kernel.
/// `args` are the launch.kernel's arguments in order.
void fillRegions(launch::KernelOp target, ft::KernelOp source, llvm::ArrayRef<StreamArg> args);

/// The reducing op of a formed row or column kernel, or null.
mlir::Operation *findReduction(ft::KernelOp kernel);

} // namespace ftc

#endif
