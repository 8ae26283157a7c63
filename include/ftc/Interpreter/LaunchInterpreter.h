//===- LaunchInterpreter.h - the executable meaning of launch ---*- C++ -*-===//
// Runs entry points of the launch dialect in double precision, on memory as planned.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_INTERPRETER_LAUNCHINTERPRETER_H
#define FTC_INTERPRETER_LAUNCHINTERPRETER_H

#include "dialects/Launch/IR/Launch.h"
#include "ftc/Interpreter/Interpreter.h"

#include "mlir/IR/BuiltinOps.h"

namespace ftc::launch {

/// Buffers by name: inputs of an entry point, or its outputs.
using Buffers = std::map<std::string, ft::HostValue>;

/// The inputs that the runtime makes of a step's arguments: the tokens with those that predict
/// first, and for each of these its target, the label of the next token of its segment; positions
/// and bounds of the segments; the run's fields.
/// `arguments` are those of an ft entry function: ids, labels, segments and run, or the run alone.
Buffers makeInputs(llvm::ArrayRef<ft::HostValue> arguments);

/// Runs an entry point of a verified module and returns its outputs; `state` is read and written.
/// Kernels are computed by their definitions in docs/kernels.md, one launch behind the other, in
/// double precision whatever the storage; launches with `rows` leave out all that they may. With
/// offsets (launch-plan-arena) buffers share the arena as planned, without them each has memory of
/// its own; what nobody has written reads as NaN. On failure a diagnostic says what is wrong: an
/// input or a state that is missing or has another size, scalar code without a meaning, an index
/// out of range, a buffer outside of the arena, operands of a launch that overlap although one is
/// written, more than 64 MiB of buffers.
///
/// With `roundStores` every launch leaves what it has written as its buffers hold it: a program
/// that computes exactly inside of kernels and rounds between them.
mlir::FailureOr<Buffers> runEntry(mlir::ModuleOp module, EntryOp entry, const Buffers &inputs,
                                  ft::State &state, bool roundStores = false);

} // namespace ftc::launch

#endif
