//===- RegisterAll.h - our dialects and passes ------------------*- C++ -*-===//
// What the tools register.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PIPELINES_REGISTERALL_H
#define FTC_PIPELINES_REGISTERALL_H

#include "mlir/IR/DialectRegistry.h"

namespace ftc {

/// ft, launch, and the upstream dialects that our IR uses.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Our passes, and canonicalization and CSE from upstream.
void registerAllPasses();

} // namespace ftc

#endif
