//===- ReferenceSchemes.h - what others keep for the backward ---*- C++ -*-===//
// Reference points for a memory curve: bytes kept between forward and backward by explicit rules.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_ANALYSIS_REFERENCESCHEMES_H
#define FTC_ANALYSIS_REFERENCESCHEMES_H

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace ftc {

/// A tensor that a scheme keeps from the forward for the backward.
struct KeptTensor {
  std::string what;   ///< "gate_proj", "self_attn.softmax": its site, inside of a layer below that
  int64_t layer = -1; ///< number of its decoder layer; -1: outside of them
  int64_t bytes = 0;
};

/// What one scheme keeps and what it computes again.
struct ReferencePoint {
  std::string name;
  int64_t savedBytes = 0; ///< of one step, written by the forward and read by the backward
  int64_t extraFlops = 0; ///< of one step, beyond one forward and one backward
  std::string rule;       ///< in one line
  /// What `savedBytes` is the sum of, in the order of the forward; parameters, inputs and masks
  /// that are made of positions are not among it.
  std::vector<KeptTensor> kept;
  /// The most bytes that the backward rebuilds at once, where it rebuilds whole layers, else 0.
  int64_t rebuiltBytes = 0;

  int64_t bytesOfLayer(int64_t layer) const;
};

/// The schemes of docs/memory-curve.md for the forward step of `module`, which is at the phase
/// `lowered`, its values in f32 and its compute dtype in `ft.compute`. Costs are those of the cost
/// interface. Empty where there is no function @forward of one block.
std::vector<ReferencePoint> referencePoints(mlir::ModuleOp module);

} // namespace ftc

#endif
