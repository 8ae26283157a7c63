//===- Passes.td - ft to launch, and the memory plan ----------*- tablegen -*-===//
// One entry, one file in lib/Conversion, one lit test in test/Conversion.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_CONVERSION_PASSES_TD
#define FTC_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertFTToLaunch : Pass<"convert-ft-to-launch", "mlir::ModuleOp"> {
  let summary = "Buffers, kernels and launches from formed kernels";
  let description = [{
    Every parameter becomes a `launch.state`, every entry point a `launch.entry`, every `ft.kernel` one
    or more launches. An output takes a dying operand's buffer where its family works in place, and a
    committed value is written straight into its state buffer; a copy is made only where neither can
    be. Equal kernels become one symbol. Cross-entropy becomes a sequence of launches per chunk of rows,
    so that no more than a chunk of logits is ever held.

    Buffers have their values' element types, states those of the storage, so the factors of a product
    may differ; for targets whose products take one type, `same-type-products` copies the narrower one.

    A value op outside of a kernel, a kernel whose body is none of its family, and a function that is
    no entry point (one block; ids, labels, segments and run, or run alone; at most loss and gradient
    norm out) are errors.
  }];
  let options = [
    Option<"logitsBytes", "logits-bytes", "int64_t", "67108864",
           "Most bytes of logits that are held at once (but at least 64 rows)">,
    Option<"attentionTile", "attention-tile", "int64_t", "64",
           "Query and key rows of an attention tile">,
    Option<"inPlace", "in-place", "bool", "true",
           "Let results take buffers of operands and of states; without it each has its own, and "
           "commits are copies">,
    Option<"sameTypeProducts", "same-type-products", "bool", "false",
           "Copy a product's factor to f32 where the other has another element type">
  ];
  let dependentDialects = ["ftc::launch::LaunchDialect", "mlir::arith::ArithDialect",
                           "mlir::math::MathDialect"];
}

def BatchLaunches : Pass<"launch-batch", "mlir::ModuleOp"> {
  let summary = "Make one launch of equal kernels on independent buffers";
  let description = [{
    Launches of one `map` or `row_reduce` kernel that stand together, with none of another family
    between, and depend on each other in nothing become one launch with `batch(k)`: the updates of all
    parameters (multi-tensor AdamW), the sums of squares of all gradients, zeroing all accumulators.
    For targets where a launch costs more than its work; the cpu target does without. A kernel of more than
    `max-arguments` arguments is left alone. There are no errors.
  }];
  let options = [Option<"off", "off", "bool", "false", "Leave the launches as they are, and say so">,
                 Option<"maxArguments", "max-arguments", "int64_t", "16",
                        "Most arguments of a kernel that is batched">];
  let dependentDialects = ["ftc::launch::LaunchDialect"];
}

def PlanArena : Pass<"launch-plan-arena", "mlir::ModuleOp"> {
  let summary = "Give every buffer its offset in the arena";
  let description = [{
    Offsets by lifetime, per entry point: buffers whose lifetimes overlap do not overlap. Each
    buffer goes into the smallest gap that fits it, the largest buffers first; where that misses the
    lower bound, two other orders are tried and the smallest arena is taken. The module's
    `launch.arena_bytes` is the largest arena of its entry points. Planning again gives the same
    plan. A module without entry points is no error: there is nothing to place.
  }];
  let options = [Option<"reuse", "reuse", "bool", "true",
                        "Let buffers share bytes; without it they lie one behind the other">];
  let dependentDialects = ["ftc::launch::LaunchDialect"];
}

def VerifyLaunchPhase : Pass<"launch-verify-phase", "mlir::ModuleOp"> {
  let summary = "Check what a phase of the launch level promises, and report every offender";
  let description = [{
    `launched`: entry points of launches only, no function or op of `ft` is left, and no buffer of the
    arena is read before a launch has written it. `planned`: besides, every entry point has its arena,
    buffers that are live at the same launch lie apart, and the bytes that are told of entry points and
    module are right. Every offender is an error of its own, and an unknown phase is one.
  }];
  let options = [Option<"phase", "phase", "std::string", "\"launched\"", "Which phase has ended">];
  let dependentDialects = ["ftc::launch::LaunchDialect"];
}

#endif
