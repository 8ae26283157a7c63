// Weights of which a part is trained: the last rows of up's, the last columns of down's. Their gradients
// are computed for that part alone, and of down's input only the columns that it reads are kept.
// RUN: ft-opt %s --ft-build-backward --ft-prune-graph > %t
// RUN: FileCheck %s < %t
// RUN: FileCheck %s --check-prefix=REPORT < %t
// Taken once is taken: a second run finds nothing.
// RUN: ft-opt %t --ft-prune-graph | FileCheck %s --check-prefix=AGAIN

// Tied: the weight is read twice, and the slice goes through the sum of both gradients. Of three parts the
// one in the middle is frozen.
// CHECK-LABEL: func.func @sum(
// CHECK-DAG: %[[a0:.*]] = ft.slice %[[a:.*]] along 1 from 0 site("p") : tensor<8x6xf32> -> tensor<8x2xf32>
// CHECK-DAG: %[[a1:.*]] = ft.slice %[[a]] along 1 from 5 site("p") : tensor<8x6xf32> -> tensor<8x1xf32>
// CHECK-DAG: ft.matmul %[[a0]], %{{.*}} transpose_lhs site("p")
// CHECK-DAG: ft.matmul %[[a1]], %{{.*}} transpose_lhs site("p")
// CHECK-NOT: tensor<6x4xf32>
// CHECK: return
func.func @sum(%a: tensor<8x6xf32>, %b: tensor<8x6xf32>, %x: tensor<8x4xf32>) -> (tensor<2x4xf32>, tensor<1x4xf32>) {
  ft.boundary
  %p = ft.matmul %a, %x transpose_lhs site("p") : tensor<8x6xf32>, tensor<8x4xf32>
  %q = ft.matmul %b, %x transpose_lhs site("q") : tensor<8x6xf32>, tensor<8x4xf32>
  %s = ft.add %p, %q : tensor<6x4xf32>
  %0 = ft.slice %s along 0 from 0 site("w") : tensor<6x4xf32> -> tensor<2x4xf32>
  %1 = ft.slice %s along 0 from 5 site("w") : tensor<6x4xf32> -> tensor<1x4xf32>
  return %0, %1 : tensor<2x4xf32>, tensor<1x4xf32>
}
// A part of a weight is no value to keep: it is cut out of the parameter where it is read.
// CHECK-LABEL: func.func @weight(
// CHECK: ft.boundary
// CHECK-NEXT: %[[some:.*]] = ft.slice %w along 1 from 1
// CHECK-NEXT: ft.matmul %{{.*}}, %[[some]] site("dx")
func.func @weight(%dy: tensor<8x6xf32>) -> tensor<8x2xf32> {
  %w = ft.read @w : tensor<6x4xf32>
  ft.boundary
  %dx = ft.matmul %dy, %w site("dx") : tensor<8x6xf32>, tensor<6x4xf32>
  %0 = ft.slice %dx along 1 from 1 site("s") : tensor<8x4xf32> -> tensor<8x2xf32>
  return %0 : tensor<8x2xf32>
}
// All of it is read, in two slices or whole, or rows and columns: the product stays.
// CHECK-LABEL: func.func @whole(
// CHECK: ft.matmul %{{.*}} : tensor<8x6xf32>, tensor<8x4xf32>
// CHECK: ft.matmul %{{.*}} : tensor<8x6xf32>, tensor<8x4xf32>
func.func @whole(%a: tensor<8x6xf32>, %x: tensor<8x4xf32>)
    -> (tensor<2x4xf32>, tensor<4x4xf32>, tensor<2x4xf32>, tensor<6x1xf32>) {
  %p = ft.matmul %a, %x transpose_lhs site("p") : tensor<8x6xf32>, tensor<8x4xf32>
  %q = ft.matmul %a, %x transpose_lhs site("q") : tensor<8x6xf32>, tensor<8x4xf32>
  %0 = ft.slice %p along 0 from 0 site("w") : tensor<6x4xf32> -> tensor<2x4xf32>
  %1 = ft.slice %p along 0 from 2 site("w") : tensor<6x4xf32> -> tensor<4x4xf32>
  %2 = ft.slice %q along 0 from 1 site("w") : tensor<6x4xf32> -> tensor<2x4xf32>
  %3 = ft.slice %q along 1 from 1 site("w") : tensor<6x4xf32> -> tensor<6x1xf32>
  return %0, %1, %2, %3 : tensor<2x4xf32>, tensor<4x4xf32>, tensor<2x4xf32>, tensor<6x1xf32>
}

// CHECK-LABEL: func.func @train_step(
// CHECK: %[[z:.*]] = ft.linear %{{.*}} site("in")
// CHECK: %[[wu:.*]] = ft.concat %up_frozen, %up_trained along 0
// CHECK: %[[h:.*]] = ft.linear %[[z]], %[[wu]] site("up")
// CHECK-NEXT: %[[part:.*]] = ft.slice %[[h]] along 1 from 6 site("down") : tensor<8x8xf32> -> tensor<8x2xf32>
// CHECK: %[[wd:.*]] = ft.concat %down_frozen, %down_trained along 1
// CHECK: ft.linear %[[h]], %[[wd]] site("down")
// CHECK: ft.boundary
// CHECK-NOT: %[[h]]{{[, ]}}
// CHECK: %[[dy:.*]] = ft.linear_cross_entropy_grad_input
// CHECK-NEXT: %[[dh:.*]] = ft.matmul %[[dy]], %[[wd]] site("down")
// Trained columns: all of dY, some of X.
// CHECK-NEXT: %[[dwd:.*]] = ft.matmul %[[dy]], %[[part]] transpose_lhs site("down") : tensor<8x4xf32>, tensor<8x2xf32>
// CHECK-NEXT: ft.add %{{.*}}, %[[dwd]] : tensor<4x2xf32>
// CHECK-NEXT: %[[dz:.*]] = ft.matmul %[[dh]], %[[wu]] site("up")
// Trained rows: some of dY, all of X.
// CHECK-NEXT: %[[some:.*]] = ft.slice %[[dh]] along 1 from 6 site("up") : tensor<8x8xf32> -> tensor<8x2xf32>
// CHECK-NEXT: %[[dwu:.*]] = ft.matmul %[[some]], %[[z]] transpose_lhs site("up") : tensor<8x2xf32>, tensor<8x4xf32>
// CHECK-NEXT: ft.add %{{.*}}, %[[dwu]] : tensor<2x4xf32>
// CHECK-NEXT: ft.matmul %[[dz]], %embed transpose_lhs site("in")

// REPORT: {candidates = {{\[}}["gradient of columns 0 to 6 of the weight", false, "the weight is frozen", {{\[}}["bytes", 96], ["FLOP", 0]]], ["gradient of columns 6 to 8 of the weight", true, "the weight is trained", {{\[}}["bytes", 32], ["FLOP", 0]]]], count = 3 : i64, question = "which gradients of this layer stay", site = "down.weight"}
// REPORT-SAME: {candidates = {{\[}}["all of it", false, "the rest is nobody's", {{\[}}["bytes", 128], ["FLOP", 512]]], ["rows 6 to 8", true, "no more than that is read", {{\[}}["bytes", 32], ["FLOP", 128]]]], count = 3 : i64, question = "how much of this gradient is computed", site = "up"}
// REPORT-SAME: {candidates = {{\[}}["all of it", false, "the rest is nobody's", {{\[}}["bytes", 128], ["FLOP", 512]]], ["columns 6 to 8", true, "no more than that is read", {{\[}}["bytes", 32], ["FLOP", 128]]]], count = 3 : i64, question = "how much of this gradient is computed", site = "down"}
// REPORT-SAME: {candidates = {{\[}}["the value", false, "nobody reads all of it", {{\[}}["bytes", 256]]], ["columns 6 to 8", true, "a part of a weight is trained", {{\[}}["bytes", 64]]]], count = 3 : i64, question = "what is kept of this value for the backward", site = "up"}
// REPORT-SAME: ["train_step.gradients_in_part", 2], ["train_step.gradient_flops_spared", 768], ["train_step.stand_ins", 1], ["train_step.stand_in_bytes_spared", 192]

// AGAIN: pass = "ft-prune-graph", remarks = [], statistics = []}]

ft.parameter @w : tensor<6x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @embed.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @in.weight : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @up.frozen : tensor<6x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @up.trained : tensor<2x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @down.frozen : tensor<4x6xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @down.trained : tensor<4x2xf32> role(trainable) storage(dense<f32>) init("file")
func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>,
                           %run: !ft.run) -> tensor<f32> {
  %e = ft.read @embed.weight : tensor<16x4xf32>
  %x = ft.embedding %ids, %e site("embed") : tensor<8xi32>, tensor<16x4xf32>
  %i = ft.read @in.weight : tensor<4x4xf32>
  %z = ft.linear %x, %i site("in") : tensor<8x4xf32>, tensor<4x4xf32>
  %u0 = ft.read @up.frozen : tensor<6x4xf32>
  %u1 = ft.read @up.trained : tensor<2x4xf32>
  %up = ft.concat %u0, %u1 along 0 site("up.weight") : (tensor<6x4xf32>, tensor<2x4xf32>) -> tensor<8x4xf32>
  %h = ft.linear %z, %up site("up") : tensor<8x4xf32>, tensor<8x4xf32>
  %d0 = ft.read @down.frozen : tensor<4x6xf32>
  %d1 = ft.read @down.trained : tensor<4x2xf32>
  %down = ft.concat %d0, %d1 along 1 site("down.weight") : (tensor<4x6xf32>, tensor<4x2xf32>) -> tensor<4x8xf32>
  %o = ft.linear %h, %down site("down") : tensor<8x8xf32>, tensor<4x8xf32>
  %y = ft.add %x, %o : tensor<8x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %y, %e, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  return %loss : tensor<f32>
}
