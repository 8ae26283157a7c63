//===- ScalarPrinter.h - scalar regions as C++ ------------------*- C++ -*-===//
// arith and math on f32 as expressions and statements.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TARGET_CUDA_SCALARPRINTER_H
#define FTC_LIB_TARGET_CUDA_SCALARPRINTER_H

#include "mlir/IR/Region.h"

#include <string>
#include <vector>

namespace ftc::cuda {

/// The statements of a kernel's scalar region, each on a line of its own behind `indent`. Block
/// argument i is written `arguments[i]`; the value yielded as i is assigned to `results[i]`
/// (`return` where that is "return"). A value that is used once stands where it is used. An op
/// that is none of ours is an error on it.
mlir::FailureOr<std::string> printRegion(mlir::Region &region,
                                         const std::vector<std::string> &arguments,
                                         const std::vector<std::string> &results,
                                         llvm::StringRef indent);

/// The shortest literal that reads back as the same float: "0.5f", "1e-05f".
std::string floatLiteral(float value);

/// `head` and the items, with commas between, on lines of at most 100 columns; further lines begin
/// with `indent` blanks.
std::string wrapped(llvm::StringRef head, llvm::ArrayRef<std::string> items, llvm::StringRef tail,
                    unsigned indent);

} // namespace ftc::cuda

#endif
