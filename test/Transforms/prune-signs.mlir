// The gradient of a relu needs the signs of its result. Where nobody else reads that in the backward, a
// bit for each element is kept; where somebody does, nothing is kept beside it.
// RUN: split-file %s %t
// RUN: cat %t/frozen.mlir %t/forward.mlir | ft-opt --ft-build-backward --ft-prune-graph > %t/frozen.out
// RUN: FileCheck %s < %t/frozen.out
// RUN: FileCheck %s --check-prefix=REPORT < %t/frozen.out
// RUN: cat %t/trained.mlir %t/forward.mlir | ft-opt --ft-build-backward --ft-prune-graph | FileCheck %s --check-prefix=KEPT
// RUN: ft-opt %t/other.mlir --ft-prune-graph | FileCheck %s --check-prefix=OTHER

// CHECK-LABEL: func.func @train_step(
// CHECK: %[[y:.*]] = ft.relu %up
// CHECK-NEXT: %[[signs:.*]] = ft.sign_bits %[[y]] site("down") : tensor<8x40xf32> -> tensor<8x2xi32>
// CHECK: ft.boundary
// CHECK-NOT: %[[y]]{{[, ]}}
// CHECK: %[[dy:.*]] = ft.matmul %{{.*}} site("down")
// CHECK-NEXT: %[[dx:.*]] = ft.masked %[[dy]], %[[signs]] site("down") : tensor<8x40xf32>, tensor<8x2xi32>
// CHECK-NEXT: ft.matmul %[[dx]], %up_weight site("up")

// 8 x 40 numbers of 4 bytes, or 8 x 2 words.
// REPORT: {candidates = {{\[}}["the value", false, "nobody reads all of it", {{\[}}["bytes", 1280]]], ["a bit for each element's sign", true, "the derivative needs no more", {{\[}}["bytes", 64]]]], count = 3 : i64, question = "what is kept of this value for the backward", site = "down"}
// REPORT-SAME: "train_step: for 1 forward values less than the whole value is kept, 1.2 KiB less"
// REPORT-SAME: ["train_step.stand_ins", 1], ["train_step.stand_in_bytes_spared", 1216]

// KEPT: ["the value", true, "another gradient reads all of it",
// KEPT-SAME: ["a bit for each element's sign", false, "the whole value is kept anyway",
// KEPT-LABEL: func.func @train_step(
// KEPT-NOT: ft.sign_bits
// KEPT: %[[y:.*]] = ft.relu %up
// KEPT: ft.matmul %{{.*}}, %[[y]] transpose_lhs site("down")
// KEPT: ft.relu_grad %{{.*}}, %[[y]]

// The input is read by another gradient and the result is not: the signs are the input's.
// OTHER-LABEL: func.func @input(
// OTHER-SAME: %[[a:.*]]: tensor<8x4xf32>, %[[g:.*]]: tensor<8x4xf32>)
// OTHER-NEXT: %[[x:.*]] = ft.silu %[[a]]
// OTHER-NEXT: ft.boundary
// OTHER-NEXT: ft.relu_grad %[[g]], %[[x]]
// Signs and some columns are kept together. A vector's signs are not packed, and one column's take a word
// each, which is no less.
// OTHER-LABEL: func.func @both(
// OTHER: %[[y:.*]] = ft.relu
// OTHER-DAG: %[[signs:.*]] = ft.sign_bits %[[y]]
// OTHER-DAG: %[[part:.*]] = ft.slice %[[y]] along 1 from 3
// OTHER: ft.boundary
// OTHER-DAG: ft.masked %{{.*}}, %[[signs]]
// OTHER-DAG: ft.matmul %{{.*}}, %[[part]] transpose_lhs
// OTHER-LABEL: func.func @small(
// OTHER-NOT: ft.sign_bits
// OTHER: return

//--- frozen.mlir
ft.parameter @embed.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @in.weight : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @up.weight : tensor<40x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @down.weight : tensor<4x40xf32> role(base) storage(dense<f32>) init("file")
//--- trained.mlir
ft.parameter @embed.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @in.weight : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @up.weight : tensor<40x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @down.weight : tensor<4x40xf32> role(trainable) storage(dense<f32>) init("file")
//--- forward.mlir
func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>,
                           %run: !ft.run) -> tensor<f32> {
  %e = ft.read @embed.weight : tensor<16x4xf32>
  %x = ft.embedding %ids, %e site("embed") : tensor<8xi32>, tensor<16x4xf32>
  %i = ft.read @in.weight : tensor<4x4xf32>
  %z = ft.linear %x, %i site("in") : tensor<8x4xf32>, tensor<4x4xf32>
  %u = ft.read @up.weight : tensor<40x4xf32>
  %h = ft.linear %z, %u site("up") : tensor<8x4xf32>, tensor<40x4xf32>
  %a = ft.relu %h : tensor<8x40xf32>
  %d = ft.read @down.weight : tensor<4x40xf32>
  %o = ft.linear %a, %d site("down") : tensor<8x40xf32>, tensor<4x40xf32>
  %y = ft.add %x, %o : tensor<8x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %y, %e, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  return %loss : tensor<f32>
}
//--- other.mlir
func.func @input(%a: tensor<8x4xf32>, %g: tensor<8x4xf32>) -> (tensor<8x4xf32>, tensor<4x4xf32>) {
  %x = ft.silu %a : tensor<8x4xf32>
  %y = ft.relu %x : tensor<8x4xf32>
  ft.boundary
  %d = ft.relu_grad %g, %y : tensor<8x4xf32>
  %w = ft.matmul %d, %x transpose_lhs site("w") : tensor<8x4xf32>, tensor<8x4xf32>
  return %d, %w : tensor<8x4xf32>, tensor<4x4xf32>
}
func.func @both(%a: tensor<8x4xf32>, %g: tensor<8x4xf32>) -> (tensor<8x4xf32>, tensor<4x1xf32>) {
  %y = ft.relu %a : tensor<8x4xf32>
  ft.boundary
  %d = ft.relu_grad %g, %y : tensor<8x4xf32>
  %w = ft.matmul %g, %y transpose_lhs site("w") : tensor<8x4xf32>, tensor<8x4xf32>
  %p = ft.slice %w along 1 from 3 site("w") : tensor<4x4xf32> -> tensor<4x1xf32>
  return %d, %p : tensor<8x4xf32>, tensor<4x1xf32>
}
func.func @small(%v: tensor<8xf32>, %g: tensor<8xf32>, %a: tensor<8x1xf32>, %b: tensor<8x1xf32>)
    -> (tensor<8xf32>, tensor<8x1xf32>) {
  %y = ft.relu %v : tensor<8xf32>
  %z = ft.relu %a : tensor<8x1xf32>
  ft.boundary
  %d = ft.relu_grad %g, %y : tensor<8xf32>
  %e = ft.relu_grad %b, %z : tensor<8x1xf32>
  return %d, %e : tensor<8xf32>, tensor<8x1xf32>
}
