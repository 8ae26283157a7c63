//===- Source.h - where a compilation starts --------------------*- C++ -*-===//
// Configs through the frontend; ReadDump.h is the other way in.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_PIPELINES_SOURCE_H
#define FTC_LIB_PIPELINES_SOURCE_H

#include "CompileReport.h"
#include "ReadDump.h"
#include "ftc/Pipelines/Compile.h"

namespace ftc {

/// Reads configs, builds the forward step, and leaves on the module what a package says of them.
/// `crashed`: a pass over its twin crashed, and the context must not be touched any more.
Result<mlir::OwningOpRef<mlir::ModuleOp>> readConfigs(mlir::MLIRContext &context,
                                                      const CompileOptions &options,
                                                      CompileReport &report, bool &crashed);

} // namespace ftc

#endif // FTC_LIB_PIPELINES_SOURCE_H
