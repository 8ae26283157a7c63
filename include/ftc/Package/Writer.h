//===- Writer.h - a planned module as a package -----------------*- C++ -*-===//
// The launch dialect, serialized.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PACKAGE_WRITER_H
#define FTC_PACKAGE_WRITER_H

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ftc {

/// What a package holds beside the module.
struct PackageContents {
  std::string target, arch;
  std::vector<char> code; ///< cpu: ELF image of the kernels
  /// cuda: name and text of the translation unit, then of the headers it includes.
  std::vector<std::pair<std::string, std::string>> sources;
  struct Cubin {
    std::string arch; ///< "sm_90"
    std::vector<char> code;
  };
  std::vector<Cubin> cubins;
  uint64_t productWorkspace = 0; ///< cuda: bytes that products may use
};

/// The module attribute (a dictionary) with what the runtime needs to know and no op says: hashes
/// of the configs, the resolved training config, output kind, files to write beside trained
/// weights.
inline constexpr llvm::StringLiteral kPackageAttr = "ftc.package";

/// Serializes a planned module. Kernels must carry the target's attributes: for cpu those of
/// Target/CPU/CPU.h, for cuda `cuda.threads`, `cuda.items`, `cuda.shared_bytes`, and `cuda.symbol`
/// where the code's name is not the op's. Errors are diagnostics on the op to blame.
mlir::FailureOr<std::vector<uint8_t>> writePackage(mlir::ModuleOp module,
                                                   const PackageContents &contents);

} // namespace ftc

#endif
