//===- Contexts.h - MLIR contexts for many inputs ---------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_FUZZ_CONTEXTS_H
#define FTC_TEST_FUZZ_CONTEXTS_H

#include "mlir/IR/MLIRContext.h"

namespace ftc::fuzz {

/// A context as `ftc compile` has it. What the inputs name lives in it for good, so after some
/// inputs it is another one.
mlir::MLIRContext &contextForInput();

} // namespace ftc::fuzz

#endif // FTC_TEST_FUZZ_CONTEXTS_H
