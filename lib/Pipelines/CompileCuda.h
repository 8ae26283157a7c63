//===- CompileCuda.h - ftc compile for GPUs ---------------------*- C++ -*-===//
// Code of the cuda target: in a package, or as a directory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_PIPELINES_COMPILECUDA_H
#define FTC_LIB_PIPELINES_COMPILECUDA_H

#include "CompileReport.h"
#include "Source.h"
#include "ftc/Package/Writer.h"
#include "ftc/Pipelines/Compile.h"

namespace ftc {

/// Whether `--gpu-arch` names only architectures that we know.
Status checkGpuArchitectures(const std::string &names);

/// Whether `--emit=cuda` may write there: the directory is not there yet, or empty.
Status checkOutputDirectory(const std::string &path);

/// The printed kernels, and their cubins where `--cubins` wants them.
Result<PackageContents> cudaContents(mlir::ModuleOp module, const CompileOptions &options,
                                     DiagnosticCollector &diagnostics);

/// Writes the directory of `--emit=cuda`, whole or not at all.
Status emitCuda(mlir::ModuleOp module, const CompileOptions &options,
                DiagnosticCollector &diagnostics, CompileReport &report);

} // namespace ftc

#endif
