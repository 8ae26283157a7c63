// One rule, demand from commits and returned values, and everything that an adapted model need not
// compute is gone. Two residual layers; only the adapters differ between the runs.
// RUN: split-file %s %t
// RUN: cat %t/last.mlir %t/model.mlir | ft-opt --ft-attach-adapters --ft-lower-bypasses \
// RUN:   --ft-build-backward --ft-prune-graph > %t/last.out
// RUN: FileCheck %s --check-prefix=LAST < %t/last.out
// RUN: FileCheck %s --check-prefix=REPORT < %t/last.out
// RUN: cat %t/all.mlir %t/model.mlir | ft-opt --ft-attach-adapters --ft-lower-bypasses \
// RUN:   --ft-build-backward --ft-prune-graph | FileCheck %s --check-prefix=ALL
// RUN: sed -e "/^ft.parameter/d" %t/model.mlir > %t/rest.mlir
// RUN: cat %t/full.mlir %t/rest.mlir | ft-opt --ft-build-backward --ft-prune-graph \
// RUN:   | FileCheck %s --check-prefix=FULL
// Pruned once is pruned: a second run finds nothing, and the text reads back.
// RUN: ft-opt %t/last.out --ft-prune-graph | FileCheck %s --check-prefix=AGAIN
// RUN: ft-opt %t/forward.mlir --ft-prune-graph | FileCheck %s --check-prefix=FORWARD

//===-- An adapter on the last layer alone --------------------------------===//
// Nothing flows below layer 1's v; not one frozen weight has a gradient; the embedding has none.

// DOC: ft-prune-graph LAST
// LAST-LABEL: func.func @train_step(
// LAST: %[[x:.*]], %{{.*}} = ft.rms_norm %{{.*}} site("layers.1.norm")
// LAST: ft.boundary
// LAST-NEXT: %[[one:.*]] = ft.constant 1.000000e+00
// LAST-NEXT: %[[dn:.*]] = ft.linear_cross_entropy_grad_input %{{.*}}, %[[one]]
// LAST-NEXT: %[[dy:.*]] = ft.rms_norm_grad %[[dn]], %{{.*}} site("norm")
// LAST-NEXT: %[[ds:.*]] = ft.scale %[[dy]] by 2.000000e+00
// LAST-NEXT: %[[da:.*]] = ft.matmul %[[ds]], %{{.*}} site("layers.1.v.lora_B")
// LAST-NEXT: %[[dB:.*]] = ft.matmul %[[ds]], %{{.*}} transpose_lhs site("layers.1.v.lora_B")
// LAST-NEXT: %[[sumB:.*]] = ft.add %{{.*}}, %[[dB]]
// LAST-NEXT: %[[dA:.*]] = ft.matmul %[[da]], %[[x]] transpose_lhs site("layers.1.v.lora_A")
// LAST-NEXT: %[[sumA:.*]] = ft.add %{{.*}}, %[[dA]]
// LAST-NEXT: ft.global_norm %[[sumA]], %[[sumB]]
// DOC-END
// LAST-NOT: {{ft.matmul|_grad |embedding_grad|sum_rows}}
// LAST: return

// Weight gradients gone from train_step: the head's, both norms', the final norm's, both v's, the
// embedding's. The backward no longer reads layer 0's input, its norm's result and rstd, nor layer 1's
// input and rstd: 3 * 128 + 2 * 32 bytes.
// REPORT: ft.report = [
// REPORT-SAME: {candidates = {{\[}}["gradient of the input", true, "a trained tensor below needs it", {{\[}}["bytes", 128], ["FLOP", 2048]]], ["gradient of the weight", false, "the weight is frozen", {{\[}}["bytes", 256], ["FLOP", 2048]]]], count = 3 : i64, question = "which gradients of this layer stay", site = "lm_head"}
// The adapter is in layer 1, the lower of the two that it has has nothing below it to train.
// REPORT-SAME: {candidates = {{\[}}["gradient of the input", true, "a trained tensor below needs it", {{\[}}["bytes", 64], ["FLOP", 128]]], ["gradient of the weight", true, "the weight is trained", {{\[}}["bytes", 32], ["FLOP", 128]]]], count = 3 : i64, question = "which gradients of this layer stay", site = "layers.*.v.lora_B"}
// REPORT-SAME: {candidates = {{\[}}["gradient of the input", false, "nothing below is trained", {{\[}}["bytes", 128], ["FLOP", 128]]], ["gradient of the weight", true, "the weight is trained", {{\[}}["bytes", 32], ["FLOP", 128]]]], count = 3 : i64, question = "which gradients of this layer stay", site = "layers.*.v.lora_A"}
// Both layers, in three entry points.
// REPORT-SAME: {candidates = {{\[}}["gradient of the input", false, "nothing below is trained", {{\[}}["bytes", 128], ["FLOP", 256]]], ["gradient of the weight", false, "the weight is frozen", {{\[}}["bytes", 64], ["FLOP", 256]]]], count = 6 : i64, question = "which gradients of this layer stay", site = "layers.*.v"}
// REPORT-SAME: {candidates = {{\[}}["gradient of the weight", false, "the weight is frozen", {{\[}}["bytes", 256], ["FLOP", 32]]]], count = 3 : i64, question = "which gradients of this layer stay", site = "embed"}
// REPORT-SAME: pass = "ft-prune-graph", remarks = ["train_step: dropped 7 weight gradients (688 B) and 8 other ops; the backward no longer reads 448 B of forward values",
// REPORT-SAME: ["train_step.ops_removed", 15], ["train_step.weight_gradients_removed", 7], ["train_step.weight_gradient_bytes", 688], ["train_step.saved_bytes_spared", 448]
// REPORT-SAME: ["accumulate.weight_gradients_removed", 7]
// REPORT-SAME: ["gradients.weight_gradients_removed", 7]

// AGAIN: pass = "ft-prune-graph", remarks = [], statistics = []}]
// AGAIN-LABEL: func.func @train_step(

//===-- Adapters everywhere -----------------------------------------------===//
// Gradients of activations stay all the way down to the lowest adapter's own input, and no further:
// what frozen weights' gradients needed is gone all the same.

// ALL-LABEL: func.func @train_step(
// ALL: ft.boundary
// ALL: ft.linear_cross_entropy_grad_input
// ALL-NOT: ft.linear_cross_entropy_grad_weight
// ALL-NOT: ft.rms_norm_weight_grad
// ALL: ft.rms_norm_grad {{.*}} site("norm")
// ALL-DAG: ft.matmul {{.*}} transpose_lhs site("layers.1.v.lora_B")
// ALL-DAG: ft.matmul %[[dy1:[a-zA-Z_0-9]+]], %{{.*}} site("layers.1.v")
// ALL: ft.rms_norm_grad {{.*}} site("layers.1.norm")
// ALL-NOT: site("layers.1.v")
// ALL: ft.matmul {{.*}} site("layers.0.v.lora_B")
// ALL: ft.matmul {{.*}} transpose_lhs site("layers.0.v.lora_B")
// ALL: ft.matmul {{.*}} transpose_lhs site("layers.0.v.lora_A")
// ALL-NOT: {{site\("layers.0.v"\)|site\("layers.0.norm"\)|ft.embedding_grad}}
// ALL: return

//===-- Full fine-tuning --------------------------------------------------===//
// Nothing to drop but what nobody may have: all of the backward is demanded.

// FULL: pass = "ft-prune-graph", remarks = [], statistics = []}
// FULL-LABEL: func.func @train_step(
// FULL: ft.linear_cross_entropy_grad_weight
// FULL: ft.rms_norm_weight_grad {{.*}} site("norm")
// FULL: ft.matmul {{.*}} transpose_lhs site("layers.1.v")
// FULL: ft.rms_norm_weight_grad {{.*}} site("layers.1.norm")
// FULL: ft.matmul {{.*}} transpose_lhs site("layers.0.v")
// FULL: ft.rms_norm_weight_grad {{.*}} site("layers.0.norm")
// FULL: ft.embedding_grad

//===-- Forward work above the last value used ----------------------------===//

// FORWARD: pass = "ft-prune-graph", remarks = ["f: dropped 0 weight gradients (0 B) and 3 other ops; the backward no longer reads 0 B of forward values",
// FORWARD-LABEL: func.func @f(
// FORWARD-SAME: %[[x:.*]]: tensor<8x4xf32>) -> tensor<8x4xf32> {
// FORWARD-NEXT: %[[silu:.*]] = ft.silu %[[x]]
// FORWARD-NEXT: ft.commit @kept, %[[silu]]
// FORWARD-NEXT: %[[sum:.*]] = ft.add %[[x]], %[[silu]]
// FORWARD-NEXT: return %[[sum]]
// What a kernel or a bypass reads is demanded; one that nobody reads goes whole.
// FORWARD-LABEL: func.func @regions(
// FORWARD-NEXT: %[[silu:.*]] = ft.silu
// FORWARD-NEXT: %[[k:.*]] = ft.kernel map site("kept")
// FORWARD-NOT: site("gone")
// FORWARD: return %[[k]]
// What has no single block is none of ours, and left alone.
// FORWARD-LABEL: func.func @blocks(
// FORWARD-NEXT: %[[silu:.*]] = ft.silu
// FORWARD: ^bb1:
// FORWARD-NEXT: return %[[silu]]

//--- last.mlir
// DOC: ft-prune-graph LAST
ft.adapter "lora" site("layers.1.v") prefix("") {init_b = "zeros", r = 2 : i64, scaling = 2.0}
// DOC-END
//--- all.mlir
ft.adapter "lora" site("layers.0.v") prefix("") {init_b = "zeros", r = 2 : i64, scaling = 2.0}
ft.adapter "lora" site("layers.1.v") prefix("") {init_b = "zeros", r = 2 : i64, scaling = 2.0}
//--- model.mlir
ft.parameter @embed.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.0.v.weight : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.1.norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @layers.1.v.weight : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
// DOC: ft-prune-graph LAST
func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>,
                           %run: !ft.run) -> tensor<f32> {
  %e = ft.read @embed.weight : tensor<16x4xf32>
  %x = ft.embedding %ids, %e site("embed") : tensor<8xi32>, tensor<16x4xf32>
  %n0 = ft.read @layers.0.norm.weight : tensor<4xf32>
  %y0, %r0 = ft.rms_norm %x, %n0 eps 1.0e-5 site("layers.0.norm") : tensor<8x4xf32>, tensor<4xf32>
  %w0 = ft.read @layers.0.v.weight : tensor<4x4xf32>
  %v0 = ft.linear %y0, %w0 site("layers.0.v") : tensor<8x4xf32>, tensor<4x4xf32>
  %h0 = ft.add %x, %v0 : tensor<8x4xf32>
  %n1 = ft.read @layers.1.norm.weight : tensor<4xf32>
  %y1, %r1 = ft.rms_norm %h0, %n1 eps 1.0e-5 site("layers.1.norm") : tensor<8x4xf32>, tensor<4xf32>
  %w1 = ft.read @layers.1.v.weight : tensor<4x4xf32>
  %v1 = ft.linear %y1, %w1 site("layers.1.v") : tensor<8x4xf32>, tensor<4x4xf32>
  %h1 = ft.add %h0, %v1 : tensor<8x4xf32>
  %n = ft.read @norm.weight : tensor<4xf32>
  %y, %r = ft.rms_norm %h1, %n eps 1.0e-5 site("norm") : tensor<8x4xf32>, tensor<4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %y, %e, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  return %loss : tensor<f32>
}
// DOC-END
//--- full.mlir
ft.parameter @embed.weight : tensor<16x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @layers.0.norm.weight : tensor<4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @layers.0.v.weight : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @layers.1.norm.weight : tensor<4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @layers.1.v.weight : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @norm.weight : tensor<4xf32> role(trainable) storage(dense<f32>) init("file")
//--- forward.mlir
ft.parameter @kept : tensor<8x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @norm.weight : tensor<4xf32> role(base) storage(dense<f32>) init("file")
func.func @f(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %0 = ft.silu %x : tensor<8x4xf32>
  ft.commit @kept, %0 : tensor<8x4xf32>
  %1 = ft.add %x, %0 : tensor<8x4xf32>
  %n = ft.read @norm.weight : tensor<4xf32>
  %2, %3 = ft.rms_norm %1, %n eps 1.0e-5 site("norm") : tensor<8x4xf32>, tensor<4xf32>
  %4 = ft.silu %2 : tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
}
func.func @regions(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %0 = ft.silu %x : tensor<8x4xf32>
  %1 = ft.kernel map site("kept") (%a = %0 : tensor<8x4xf32>) -> (tensor<8x4xf32>) {
    %s = ft.silu %a : tensor<8x4xf32>
    ft.yield %s : tensor<8x4xf32>
  }
  %2 = ft.kernel map site("gone") (%a = %1 : tensor<8x4xf32>) -> (tensor<8x4xf32>) {
    %s = ft.silu %a : tensor<8x4xf32>
    ft.yield %s : tensor<8x4xf32>
  }
  return %1 : tensor<8x4xf32>
}
func.func @blocks(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %0 = ft.silu %x : tensor<8x4xf32>
  return %x : tensor<8x4xf32>
^bb1:
  return %0 : tensor<8x4xf32>
}
