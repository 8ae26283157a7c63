//===- FTNames.h - names of SSA values --------------------------*- C++ -*-===//
// Module paths shortened to what a reader of the IR needs.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_DIALECTS_FT_IR_FTNAMES_H
#define FTC_DIALECTS_FT_IR_FTNAMES_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace ftc::ft {

/// The last `count` components of a dotted path, joined by underscores; a layer's number stays in
/// front: "model.layers.3.self_attn.q_proj.weight", 2 -> "L3_q_proj_weight".
inline std::string lastComponents(llvm::StringRef path, unsigned count) {
  llvm::SmallVector<llvm::StringRef> parts;
  path.split(parts, '.');
  std::string layer;
  for (size_t i = 0; i + 1 < parts.size(); ++i)
    if (parts[i] == "layers" && !parts[i + 1].empty() && llvm::all_of(parts[i + 1], llvm::isDigit))
      layer = "L" + parts[i + 1].str() + "_";
  size_t first = parts.size() > count ? parts.size() - count : 0;
  return layer + llvm::join(parts.begin() + first, parts.end(), "_");
}

} // namespace ftc::ft

#endif
