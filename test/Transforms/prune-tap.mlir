// The loss reads an earlier layer, as a value head or an early exit does: no forward work is done above
// it, in no entry point, and the report says which layers that are.
// RUN: ft-opt %s --ft-build-backward --ft-prune-graph > %t
// RUN: FileCheck %s < %t
// RUN: FileCheck %s --check-prefix=REPORT < %t

// CHECK-LABEL: func.func @train_step(
// CHECK-NOT: layers.1
// CHECK: %[[h1:.*]] = ft.add %embed, %L0_v
// CHECK-NEXT: ft.run_value
// CHECK-NEXT: ft.linear_cross_entropy %[[h1]],
// CHECK-NEXT: ft.boundary
// CHECK: ft.matmul %{{.*}}, %L0_norm transpose_lhs site("layers.0.v")
// CHECK-NOT: layers.1
// CHECK-LABEL: func.func @evaluate(
// CHECK-NOT: layers.1

// REPORT: {candidates = {{\[}}["computed", false, "no loss, gradient or commit needs its result", {{\[}}["bytes", 128], ["FLOP", 128]]], ["left out", true, "", []]], count = 4 : i64, question = "is this layer computed", site = "layers.*.norm"}
// REPORT-SAME: {candidates = {{\[}}["computed", false, "no loss, gradient or commit needs its result", {{\[}}["bytes", 128], ["FLOP", 256]]], ["left out", true, "", []]], count = 4 : i64, question = "is this layer computed", site = "layers.*.v"}

ft.parameter @embed.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.v.weight : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @layers.1.norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.1.v.weight : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>,
                           %run: !ft.run) -> tensor<f32> {
  %e = ft.read @embed.weight : tensor<16x4xf32>
  %h0 = ft.embedding %ids, %e site("embed") : tensor<8xi32>, tensor<16x4xf32>
  %n0 = ft.read @layers.0.norm.weight : tensor<4xf32>
  %y0, %r0 = ft.rms_norm %h0, %n0 eps 1.0e-5 site("layers.0.norm") : tensor<8x4xf32>, tensor<4xf32>
  %w0 = ft.read @layers.0.v.weight : tensor<4x4xf32>
  %v0 = ft.linear %y0, %w0 site("layers.0.v") : tensor<8x4xf32>, tensor<4x4xf32>
  %h1 = ft.add %h0, %v0 : tensor<8x4xf32>
  // What follows is above the tap.
  %n1 = ft.read @layers.1.norm.weight : tensor<4xf32>
  %y1, %r1 = ft.rms_norm %h1, %n1 eps 1.0e-5 site("layers.1.norm") : tensor<8x4xf32>, tensor<4xf32>
  %w1 = ft.read @layers.1.v.weight : tensor<4x4xf32>
  %v1 = ft.linear %y1, %w1 site("layers.1.v") : tensor<8x4xf32>, tensor<4x4xf32>
  %h2 = ft.add %h1, %v1 : tensor<8x4xf32>
  // The loss reads layer 0.
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %h1, %e, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  return %loss : tensor<f32>
}
