//===- MakePackage.cpp - a planned module as checked bytes ----------------===//
// Writer and reader, one behind the other.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "MakePackage.h"

using namespace mlir;
using namespace ftc;

Result<MadePackage> ftc::makePackage(ModuleOp module, const PackageContents &contents,
                                     const std::string &name, DiagnosticCollector &diagnostics) {
  FailureOr<std::vector<uint8_t>> bytes = writePackage(module, contents);
  if (failed(bytes))
    return diagnostics.takeError("the package could not be written");
  MadePackage made;
  made.bytes = std::move(*bytes);
  Result<std::unique_ptr<Package>> package =
      Package::fromMemory(made.bytes.data(), made.bytes.size(), name);
  if (!package)
    return package.takeError();
  made.package = std::move(*package);
  return made;
}
