//===- ReadDump.h - IR from a file ------------------------------*- C++ -*-===//
// A dump of any level as a module; MLIR's diagnostics as errors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_PIPELINES_READDUMP_H
#define FTC_LIB_PIPELINES_READDUMP_H

#include "ftc/Support/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/OwningOpRef.h"

namespace ftc {

/// Collects MLIR's diagnostics, with locations as names (sites) or file positions of a dump.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(mlir::MLIRContext *context);

  /// The first error with the others as notes, or `otherwise` when there was none.
  Error takeError(const std::string &otherwise);
  void printWarnings();

private:
  std::vector<Error> errors;
  std::vector<std::string> warnings;
  mlir::ScopedDiagnosticHandler handler;
};

/// Why MLIR's parser must not see the text; empty where it may. The parser recurses with nesting
/// and along affine expressions, and takes quadratic time for a number.
std::string unreadable(llvm::StringRef text);

/// Parses a dump. Its text is checked first for what MLIR's parser has no bound for.
Result<mlir::OwningOpRef<mlir::ModuleOp>>
readDump(mlir::MLIRContext &context, const std::string &path, DiagnosticCollector &diagnostics);

} // namespace ftc

#endif // FTC_LIB_PIPELINES_READDUMP_H
