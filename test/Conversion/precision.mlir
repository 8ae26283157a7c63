// Buffers of values in bf16, kernels that mix element types, and products of factors in one type.
// RUN: split-file %s %t
// RUN: ft-opt %t/bf16.mlir --ft-lower-precision --ft-form-kernels --convert-ft-to-launch > %t/bf16.out
// RUN: FileCheck %s --check-prefix=BF16 < %t/bf16.out
// RUN: ft-opt %t/bf16.out --launch-plan-arena --launch-verify-phase=phase=planned | FileCheck %s --check-prefix=BF16
// 4096 bytes hold 128 rows of 16 logits in bf16, and 64 in f32.
// RUN: ft-opt %t/bf16.mlir --ft-lower-precision --ft-form-kernels --convert-ft-to-launch=logits-bytes=4096 | FileCheck %s --check-prefix=CHUNKS
// RUN: ft-opt %t/bf16.mlir --ft-form-kernels --convert-ft-to-launch=logits-bytes=4096 | FileCheck %s --check-prefix=CHUNKS32
// RUN: ft-opt %t/mixed.mlir --ft-form-kernels --convert-ft-to-launch | FileCheck %s --check-prefix=MIXED
// RUN: ft-opt %t/mixed.mlir --ft-form-kernels --convert-ft-to-launch=same-type-products=true | FileCheck %s --check-prefix=SAME

// CHUNKS: ["128 rows", true, "all rows fit into logits-bytes", {{\[}}["bytes of logits", 4096], ["chunks", 1], ["bytes of the head read", 128]]]
// CHUNKS: launch.alloc "logits" : memref<128x16xbf16>
// CHUNKS-NOT: launch.alloc "logits"
// CHUNKS32: ["64 rows", true, "the most rows that fit into logits-bytes", {{\[}}["bytes of logits", 4096], ["chunks", 2]
// CHUNKS32-COUNT-2: launch.alloc "logits" : memref<64x16xf32>

//--- bf16.mlir
// The compute dtype takes the launch dialect's name.
// BF16: module attributes
// BF16-NOT: ft.compute
// BF16-SAME: launch.compute = bf16
module attributes {ft.compute = bf16, ft.max_segments = 2 : i64, ft.tokens = 128 : i64} {
// BF16: launch.state @n : memref<4xf32> role(base)
// BF16-NEXT: launch.state @head : memref<16x4xbf16> role(base)
// BF16-NEXT: launch.state @w : memref<4x4xf32> role(trainable)
// BF16-NEXT: launch.state @w.shadow : memref<4x4xbf16> role(shadow) init("master") key("w.shadow")
ft.parameter @n : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @head : tensor<16x4xf32> role(base) storage(dense<bf16>) init("file")
ft.parameter @w : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @w.m : tensor<4x4xf32> role(moment1) storage(dense<f32>) init("zeros")
ft.parameter @w.v : tensor<4x4xf32> role(moment2) storage(dense<f32>) init("zeros")

// Regions compute in f32 whatever the buffers hold.
// BF16: launch.kernel @row_rms_norm row_reduce [#launch.arg<read element memref<?x4xbf16>>, #launch.arg<read column memref<4xf32>>, #launch.arg<write element memref<?x4xbf16>>, #launch.arg<write row memref<?xf32>>] {
// BF16-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: f32):
// BF16: launch.kernel @gemm_nt_128x4x4_add gemm [#launch.arg<read whole memref<128x4xbf16>>, #launch.arg<read whole memref<4x4xbf16>>, #launch.arg<readwrite whole memref<128x4xbf16>>]
// BF16: launch.kernel @cross_entropy cross_entropy [#launch.arg<readwrite element memref<?x16xbf16>>, {{.*}}, #launch.arg<write row memref<?xf32>>]
// The gradient of a weight is a sum over tokens.
// BF16: launch.kernel @gemm_tn_4x4x128 gemm [#launch.arg<read whole memref<128x4xbf16>>, #launch.arg<read whole memref<128x4xbf16>>, #launch.arg<write whole memref<4x4xf32>>]
// The shadow is one more output of the update.
// BF16: launch.kernel @map_adamw_cast map [#launch.arg<readwrite element memref<?xf32>>, #launch.arg<read element memref<?xf32>>, #launch.arg<readwrite element memref<?xf32>>, #launch.arg<readwrite element memref<?xf32>>, #launch.arg<read scalar memref<f32>>, {{.*}}#launch.arg<write element memref<?xbf16>>] {

// BF16-LABEL: launch.entry @train_step
// BF16-DAG: %[[shadow:.*]] = launch.ref @w.shadow : memref<4x4xbf16>
// BF16-DAG: launch.alloc "embed"{{.*}} : memref<128x4xbf16>
// BF16-DAG: launch.alloc "norm_rstd"{{.*}} : memref<128xf32>
// BF16-DAG: launch.alloc "logits"{{.*}} : memref<128x16xbf16>
// BF16: launch.launch @gemm_nt_128x4x4_add site("q") {{.*}} (%{{.*}}, %[[shadow]], %{{.*}})
// No copy: it is written where it lies.
// BF16: launch.launch @map_adamw_cast {{.*}} (%{{.*}}, %[[shadow]])
// BF16-NOT: launch.launch @copy
// BF16: launch.output "loss"
func.func @train_step(%ids: tensor<128xi32>, %labels: tensor<128xi32>, %segments: !ft.segments<128, 2>, %run: !ft.run) -> tensor<f32> {
  %head = ft.read @head : tensor<16x4xf32>
  %n = ft.read @n : tensor<4xf32>
  %w = ft.read @w : tensor<4x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %x = ft.embedding %ids, %head site("embed") : tensor<128xi32>, tensor<16x4xf32>
  %y, %rstd = ft.rms_norm %x, %n eps 1.0e-5 site("norm") : tensor<128x4xf32>, tensor<4xf32>
  %q = ft.linear %y, %w site("q") : tensor<128x4xf32>, tensor<4x4xf32>
  %r = ft.add %x, %q : tensor<128x4xf32>
  %loss = ft.linear_cross_entropy %r, %head, %labels, %segments, %inv site("head") : tensor<128x4xf32>, tensor<16x4xf32>, tensor<128xi32>, !ft.segments<128, 2> -> tensor<f32>
  ft.boundary
  %dr = ft.linear_cross_entropy_grad_input %r, %head, %labels, %segments, %inv, %inv site("head") : tensor<128x4xf32>, tensor<16x4xf32>, tensor<128xi32>, !ft.segments<128, 2>, tensor<f32>
  %dw = ft.matmul %dr, %y transpose_lhs site("q") : tensor<128x4xf32>, tensor<128x4xf32>
  %dy = ft.matmul %dr, %w site("q") : tensor<128x4xf32>, tensor<4x4xf32>
  %dx = ft.rms_norm_grad %dy, %x, %n, %rstd site("norm") : tensor<128x4xf32>, tensor<4xf32>, tensor<128xf32>
  %norm = ft.global_norm %dx, %dw : (tensor<128x4xf32>, tensor<4x4xf32>) -> tensor<f32>
  %m = ft.read @w.m : tensor<4x4xf32>
  %v = ft.read @w.v : tensor<4x4xf32>
  %p, %m1, %v1 = ft.adamw %w, %dw moments(%m, %v) clip(%norm) run(%inv, %inv, %inv, %inv, %inv, %inv, %inv) : tensor<4x4xf32>, tensor<f32>
  ft.commit @w, %p : tensor<4x4xf32>
  ft.commit @w.m, %m1 : tensor<4x4xf32>
  ft.commit @w.v, %v1 : tensor<4x4xf32>
  return %loss : tensor<f32>
}
}

//--- mixed.mlir
// Weights in bf16 and f16 under f32 compute: read as stored, or copied for each product.
ft.parameter @head : tensor<16x4xf32> role(base) storage(dense<bf16>) init("file")
ft.parameter @w : tensor<4x4xf32> role(base) storage(dense<f16>) init("file")
ft.parameter @f : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")

// MIXED: launch.kernel @gemm_nt_8x4x4 gemm [#launch.arg<read whole memref<8x4xf32>>, #launch.arg<read whole memref<4x4xf16>>
// MIXED-NOT: @copy
// SAME: launch.kernel @copy map [#launch.arg<read element memref<?xf16>>, #launch.arg<write element memref<?xf32>>]
// SAME: launch.kernel @gemm_nt_8x4x4 gemm [#launch.arg<read whole memref<8x4xf32>>, #launch.arg<read whole memref<4x4xf32>>, #launch.arg<write whole memref<8x4xf32>>]
// SAME: launch.kernel @copy_1 map [#launch.arg<read element memref<?xbf16>>, #launch.arg<write element memref<?xf32>>]
// SAME-LABEL: launch.entry @train_step
// SAME-DAG: %[[head:.*]] = launch.ref @head : memref<16x4xbf16>
// SAME-DAG: %[[w:.*]] = launch.ref @w : memref<4x4xf16>
// SAME-DAG: %[[f:.*]] = launch.ref @f : memref<4x4xf32>
// SAME-DAG: %[[wide:.*]] = launch.alloc "widened" : memref<4x4xf32>
// SAME-DAG: %[[wide2:.*]] = launch.alloc "widened" : memref<4x4xf32>
// SAME-DAG: %[[widehead:.*]] = launch.alloc "widened" : memref<16x4xf32>
// A table that is looked up stays as it is.
// SAME: launch.launch @embedding {{.*}} %[[head]],
// SAME: launch.launch @copy site("q") {{.*}} (%[[w]], %[[wide]])
// SAME-NEXT: launch.launch @gemm_nt_8x4x4 site("q") {{.*}} (%{{.*}}, %[[wide]], %{{.*}})
// SAME-NEXT: launch.launch @gemm_nt_8x4x4 site("k") {{.*}} (%{{.*}}, %[[f]], %{{.*}})
// Once for all chunks of the loss and its gradients.
// SAME: launch.launch @copy_1 site("head") {{.*}} (%[[head]], %[[widehead]])
// SAME: launch.launch @gather site("head")
// SAME-NEXT: launch.launch @gemm_nt_8x16x4 site("head") {{.*}} %[[widehead]],
// SAME: launch.launch @gemm_nn_8x4x16 site("head") {{.*}} %[[widehead]],
// SAME: launch.launch @copy site("q") {{.*}} (%[[w]], %[[wide2]])
// SAME-NEXT: launch.launch @gemm_nn_8x4x4 site("q")
// SAME-NOT: launch.launch @copy
func.func @train_step(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>, %run: !ft.run) -> (tensor<f32>, tensor<f32>) {
  %head = ft.read @head : tensor<16x4xf32>
  %w = ft.read @w : tensor<4x4xf32>
  %f = ft.read @f : tensor<4x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %x = ft.embedding %ids, %head site("embed") : tensor<8xi32>, tensor<16x4xf32>
  %q = ft.linear %x, %w site("q") : tensor<8x4xf32>, tensor<4x4xf32>
  %k = ft.linear %q, %f site("k") : tensor<8x4xf32>, tensor<4x4xf32>
  %loss = ft.linear_cross_entropy %k, %head, %labels, %segments, %inv site("head") : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  ft.boundary
  %dk = ft.linear_cross_entropy_grad_input %k, %head, %labels, %segments, %inv, %inv site("head") : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2>, tensor<f32>
  %dx = ft.matmul %dk, %w site("q") : tensor<8x4xf32>, tensor<4x4xf32>
  %norm = ft.global_norm %dx : (tensor<8x4xf32>) -> tensor<f32>
  return %loss, %norm : tensor<f32>, tensor<f32>
}
