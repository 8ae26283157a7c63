// Two blocks, a norm and a gated product each. What one pass over memory rebuilds is not kept; a limit
// repeats products too, and reaches no further back than the region.
// RUN: split-file %s %t
// RUN: ft-opt %t/model.mlir --ft-build-backward --ft-prune-graph --canonicalize --cse > %t/pruned.mlir
// RUN: ft-opt %t/pruned.mlir --ft-rematerialize > %t/free.mlir
// RUN: FileCheck %s --check-prefix=FREE < %t/free.mlir
// RUN: FileCheck %s --check-prefix=REPORT < %t/free.mlir
// RUN: ft-opt %t/pruned.mlir --ft-rematerialize="saved-bytes=0 segments=1" | FileCheck %s --check-prefix=LEAST
// RUN: ft-opt %t/pruned.mlir --ft-rematerialize="saved-bytes=2600 segments=1" | FileCheck %s --check-prefix=LIMIT
// RUN: ft-opt %t/pruned.mlir --ft-rematerialize="saved-bytes=1600 segments=1" | FileCheck %s --check-prefix=HALF
// RUN: ft-opt %t/pruned.mlir --ft-rematerialize=off | FileCheck %s --check-prefix=OFF
// RUN: not ft-opt %t/pruned.mlir --ft-rematerialize=segments=0 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: cannot have regions of 0 segments; expected 1 or more

//===-- Without a limit ---------------------------------------------------===//
// The trained gate reads the normed input, the trained down product silu(gate) * up: both are rebuilt,
// in the pass that reads gate and up, or the norm's input, anyway, and their gradients wait for it.

// DOC: ft-rematerialize FREE
// FREE-LABEL: func.func @gradients(
// FREE: %[[x:.*]] = ft.embedding
// FREE: %[[y0:.*]], %[[r0:.*]] = ft.rms_norm %[[x]]
// FREE: %[[gate:.*]] = ft.linear {{.*}} site("layers.1.gate")
// FREE: %[[up:.*]] = ft.linear {{.*}} site("layers.1.up")
// FREE: ft.boundary
// FREE: %[[dm:.*]] = ft.matmul {{.*}} site("layers.1.down") :
// FREE-NEXT: %[[ds:.*]] = ft.mul %[[dm]], %[[up]]
// FREE-NEXT: %[[dgate:.*]] = ft.silu_grad %[[ds]], %[[gate]]
// FREE-NEXT: %[[silu:.*]] = ft.silu %[[gate]]
// FREE-NEXT: %[[dup:.*]] = ft.mul %[[dm]], %[[silu]]
// FREE-NEXT: %[[m:.*]] = ft.mul %[[silu]], %[[up]]
// FREE-NEXT: ft.matmul %{{.*}}, %[[m]] transpose_lhs site("layers.1.down")
// FREE: ft.rms_norm_grad {{.*}} site("layers.1.norm")
// FREE-NEXT: ft.add
// FREE-NEXT: %[[y1:.*]] = ft.rms_norm_apply {{.*}} site("layers.1.norm")
// FREE-NEXT: ft.matmul %[[dgate]], %[[y1]] transpose_lhs site("layers.1.gate")
// DOC-END
// Nothing streams below the lowest block: its input is looked up again, where it is read.
// FREE: %[[again:.*]] = ft.embedding
// FREE-NEXT: %[[y:.*]] = ft.rms_norm_apply %[[again]], %{{.*}}, %[[r0]] site("layers.0.norm")
// FREE-NEXT: ft.matmul %{{.*}}, %[[y]] transpose_lhs site("layers.0.gate")
// FREE-NOT: = ft.linear
// FREE-LABEL: func.func @evaluate(
// FREE-NOT: ft.rms_norm_apply

// Kept: per block the input of the norm (128 bytes; the embedding's is rebuilt) and rstd (32), gate and up
// (512 each); the last norm's input, result and rstd.
// REPORT: pass = "ft-rematerialize"
// REPORT-SAME: ["gradients.needed_bytes", 4288], ["gradients.saved_bytes", 2528], ["gradients.rebuilt_ops", 7], ["gradients.extra_flops", 0]

//===-- With a limit ------------------------------------------------------===//

// The blocks' inputs stay, and what the loss reads. Products are repeated just before they are read.
// LEAST: ["gradients.saved_bytes", 416], ["gradients.rebuilt_ops", 13], ["gradients.extra_flops", 4096]
// LEAST-LABEL: func.func @gradients(
// LEAST: ft.boundary
// LEAST: ft.rms_norm_grad {{.*}} site("norm")
// LEAST: ft.rms_norm {{.*}} site("layers.1.norm")
// LEAST: ft.linear {{.*}} site("layers.1.gate")
// LEAST-NOT: ft.embedding
// LEAST: ft.rms_norm_grad {{.*}} site("layers.1.norm")
// LEAST: ft.rms_norm {{.*}} site("layers.0.norm")
// LEAST: ft.linear {{.*}} site("layers.0.gate")

// Half of it: the first block changes, the second does not.
// HALF: ["gradients.saved_bytes", 1504], ["gradients.rebuilt_ops", 9], ["gradients.extra_flops", 2048]
// HALF-LABEL: func.func @gradients(
// HALF: ft.boundary
// HALF-NOT: ft.linear {{.*}} site("layers.1
// HALF: ft.linear {{.*}} site("layers.0.gate")

// Enough without any: LIMIT is what FREE is.
// LIMIT: ["gradients.saved_bytes", 2528], ["gradients.rebuilt_ops", 7], ["gradients.extra_flops", 0]

// OFF: pass = "ft-rematerialize", remarks = ["switched off"]
// OFF-NOT: ft.rms_norm_apply

//--- model.mlir
ft.parameter @embed.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.gate.weight : tensor<16x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @layers.0.up.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.down.weight : tensor<4x16xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @layers.1.norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.1.gate.weight : tensor<16x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @layers.1.up.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.1.down.weight : tensor<4x16xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
// DOC: ft-rematerialize FREE
func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>,
                           %run: !ft.run) -> tensor<f32> {
  %e = ft.read @embed.weight : tensor<16x4xf32>
  %x = ft.embedding %ids, %e site("embed") : tensor<8xi32>, tensor<16x4xf32>
  %n0 = ft.read @layers.0.norm.weight : tensor<4xf32>
  %g0 = ft.read @layers.0.gate.weight : tensor<16x4xf32>
  %u0 = ft.read @layers.0.up.weight : tensor<16x4xf32>
  %d0 = ft.read @layers.0.down.weight : tensor<4x16xf32>
  %y0, %r0 = ft.rms_norm %x, %n0 eps 1.0e-5 site("layers.0.norm") : tensor<8x4xf32>, tensor<4xf32>
  %gate0 = ft.linear %y0, %g0 site("layers.0.gate") : tensor<8x4xf32>, tensor<16x4xf32>
  %up0 = ft.linear %y0, %u0 site("layers.0.up") : tensor<8x4xf32>, tensor<16x4xf32>
  %s0 = ft.silu %gate0 : tensor<8x16xf32>
  %m0 = ft.mul %s0, %up0 : tensor<8x16xf32>
  %down0 = ft.linear %m0, %d0 site("layers.0.down") : tensor<8x16xf32>, tensor<4x16xf32>
  %h0 = ft.add %x, %down0 : tensor<8x4xf32>
  %n1 = ft.read @layers.1.norm.weight : tensor<4xf32>
  %g1 = ft.read @layers.1.gate.weight : tensor<16x4xf32>
  %u1 = ft.read @layers.1.up.weight : tensor<16x4xf32>
  %d1 = ft.read @layers.1.down.weight : tensor<4x16xf32>
  %y1, %r1 = ft.rms_norm %h0, %n1 eps 1.0e-5 site("layers.1.norm") : tensor<8x4xf32>, tensor<4xf32>
  %gate1 = ft.linear %y1, %g1 site("layers.1.gate") : tensor<8x4xf32>, tensor<16x4xf32>
  %up1 = ft.linear %y1, %u1 site("layers.1.up") : tensor<8x4xf32>, tensor<16x4xf32>
  %s1 = ft.silu %gate1 : tensor<8x16xf32>
  %m1 = ft.mul %s1, %up1 : tensor<8x16xf32>
  %down1 = ft.linear %m1, %d1 site("layers.1.down") : tensor<8x16xf32>, tensor<4x16xf32>
  %h1 = ft.add %h0, %down1 : tensor<8x4xf32>
  %n = ft.read @norm.weight : tensor<4xf32>
  %y, %r = ft.rms_norm %h1, %n eps 1.0e-5 site("norm") : tensor<8x4xf32>, tensor<4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %y, %e, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  return %loss : tensor<f32>
}
// DOC-END
