// With ft.update_in_backward each matrix is updated where its gradient is known and nobody reads it any
// more; vectors, which are small, at the end. There is nothing to accumulate into, and no clipping.
// RUN: ft-opt %s --ft-build-backward | FileCheck %s
// RUN: ft-opt %s --ft-build-backward --ft-form-kernels --convert-ft-to-launch | FileCheck %s --check-prefix=LAUNCH

// CHECK: ["updated_in_backward", 2], ["gradient_bytes_consumed", 320]
module attributes {ft.tokens = 8 : i64, ft.update_in_backward} {

// CHECK-NOT: role(accumulator)
ft.parameter @embed.weight : tensor<16x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @q.weight : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @q.bias : tensor<4xf32> role(trainable) storage(dense<f32>) init("file") no_decay
ft.parameter @o.weight : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")

// CHECK-LABEL: func.func @train_step(
// CHECK: %loss = ft.linear_cross_entropy
// CHECK-NEXT: ft.boundary
// Nothing is clipped: the scale is one.
// CHECK-NEXT: %[[one:.*]] = ft.constant 1.000000e+00 : tensor<f32>
// CHECK-NEXT: %[[lr:.*]] = ft.run_value %{{.*}}[learning_rate]
// The head's gradient waits for the embedding's, since they are one tensor.
// CHECK: %[[dhead:.*]] = ft.linear_cross_entropy_grad_weight
// CHECK-NOT: ft.commit
// CHECK: %[[dx:.*]] = ft.matmul %[[db:.*]], %q_weight site("q")
// CHECK-NEXT: %[[dq:.*]] = ft.matmul %[[db]], %embed transpose_lhs site("q")
// Behind the last reader of q's weight, and the addition that the product before takes in.
// CHECK-NEXT: %[[sum:.*]] = ft.add %{{.*}}, %[[dx]] : tensor<8x4xf32>
// CHECK-NEXT: %[[squares:.*]] = ft.sum_squares %[[dq]] : tensor<4x4xf32> -> tensor<1xf32>
// CHECK: %[[p:.*]], %[[m:.*]], %[[v:.*]] = ft.adamw %{{.*}}, %[[dq]] moments(%{{.*}}, %{{.*}}) clip(%[[one]]) run(%[[lr]], {{.*}}) decay : tensor<4x4xf32>
// CHECK-NEXT: ft.commit @q.weight, %[[p]]
// CHECK-NEXT: ft.commit @q.weight.exp_avg, %[[m]]
// CHECK-NEXT: ft.commit @q.weight.exp_avg_sq, %[[v]]
// CHECK-NEXT: %[[dembed:.*]] = ft.embedding_grad %{{.*}}, %[[sum]]
// CHECK-NEXT: %[[tied:.*]] = ft.add %[[dhead]], %[[dembed]]
// CHECK-NEXT: %[[tiedSquares:.*]] = ft.sum_squares %[[tied]]
// CHECK: ft.commit @embed.weight,
// CHECK: %[[biasSquares:.*]] = ft.sum_squares %{{.*}} : tensor<4xf32> -> tensor<1xf32>
// CHECK: ft.commit @q.bias,
// CHECK: %[[norm:.*]] = ft.global_norm sums(%[[tiedSquares]], %[[squares]], %[[biasSquares]]) : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<f32>
// CHECK-NEXT: return %loss, %[[norm]]

// The plain gradients, in the first moments.
// CHECK-NOT: func.func @accumulate
// CHECK-LABEL: func.func @gradients(
// CHECK: ft.commit @embed.weight.exp_avg, %{{.*}} : tensor<16x4xf32>
// CHECK-NEXT: ft.commit @q.weight.exp_avg, %{{.*}} : tensor<4x4xf32>
// CHECK-NEXT: ft.commit @q.bias.exp_avg, %{{.*}} : tensor<4xf32>
// CHECK-NEXT: return %loss
// CHECK-NOT: func.func @update
// CHECK: func.func @evaluate(

// Each update is written over its parameter and moments: nothing is left to copy at the end.
// LAUNCH-LABEL: launch.entry @train_step
// LAUNCH: launch.launch @gemm_tn_4x4x8 site("q") {{.*}} (%{{.*}}, %{{.*}}, %[[dq:.*]])
// LAUNCH: launch.launch @row_sum_squares
// LAUNCH: launch.launch @map_adamw{{.*}} site("q.weight") {{.*}}(%q_weight, %[[dq]], %q_weight_exp_avg, %q_weight_exp_avg_sq,
// LAUNCH-NOT: %[[dq]]{{[,)]}}
// LAUNCH-NOT: @copy
// LAUNCH: launch.output "grad_norm"
func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>,
                           %run: !ft.run) -> tensor<f32> {
  %e = ft.read @embed.weight : tensor<16x4xf32>
  %x = ft.embedding %ids, %e site("embed") : tensor<8xi32>, tensor<16x4xf32>
  %qw = ft.read @q.weight : tensor<4x4xf32>
  %qb = ft.read @q.bias : tensor<4xf32>
  %q = ft.linear %x, %qw site("q") : tensor<8x4xf32>, tensor<4x4xf32>
  %b = ft.bias_add %q, %qb : tensor<8x4xf32>, tensor<4xf32>
  %ow = ft.read @o.weight : tensor<4x4xf32>
  %o = ft.linear %b, %ow site("o") : tensor<8x4xf32>, tensor<4x4xf32>
  %h = ft.add %x, %o : tensor<8x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %loss = ft.linear_cross_entropy %h, %e, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  return %loss : tensor<f32>
}
}
