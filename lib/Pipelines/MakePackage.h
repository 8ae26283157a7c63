//===- MakePackage.h - a planned module as checked bytes --------*- C++ -*-===//
// Written by the writer, then read as a runtime will read it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_PIPELINES_MAKEPACKAGE_H
#define FTC_LIB_PIPELINES_MAKEPACKAGE_H

#include "Source.h"
#include "ftc/Package/Package.h"
#include "ftc/Package/Writer.h"

namespace ftc {

struct MadePackage {
  std::vector<uint8_t> bytes;
  std::unique_ptr<Package> package;
};

/// `name` stands in errors. What no runtime would load is an error here.
Result<MadePackage> makePackage(mlir::ModuleOp module, const PackageContents &contents,
                                const std::string &name, DiagnosticCollector &diagnostics);

} // namespace ftc

#endif
