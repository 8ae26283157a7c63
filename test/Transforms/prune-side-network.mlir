// Nothing through the backbone: a side network reads frozen layers' hidden states, so no gradient passes
// a frozen layer, and the backward keeps nothing of them but what the side network read.
// RUN: ft-opt %s --ft-build-backward --ft-prune-graph > %t
// RUN: FileCheck %s < %t
// RUN: FileCheck %s --check-prefix=REPORT < %t

// CHECK-LABEL: func.func @train_step(
// CHECK: %[[h1:sum.*]] = ft.add %embed, %L0_v
// CHECK: %[[h2:sum.*]] = ft.add %[[h1]], %L1_v
// CHECK: %[[s0:.*]] = ft.linear %[[h1]], %{{.*}} site("side.0.down")
// CHECK: %[[s2:.*]] = ft.add %mix, %{{.*}}
// CHECK: ft.boundary
// CHECK: %[[dy:.*]] = ft.linear_cross_entropy_grad_input
// CHECK-NEXT: %[[ds2:.*]] = ft.matmul %[[dy]], %{{.*}} site("side.up")
// CHECK-NEXT: ft.matmul %[[dy]], %[[s2]] transpose_lhs site("side.up")
// CHECK-NEXT: ft.add
// CHECK-NEXT: ft.matmul %[[ds2]], %[[h2]] transpose_lhs site("side.1.down")
// CHECK-NEXT: ft.add
// CHECK-NEXT: %[[ds0:.*]] = ft.matmul %[[ds2]], %{{.*}} site("side.1.mix")
// CHECK-NEXT: ft.matmul %[[ds2]], %[[s0]] transpose_lhs site("side.1.mix")
// CHECK-NEXT: ft.add
// CHECK-NEXT: ft.matmul %[[ds0]], %[[h1]] transpose_lhs site("side.0.down")
// CHECK-NEXT: ft.add
// CHECK-NEXT: ft.global_norm
// CHECK-NOT: {{site\("layers|rms_norm_|embedding_grad}}
// CHECK: return

// REPORT: {candidates = {{\[}}["gradient of the input", false, "nothing below is trained", {{\[}}["bytes", 128], ["FLOP", 256]]], ["gradient of the weight", false, "the weight is frozen", {{\[}}["bytes", 64], ["FLOP", 256]]]], count = 6 : i64, question = "which gradients of this layer stay", site = "layers.*.v"}
// REPORT-SAME: "train_step: gradients of 4 of 10 weights and of 3 of 9 inputs stay; the last is at side.0.down, below which nothing is trained"

ft.parameter @embed.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.v.weight : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.1.norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.1.v.weight : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @side.0.down.weight : tensor<2x4xf32> role(trainable) storage(dense<f32>) init("normal" {std = 0.02})
ft.parameter @side.1.down.weight : tensor<2x4xf32> role(trainable) storage(dense<f32>) init("normal" {std = 0.02})
ft.parameter @side.1.mix.weight : tensor<2x2xf32> role(trainable) storage(dense<f32>) init("normal" {std = 0.02})
ft.parameter @side.up.weight : tensor<4x2xf32> role(trainable) storage(dense<f32>) init("zeros")
func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>,
                           %run: !ft.run) -> tensor<f32> {
  %e = ft.read @embed.weight : tensor<16x4xf32>
  %h0 = ft.embedding %ids, %e site("embed") : tensor<8xi32>, tensor<16x4xf32>
  // The backbone, frozen.
  %n0 = ft.read @layers.0.norm.weight : tensor<4xf32>
  %y0, %r0 = ft.rms_norm %h0, %n0 eps 1.0e-5 site("layers.0.norm") : tensor<8x4xf32>, tensor<4xf32>
  %w0 = ft.read @layers.0.v.weight : tensor<4x4xf32>
  %v0 = ft.linear %y0, %w0 site("layers.0.v") : tensor<8x4xf32>, tensor<4x4xf32>
  %h1 = ft.add %h0, %v0 : tensor<8x4xf32>
  %n1 = ft.read @layers.1.norm.weight : tensor<4xf32>
  %y1, %r1 = ft.rms_norm %h1, %n1 eps 1.0e-5 site("layers.1.norm") : tensor<8x4xf32>, tensor<4xf32>
  %w1 = ft.read @layers.1.v.weight : tensor<4x4xf32>
  %v1 = ft.linear %y1, %w1 site("layers.1.v") : tensor<8x4xf32>, tensor<4x4xf32>
  %h2 = ft.add %h1, %v1 : tensor<8x4xf32>
  // Beside it, a narrow network that reads its hidden states.
  %d0 = ft.read @side.0.down.weight : tensor<2x4xf32>
  %s0 = ft.linear %h1, %d0 site("side.0.down") : tensor<8x4xf32>, tensor<2x4xf32>
  %m = ft.read @side.1.mix.weight : tensor<2x2xf32>
  %s1 = ft.linear %s0, %m site("side.1.mix") : tensor<8x2xf32>, tensor<2x2xf32>
  %d1 = ft.read @side.1.down.weight : tensor<2x4xf32>
  %t1 = ft.linear %h2, %d1 site("side.1.down") : tensor<8x4xf32>, tensor<2x4xf32>
  %s2 = ft.add %s1, %t1 : tensor<8x2xf32>
  %u = ft.read @side.up.weight : tensor<4x2xf32>
  %o = ft.linear %s2, %u site("side.up") : tensor<8x2xf32>, tensor<4x2xf32>
  %y = ft.add %h2, %o : tensor<8x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %y, %e, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  return %loss : tensor<f32>
}
