//===- Compile.h - ftc compile ----------------------------------*- C++ -*-===//
// From files to a package or to IR.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PIPELINES_COMPILE_H
#define FTC_PIPELINES_COMPILE_H

#include "ftc/Support/Error.h"

#include <string>
#include <vector>

namespace ftc {

struct CompileOptions {
  std::string model;   ///< Hugging Face directory or config.json
  std::string adapter; ///< PEFT directory, adapter_config.json, or `none`
  std::string train;   ///< YAML or JSON; empty: defaults
  std::string from;    ///< IR to go on from; excludes the three above
  std::string target = "cpu", cpuArch = "x86-64-v3";
  std::string gpuArch = "sm_90";           ///< with cuda; may name several, separated by commas
  std::string cubins = "auto";             ///< with cuda: `auto` (where nvcc is), `none`, `require`
  std::string emit = "package";            ///< `package`, `mlir` or `cuda`
  std::string stopAfter;                   ///< step to stop after; needs `mlir`
  std::string report;                      ///< JSON with wall-clock times
  std::string output;                      ///< file; `-` or empty with `mlir`: standard output; a
                                           ///< directory with `cuda`
  std::vector<std::string> disabledPasses; ///< optional work to leave out
  std::vector<std::string> mlirFlags;      ///< passed to LLVM's command line
  bool validatePasses = false;             ///< run a small twin around every pass first
  int64_t memoryBudget = 0;                ///< the most bytes of a step; 0: what the config says
  bool memoryCurve = false;                ///< print bytes against repeated work, write no package
};

/// Compiles, writes the output whole or not at all, prints warnings on standard error and a summary
/// on standard output (on standard error when the IR goes to standard output).
Status runCompile(const CompileOptions &options, const std::string &programName);

} // namespace ftc

#endif
