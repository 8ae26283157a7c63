//===- Symbolize.h - source lines of code addresses ------------------------===//
// By llvm-symbolizer, where it is installed and the code has line tables.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_ENGINE_SYMBOLIZE_H
#define FTC_TEST_CUDA_ENGINE_SYMBOLIZE_H

#include <string>

namespace ftc_on_cpu {

/// The line of an instruction, and those that it was inlined into; "" where nothing is known.
struct SourceLines {
  std::string place;   // FILE:LINE
  std::string callers; // ", called from FILE:LINE, FILE:LINE" or ""
};
SourceLines symbolize(const void *instruction);

} // namespace ftc_on_cpu

#endif // FTC_TEST_CUDA_ENGINE_SYMBOLIZE_H
