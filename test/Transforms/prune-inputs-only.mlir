// LoRA below frozen layers: gradients of inputs go down to the lowest adapter, and no frozen weight has
// one. What a frozen product reads is not kept: its gradient needs the weight alone.
// RUN: ft-opt %s --ft-attach-adapters --ft-lower-bypasses --ft-build-backward --ft-prune-graph > %t
// RUN: FileCheck %s < %t
// RUN: FileCheck %s --check-prefix=REPORT < %t

// CHECK-LABEL: func.func @train_step(
// CHECK: %[[h1:sum.*]] = ft.add %embed, %{{.*}}
// CHECK: %[[x1:.*]], %[[r1:.*]] = ft.rms_norm %[[h1]], %{{.*}} site("layers.1.norm")
// CHECK: %[[w1:.*]] = ft.read @layers.1.v.weight
// CHECK-NEXT: ft.linear %[[x1]], %[[w1]] site("layers.1.v")
// CHECK: ft.boundary
// CHECK-NOT: %[[x1]]{{[, ]}}
// CHECK: %[[dy:.*]] = ft.linear_cross_entropy_grad_input
// CHECK-NEXT: %[[dx1:.*]] = ft.matmul %[[dy]], %[[w1]] site("layers.1.v")
// CHECK-NEXT: %[[dn1:.*]] = ft.rms_norm_grad %[[dx1]], %[[h1]], %{{.*}}, %[[r1]] site("layers.1.norm")
// CHECK-NEXT: %[[dh1:.*]] = ft.add %[[dy]], %[[dn1]]
// CHECK: ft.matmul %{{.*}} transpose_lhs site("layers.0.v.lora_A")
// CHECK-NOT: {{site\("layers.0.(v|norm)"\)|norm_weight_grad|embedding_grad|site\("layers.1.v"\)}}
// CHECK: return

// The layers have different answers: layer 1's product has its input's gradient, layer 0's has none.
// REPORT: {candidates = {{\[}}["gradient of the input", true, "a trained tensor below needs it", {{\[}}["bytes", 128], ["FLOP", 256]]], ["gradient of the weight", false, "the weight is frozen", {{\[}}["bytes", 64], ["FLOP", 256]]]], count = 3 : i64, question = "which gradients of this layer stay", site = "layers.*.v"}
// REPORT-SAME: {candidates = {{\[}}["gradient of the input", false, "nothing below is trained", {{\[}}["bytes", 128], ["FLOP", 256]]], ["gradient of the weight", false, "the weight is frozen", {{\[}}["bytes", 64], ["FLOP", 256]]]], count = 3 : i64, question = "which gradients of this layer stay", site = "layers.*.v"}
// REPORT-SAME: "train_step: gradients of 2 of 8 weights and of 4 of 7 inputs stay; the last is at layers.0.v.lora_A, below which nothing is trained"

ft.adapter "lora" site("layers.0.v") prefix("") {init_b = "zeros", r = 2 : i64, scaling = 2.0}
ft.parameter @embed.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.v.weight : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
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
  %n1 = ft.read @layers.1.norm.weight : tensor<4xf32>
  %y1, %r1 = ft.rms_norm %h1, %n1 eps 1.0e-5 site("layers.1.norm") : tensor<8x4xf32>, tensor<4xf32>
  %w1 = ft.read @layers.1.v.weight : tensor<4x4xf32>
  %v1 = ft.linear %y1, %w1 site("layers.1.v") : tensor<8x4xf32>, tensor<4x4xf32>
  %h2 = ft.add %h1, %v1 : tensor<8x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %h2, %e, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  return %loss : tensor<f32>
}
