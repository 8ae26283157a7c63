//===- Launch.h - the launch dialect ----------------------------*- C++ -*-===//
// Enumerations, attributes and ops of the dialect, in one include.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_DIALECTS_LAUNCH_IR_LAUNCH_H
#define FTC_DIALECTS_LAUNCH_IR_LAUNCH_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Launch/IR/LaunchEnums.h.inc"

namespace ftc::launch {

/// Names of module attributes.
inline constexpr llvm::StringLiteral kTokensAttr = "launch.tokens";
inline constexpr llvm::StringLiteral kMaxSegmentsAttr = "launch.max_segments";
inline constexpr llvm::StringLiteral kComputeAttr = "launch.compute";
inline constexpr llvm::StringLiteral kArenaBytesAttr = "launch.arena_bytes";

/// Every buffer of the arena starts at a multiple of this.
inline constexpr int64_t kArenaAlignment = 64;

/// Whether a buffer has no empty dimension and at most 2^40 elements; sizes that are not known are
/// left out.
bool isSized(mlir::MemRefType type);

/// Bytes of a buffer, from its first to its last element.
int64_t getBufferBytes(mlir::MemRefType type);

} // namespace ftc::launch

#include "dialects/Launch/IR/LaunchDialect.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Launch/IR/LaunchAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/Launch/IR/LaunchOps.h.inc"

#endif
