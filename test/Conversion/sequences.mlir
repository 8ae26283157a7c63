// Kernels that become several launches: cross-entropy by chunks of rows, the global norm.
// RUN: ft-opt %s --ft-form-kernels --convert-ft-to-launch=logits-bytes=1 | FileCheck %s
// RUN: ft-opt %s --ft-form-kernels --convert-ft-to-launch | FileCheck %s --check-prefix=WHOLE
// WHOLE: {candidates = {{\[}}["64 rows", false, "reads the head more often", {{\[}}["bytes of logits", 2048], ["chunks", 3], ["bytes of the head read", 192]]], ["80 rows", false, "reads the head more often", {{\[}}["bytes of logits", 2560], ["chunks", 2], ["bytes of the head read", 128]]], ["160 rows", true, "all rows fit into logits-bytes", {{\[}}["bytes of logits", 5120], ["chunks", 1], ["bytes of the head read", 64]]]], count = 2 : i64, question = "how many rows of logits at once", site = "lm_head"}
// CHECK: {candidates = {{\[}}["64 rows", true, "the fewest rows that pay", {{\[}}["bytes of logits", 2048], ["chunks", 3], ["bytes of the head read", 192]]], ["128 rows", false, "more than logits-bytes", {{\[}}["bytes of logits", 4096], ["chunks", 2], ["bytes of the head read", 128]]], ["160 rows", false, "more than logits-bytes", {{\[}}["bytes of logits", 5120], ["chunks", 1], ["bytes of the head read", 64]]]], count = 2 : i64, question = "how many rows of logits at once", site = "lm_head"}

ft.parameter @h : tensor<160x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @w : tensor<8x4xf32> role(base) storage(dense<bf16>) init("file")
ft.parameter @dh : tensor<160x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @dw : tensor<8x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @long : tensor<200x200xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @prime : tensor<16411xf32> role(base) storage(dense<f32>) init("file")

// The gradient replaces the logits; the last chunk of another length shares the code.
// CHECK: launch.kernel @cross_entropy cross_entropy [#launch.arg<readwrite element memref<?x8xf32>>, #launch.arg<read row memref<?xi32>>, #launch.arg<read scalar memref<f32>>, #launch.arg<read scalar memref<f32>>, #launch.arg<write row memref<?xf32>>] params {gradient = true, loss = true}

// At most 64 rows of logits at once, though the limit asks for fewer: 160 = 64 + 64 + 32. Every launch
// of a chunk is for rows of the list, so that it can leave out those that predict nothing.
// CHECK-LABEL: launch.entry @train_step
// CHECK: %loss_rows = launch.input "loss_rows" : memref<160xi32>
// CHECK-DAG: %[[c0:.*]] = launch.alloc "loss_hidden" : memref<64x4xf32>
// CHECK-DAG: %[[l0:.*]] = launch.alloc "logits" : memref<64x8xf32>
// CHECK-DAG: %[[g0:.*]] = launch.alloc "loss_hidden_grad" : memref<64x4xf32>
// CHECK-DAG: %[[c1:.*]] = launch.alloc "loss_hidden" : memref<64x4xf32>
// CHECK-DAG: %[[l1:.*]] = launch.alloc "logits" : memref<64x8xf32>
// CHECK-DAG: %[[c2:.*]] = launch.alloc "loss_hidden" : memref<32x4xf32>
// CHECK-DAG: %[[l2:.*]] = launch.alloc "logits" : memref<32x8xf32>
// CHECK: launch.launch @map_constant
// What no row writes is zero.
// CHECK: launch.launch @zero site("lm_head") grid(160) cost(0, 640) (%token_losses)
// CHECK-NEXT: %[[r0:.*]] = launch.view %loss_rows[0] : memref<160xi32> -> memref<64xi32>
// CHECK-NEXT: launch.launch @gather site("lm_head") grid(64) rows(0) cost(0, 2304) (%[[r0]], %h, %[[c0]]) : memref<64xi32>, memref<160x4xf32>, memref<64x4xf32>
// CHECK-NEXT: launch.launch @gemm_nt_64x8x4 site("lm_head") grid(1) rows(0) cost(4096, {{[0-9]+}}) (%[[c0]], %w, %[[l0]]) : memref<64x4xf32>, memref<8x4xbf16>, memref<64x8xf32>
// CHECK-NEXT: %[[t0:.*]] = launch.view %targets[0] : memref<160xi32> -> memref<64xi32>
// CHECK-NEXT: %[[n0:.*]] = launch.view %token_losses[0] : memref<160xf32> -> memref<64xf32>
// CHECK-NEXT: launch.launch @cross_entropy site("lm_head") grid(64) rows(0) cost(2560, {{[0-9]+}}) (%[[l0]], %[[t0]], %{{.*}}, %{{.*}}, %[[n0]])
// The first chunk writes the weight's gradient, the others add to it.
// CHECK-NEXT: launch.launch @gemm_tn_8x4x64 site("lm_head") grid(1) rows(0) cost(4096, {{[0-9]+}}) (%[[l0]], %[[c0]], %dw)
// CHECK-NEXT: launch.launch @gemm_nn_64x4x8 site("lm_head") grid(1) rows(0) cost(4096, {{[0-9]+}}) (%[[l0]], %w, %[[g0]])
// CHECK-NEXT: launch.launch @zero site("lm_head") grid(640) cost(0, 2560) (%dh)
// CHECK-NEXT: launch.launch @scatter site("lm_head") grid(64) rows(0) cost(0, 3328) (%[[r0]], %[[g0]], %dh) : memref<64xi32>, memref<64x4xf32>, memref<160x4xf32>
// CHECK: %[[r1:.*]] = launch.view %loss_rows[64] : memref<160xi32> -> memref<64xi32>
// CHECK: launch.launch @gather {{.*}} grid(64) rows(64) {{.*}} (%[[r1]], %h, %[[c1]])
// CHECK: launch.launch @gemm_nt_64x8x4 {{.*}} rows(64) {{.*}} (%[[c1]], %w, %[[l1]])
// CHECK: launch.launch @cross_entropy {{.*}} grid(64) rows(64)
// CHECK: launch.launch @gemm_tn_8x4x64_add {{.*}} rows(64) {{.*}} (%[[l1]], %[[c1]], %dw)
// CHECK-NOT: @zero
// CHECK: launch.launch @scatter {{.*}} rows(64) {{.*}} (%[[r1]], %{{.*}}, %dh)
// CHECK: launch.launch @gather {{.*}} grid(32) rows(128)
// CHECK: launch.launch @gemm_nt_32x8x4 {{.*}} rows(128) {{.*}} (%[[c2]], %w, %[[l2]])
// CHECK-NEXT: launch.view %targets[128] : memref<160xi32> -> memref<32xi32>
// CHECK: launch.launch @cross_entropy site("lm_head") grid(32) rows(128) cost(1280, {{[0-9]+}})
// CHECK: launch.launch @gemm_tn_8x4x32_add {{.*}} rows(128) {{.*}} (%[[l2]], %[[c2]], %dw)
// CHECK: launch.launch @scatter {{.*}} grid(32) rows(128)
// The tokens' losses are summed once, in order, whatever the chunks.
// CHECK: %[[all:.*]] = launch.view %token_losses[0] : memref<160xf32> -> memref<1x160xf32>
// CHECK: launch.launch @row_sum_loss site("lm_head") grid(1) {{.*}} (%[[all]],
// CHECK: launch.output "loss"

// WHOLE-LABEL: launch.entry @train_step
// WHOLE: launch.alloc "logits" : memref<160x8xf32>
// WHOLE-NOT: launch.alloc "logits"
// WHOLE: launch.launch @gather site("lm_head") grid(160) rows(0)
// WHOLE: launch.launch @gemm_nt_160x8x4 {{.*}} rows(0)
// WHOLE: launch.launch @cross_entropy site("lm_head") grid(160) rows(0)
// WHOLE: launch.launch @gemm_tn_8x4x160 site("lm_head") grid(1) rows(0)
// WHOLE: launch.launch @gemm_nn_160x4x8 {{.*}} rows(0)
// WHOLE: launch.launch @scatter {{.*}} grid(160) rows(0)
func.func @train_step(%ids: tensor<160xi32>, %labels: tensor<160xi32>, %segments: !ft.segments<160, 2>, %run: !ft.run) -> tensor<f32> {
  %h = ft.read @h : tensor<160x4xf32>
  %w = ft.read @w : tensor<8x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %h, %w, %labels, %segments, %inv site("lm_head")
    : tensor<160x4xf32>, tensor<8x4xf32>, tensor<160xi32>, !ft.segments<160, 2> -> tensor<f32>
  %one = ft.constant 1.0 : tensor<f32>
  %dh = ft.linear_cross_entropy_grad_input %h, %w, %labels, %segments, %inv, %one site("lm_head")
    : tensor<160x4xf32>, tensor<8x4xf32>, tensor<160xi32>, !ft.segments<160, 2>, tensor<f32>
  %dw = ft.linear_cross_entropy_grad_weight %h, %w, %labels, %segments, %inv, %one site("lm_head")
    : tensor<160x4xf32>, tensor<8x4xf32>, tensor<160xi32>, !ft.segments<160, 2>, tensor<f32>
  ft.commit @dh, %dh : tensor<160x4xf32>
  ft.commit @dw, %dw : tensor<8x4xf32>
  return %loss : tensor<f32>
}

// With a frozen head nothing but the loss and the hidden states' gradient is computed.
// CHECK-LABEL: launch.entry @accumulate
// CHECK-DAG: launch.alloc "loss_hidden" : memref<64x4xf32>
// CHECK-DAG: launch.alloc "logits" : memref<64x8xf32>
// CHECK-DAG: launch.alloc "loss_hidden_grad" : memref<64x4xf32>
// CHECK-NOT: gemm_tn
// CHECK: launch.launch @zero{{.*}} grid(160)
// CHECK-NOT: gemm_tn
// CHECK: launch.launch @gather
// CHECK-NOT: gemm_tn
// CHECK: launch.launch @cross_entropy
// CHECK-NOT: gemm_tn
// CHECK: launch.launch @zero{{.*}} grid(640)
// CHECK-NOT: gemm_tn
// CHECK: launch.output "loss"
func.func @accumulate(%ids: tensor<160xi32>, %labels: tensor<160xi32>, %segments: !ft.segments<160, 2>, %run: !ft.run) -> tensor<f32> {
  %h = ft.read @h : tensor<160x4xf32>
  %w = ft.read @w : tensor<8x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %h, %w, %labels, %segments, %inv site("lm_head")
    : tensor<160x4xf32>, tensor<8x4xf32>, tensor<160xi32>, !ft.segments<160, 2> -> tensor<f32>
  %one = ft.constant 1.0 : tensor<f32>
  %dh = ft.linear_cross_entropy_grad_input %h, %w, %labels, %segments, %inv, %one site("lm_head")
    : tensor<160x4xf32>, tensor<8x4xf32>, tensor<160xi32>, !ft.segments<160, 2>, tensor<f32>
  ft.commit @dh, %dh : tensor<160x4xf32>
  return %loss : tensor<f32>
}

// One norm over all tensors: sums of squares by rows, one sum over those, a root. Rows are the largest
// divisor up to 16384; a tensor without a useful one is one row.
// CHECK-LABEL: launch.entry @update
// CHECK: %[[p:.*]] = launch.alloc "norm_partials" : memref<5xf32>
// CHECK: %[[a:.*]] = launch.view %long[0] : memref<200x200xf32> -> memref<4x10000xf32>
// CHECK-NEXT: %[[pa:.*]] = launch.view %[[p]][0] : memref<5xf32> -> memref<4xf32>
// CHECK: launch.launch @row_sum_squares site("{{.*}}") grid(4) cost(80000, 160016) (%[[a]], %[[pa]])
// CHECK-NEXT: %[[b:.*]] = launch.view %w32[0] : memref<8x4xf32> -> memref<1x32xf32>
// CHECK-NEXT: %[[pb:.*]] = launch.view %[[p]][4] : memref<5xf32> -> memref<1xf32>
// CHECK-NEXT: launch.launch @row_sum_squares_1 site("{{.*}}") grid(1) cost(64, 132) (%[[b]], %[[pb]])
// CHECK-NEXT: %[[row:.*]] = launch.view %[[p]][0] : memref<5xf32> -> memref<1x5xf32>
// CHECK-NEXT: %[[out:.*]] = launch.view %{{.*}}[0] : memref<f32> -> memref<1xf32>
// CHECK-NEXT: launch.launch @row_sum_root site("{{.*}}") grid(1) cost(5, 24) (%[[row]], %[[out]])
// CHECK-NEXT: launch.output "grad_norm"
ft.parameter @w32 : tensor<8x4xf32> role(base) storage(dense<f32>) init("file")
func.func @update(%run: !ft.run) -> tensor<f32> {
  %l = ft.read @long : tensor<200x200xf32>
  %s = ft.read @w32 : tensor<8x4xf32>
  %norm = ft.global_norm %l, %s : (tensor<200x200xf32>, tensor<8x4xf32>) -> tensor<f32>
  return %norm : tensor<f32>
}

// 16411 is prime, and more than a row should be: it stays one row.
// CHECK-LABEL: launch.entry @gradients
// CHECK: launch.launch @row_sum_squares_2 site("prime") grid(1) cost(32822, 65648)
// CHECK: launch.output "loss"
func.func @gradients(%run: !ft.run) -> tensor<f32> {
  %l = ft.read @prime : tensor<16411xf32>
  %norm = ft.global_norm %l : (tensor<16411xf32>) -> tensor<f32>
  return %norm : tensor<f32>
}

// Sums of squares taken where a tensor dies are written where the norm's own sums lie; a vector that
// something else reads too is copied there.
// CHECK-LABEL: launch.entry @sums
// CHECK: %[[all:.*]] = launch.alloc "norm_partials" : memref<6xf32>
// CHECK-NEXT: %[[own:.*]] = launch.view %[[all]][1] : memref<6xf32> -> memref<4xf32>
// CHECK: launch.launch @row_sum_squares site("{{.*}}") grid(4) cost(80000, 160016) (%{{.*}}, %[[own]])
// CHECK: launch.launch @row_sum_squares_1 site("{{.*}}") grid(1) cost(64, 132) (%{{.*}}, %[[other:.*]])
// CHECK: launch.launch @row_sum_squares_1
// CHECK: %[[last:.*]] = launch.view %[[all]][5] : memref<6xf32> -> memref<1xf32>
// CHECK-NEXT: launch.launch @copy site("{{.*}}") grid(1) cost(0, 8) (%[[other]], %[[last]])
// CHECK: launch.launch @row_sum_root
ft.parameter @kept : tensor<1xf32> role(trainable) storage(dense<f32>) init("file")
func.func @sums(%run: !ft.run) -> tensor<f32> {
  %l = ft.read @long : tensor<200x200xf32>
  %s = ft.read @w32 : tensor<8x4xf32>
  %a = ft.sum_squares %l : tensor<200x200xf32> -> tensor<4xf32>
  %b = ft.sum_squares %s : tensor<8x4xf32> -> tensor<1xf32>
  ft.commit @kept, %b : tensor<1xf32>
  %norm = ft.global_norm %s sums(%a, %b) : (tensor<8x4xf32>, tensor<4xf32>, tensor<1xf32>) -> tensor<f32>
  return %norm : tensor<f32>
}
