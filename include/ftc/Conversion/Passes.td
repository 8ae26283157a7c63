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
  }];
  let options = [
    Option<"logitsBytes", "logits-bytes", "int64_t", "67108864",
           "Most bytes of logits that are held at once (but at least 64 rows)">,
    Option<"attentionTile", "attention-tile", "int64_t", "64",
           "Query and key rows of an attention tile">
  ];
  let statistics = [Statistic<"numLaunches", "launches", "launches made">];
  let dependentDialects = ["ftc::launch::LaunchDialect", "mlir::arith::ArithDialect",
                           "mlir::math::MathDialect"];
}

def PlanArena : Pass<"launch-plan-arena", "mlir::ModuleOp"> {
  let summary = "Give every buffer its offset in the arena";
  let description = [{
    Offsets by lifetime, per entry point: buffers whose lifetimes overlap do not overlap. Each
    buffer goes into the smallest gap that fits it, the largest buffers first; where that misses the
    lower bound, two other orders are tried and the smallest arena is taken. The module's
    `launch.arena_bytes` is the largest arena of its entry points.
  }];
  let statistics = [Statistic<"numBuffers", "buffers", "buffers placed">];
  let dependentDialects = ["ftc::launch::LaunchDialect"];
}

#endif
