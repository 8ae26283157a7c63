//===- Parts.h - what the backward needs less than all of -------*- C++ -*-===//
// The half of ft-prune-graph that makes values smaller: gradients of which a part is read, forward
// values of which the backward needs a part or the signs.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TRANSFORMS_PARTS_H
#define FTC_LIB_TRANSFORMS_PARTS_H

#include "dialects/FT/IR/FT.h"
#include "ftc/Analysis/Report.h"

namespace ftc::ft {

/// Whether a forward op's results need no place of their own for the backward: parameters, what is
/// put together or cut out of them, scalars of the run.
bool isOfParameters(mlir::Operation *op);

/// What became smaller.
struct Narrowed {
  int64_t gradients = 0;        ///< products and elementwise ops that are computed in part
  int64_t flopsSpared = 0;      ///< of them
  int64_t standIns = 0;         ///< forward values for which a smaller one is kept
  int64_t savedBytesSpared = 0; ///< of them
};

/// Computes no more of a product than its readers take: where all of them are `ft.slice` along one
/// dimension and leave something out, the slices move through it to the factor that the dimension
/// comes from. Likewise through elementwise ops. Users go before producers, so a slice moves as far
/// as it can.
void narrowGradients(mlir::Block &block, Observer &observer, Narrowed &narrowed);

/// For every forward value that is kept for the backward: if all that the backward reads of it are
/// slices and signs (`ft.relu_grad`), these are taken in the forward, where the value is made, and
/// kept in its place, if they are smaller together. Where a value is kept whole, `ft.relu_grad`
/// reads that.
void keepLess(mlir::Block &block, Observer &observer, Narrowed &narrowed);

} // namespace ftc::ft

#endif
