//===- Attention.h - what the attention families share ----------*- C++ -*-===//
// Checked sizes of an attention kernel and the parsing of its template.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
// The attention families have no scalar regions, so their loops are written as MLIR text with the
// sizes put in. All work on tiles of scores: products by the runtime's sgemm, and between them
// rows of a tile in vectors of kScoreLanes. A row of a tile is padded to whole vectors; what lies
// beyond the tile's keys is masked like the keys that a query does not see.
//
// Query i sees the keys [begin[i], i]. Both bounds grow with i, so the queries that see any key of
// [k0, k1) are neighbours: from k0 on, up to the first that begins at k1 or later.
#ifndef FTC_LIB_TARGET_CPU_ATTENTION_H
#define FTC_LIB_TARGET_CPU_ATTENTION_H

#include "KernelBuilder.h"

namespace ftc::cpu {

inline constexpr int64_t kScoreLanes = 16;

struct AttentionSizes {
  int64_t tokens, width, keyWidth, headDim, heads, keyHeads, queryTile, keyTile;
  double scale;
  /// Floats from a row of scores to the next.
  int64_t scorePitch() const { return (keyTile + kScoreLanes - 1) / kScoreLanes * kScoreLanes; }
  int64_t queryTiles() const { return (tokens + queryTile - 1) / queryTile; }
  int64_t keyTiles() const { return (tokens + keyTile - 1) / keyTile; }
  /// Estimated nanoseconds of a tile pair's products of a head, `products` of them, and
  /// exponentials.
  double tileNanoseconds(int64_t products) const {
    return queryTile * keyTile * (products * 2.0 * headDim / 80 + 0.5);
  }
};

/// Reads the sizes from arguments 0 to 2 (q, k, v; there must be as many) and the parameters.
mlir::FailureOr<AttentionSizes> checkAttention(launch::KernelOp kernel);

using Substitutions = std::vector<std::pair<llvm::StringRef, std::string>>;

/// Parses a template: $NAME is replaced; $SGEMM is the type of @ftc.sgemm; it, @ftc.sum and
/// @ftc.max are defined. `arguments` names the kernel's arguments. The function goes to the end of
/// `module`.
mlir::LogicalResult addTemplate(LoweredKernel &lowered, mlir::ModuleOp module,
                                llvm::ArrayRef<llvm::StringRef> arguments, llvm::StringRef body,
                                const AttentionSizes &sizes, const Substitutions &more = {});

} // namespace ftc::cpu

#endif
