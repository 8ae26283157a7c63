//===- Lifetimes.h - when buffers are live ----------------------*- C++ -*-===//
// Live ranges of an entry point's buffers, the bytes that are live at once, saved activations.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_ANALYSIS_LIFETIMES_H
#define FTC_ANALYSIS_LIFETIMES_H

#include "dialects/Launch/IR/Launch.h"

#include <string>
#include <vector>

namespace ftc {

/// A buffer of the arena and the launches [first, last] during which it must keep its bytes.
struct LiveBuffer {
  mlir::Operation *op; ///< launch.alloc or launch.input
  int64_t bytes;       ///< rounded up to the arena's alignment
  int64_t first, last;
};

/// Live buffers of one name.
struct LiveGroup {
  std::string name;  ///< as reports call the buffer, `L*` for layers: `L*_gate_proj`
  int64_t count = 0; ///< buffers
  int64_t bytes = 0; ///< of all of them
  bool saved = false;
};

/// The live ranges of one entry point. Inputs live from the start, outputs to the end.
struct Lifetimes {
  std::vector<LiveBuffer> buffers;
  std::vector<launch::LaunchOp> launches;
  int64_t boundary = 0; ///< number of launches before the boundary

  /// The largest sum of live bytes, which no plan can go below, and the launch where it is.
  int64_t peakBytes = 0, peakLaunch = 0;
  /// Bytes written before the boundary and read behind it, inputs apart.
  int64_t savedBytes = 0;

  static Lifetimes of(launch::EntryOp entry);

  /// Whether a buffer counts in `savedBytes`.
  bool isSaved(const LiveBuffer &buffer) const;
  /// What is live at `peakLaunch`, the largest groups first. The bytes add up to `peakBytes`.
  std::vector<LiveGroup> atPeak() const;
};

/// The buffer behind views: launch.alloc, launch.input or launch.ref, and the byte offset in it.
mlir::Operation *getBase(mlir::Value buffer, int64_t &offset);

} // namespace ftc

#endif
