// The entry points of a small model: an embedding, a residual block with a bias, a tied head.
// RUN: ft-opt %s --ft-build-backward | FileCheck %s
// RUN: ft-opt %s --ft-build-backward | ft-opt | FileCheck %s

// CHECK: module attributes
// CHECK-SAME: {pass = "ft-build-backward", remarks = ["3 trainable tensors, 84 elements", "11 gradients by the rules of 5 kinds of ops; accumulators and moments take 1008 B"], statistics = {{\[}}["trainable_tensors", 3], ["trainable_elements", 84], ["gradients.add", 2], ["gradients.bias_add", 2], ["gradients.embedding", 1], ["gradients.linear", 4], ["gradients.linear_cross_entropy", 2]]}
module attributes {ft.tokens = 8 : i64} {

// Behind each trainable tensor stand its accumulator and moments, zeros in f32; frozen tensors have none.
// CHECK: ft.parameter @embed.weight : tensor<16x4xf32> role(trainable)
// CHECK-NEXT: ft.parameter @embed.weight.grad : tensor<16x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
// CHECK-NEXT: ft.parameter @embed.weight.exp_avg : tensor<16x4xf32> role(moment1) storage(dense<f32>) init("zeros")
// CHECK-NEXT: ft.parameter @embed.weight.exp_avg_sq : tensor<16x4xf32> role(moment2) storage(dense<f32>) init("zeros")
// CHECK-NEXT: ft.parameter @q.weight
// CHECK-NEXT: ft.parameter @q.weight.grad
// CHECK-NEXT: ft.parameter @q.weight.exp_avg
// CHECK-NEXT: ft.parameter @q.weight.exp_avg_sq
// CHECK-NEXT: ft.parameter @q.bias
// CHECK-NEXT: ft.parameter @q.bias.grad
// CHECK-NEXT: ft.parameter @q.bias.exp_avg
// CHECK-NEXT: ft.parameter @q.bias.exp_avg_sq
// CHECK-NEXT: ft.parameter @o.weight
// CHECK-NOT: ft.parameter
ft.parameter @embed.weight : tensor<16x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @q.weight : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @q.bias : tensor<4xf32> role(trainable) storage(dense<f32>) init("file") no_decay
ft.parameter @o.weight : tensor<4x4xf32> role(base) storage(dense<bf16>) init("file")

// DOC: ft-build-backward
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

// DOC-END
//===-- train_step --------------------------------------------------------===//

// DOC: ft-build-backward
// CHECK-LABEL: func.func @train_step(
// CHECK-SAME: %[[ids:.*]]: tensor<8xi32>, %{{.*}}: tensor<8xi32>, %{{.*}}: !ft.segments<8, 2>, %[[run:.*]]: !ft.run) -> (tensor<f32>, tensor<f32>) {
// CHECK: %loss = ft.linear_cross_entropy
// CHECK-NEXT: ft.boundary
// CHECK-NEXT: %[[seed:.*]] = ft.constant 1.000000e+00 : tensor<f32>
// The loss gives both its gradients; o's is built although o is frozen.
// CHECK-NEXT: %[[dh:.*]] = ft.linear_cross_entropy_grad_input %{{.*}}, %[[seed]] site("lm_head")
// CHECK-NEXT: %[[dhead:.*]] = ft.linear_cross_entropy_grad_weight %{{.*}}, %[[seed]] site("lm_head")
// CHECK: %[[db:.*]] = ft.matmul %[[dh]], %o_weight site("o")
// CHECK-NEXT: %{{.*}} = ft.matmul %[[dh]], %{{.*}} transpose_lhs site("o")
// CHECK-NEXT: %[[dbias:.*]] = ft.sum_rows %[[db]] site("q")
// CHECK: %[[dx:.*]] = ft.matmul %[[db]], %q_weight site("q")
// CHECK-NEXT: %[[dq:.*]] = ft.matmul %[[db]], %embed transpose_lhs site("q")
// Two readers of x, two gradients, one sum.
// CHECK: %[[dfan:.*]] = ft.add %[[dh]], %[[dx]] : tensor<8x4xf32>
// CHECK-NEXT: %[[dembed:.*]] = ft.embedding_grad %[[ids]], %[[dfan]] site("embed")
// The tied tensor's two gradients go into its accumulator one after the other.
// CHECK: %[[all:.*]] = ft.add %[[partial:.*]], %[[dembed]] : tensor<16x4xf32>
// CHECK: %[[norm:.*]] = ft.global_norm %[[all]], %[[gq:.*]], %[[gb:.*]] : (tensor<16x4xf32>, tensor<4x4xf32>, tensor<4xf32>) -> tensor<f32>
// CHECK: %[[max:.*]] = ft.run_value %[[run]][max_grad_norm]
// CHECK-NEXT: %[[clip:.*]] = ft.clip_scale %[[norm]], %[[max]]
// CHECK: %[[p:.*]], %[[m:.*]], %[[v:.*]] = ft.adamw %{{.*}}, %[[all]] moments(%{{.*}}, %{{.*}}) clip(%[[clip]]) run(%{{.*}}) decay : tensor<16x4xf32>
// CHECK-NEXT: ft.commit @embed.weight, %[[p]]
// CHECK-NEXT: ft.commit @embed.weight.exp_avg, %[[m]]
// CHECK-NEXT: ft.commit @embed.weight.exp_avg_sq, %[[v]]
// The accumulator starts the next step from zero.
// CHECK-NEXT: %[[zero:.*]] = ft.constant 0.000000e+00 : tensor<16x4xf32>
// CHECK-NEXT: ft.commit @embed.weight.grad, %[[zero]]
// DOC-END
// CHECK: ft.adamw %{{.*}}, %[[gq]] moments({{.*}}) decay : tensor<4x4xf32>
// CHECK: ft.commit @q.weight.grad,
// No decay on what says so.
// CHECK: ft.adamw %{{.*}}, %[[gb]] moments({{.*}}) run({{[^)]*}}) : tensor<4xf32>
// CHECK: ft.commit @q.bias,
// CHECK: ft.commit @q.bias.exp_avg,
// CHECK: ft.commit @q.bias.exp_avg_sq,
// CHECK: ft.commit @q.bias.grad,
// CHECK-NOT: ft.commit
// CHECK: return %loss, %[[norm]] : tensor<f32>, tensor<f32>

//===-- accumulate --------------------------------------------------------===//

// The sum goes back into the accumulator; parameters and moments stay.
// CHECK-LABEL: func.func @accumulate(
// CHECK-SAME: !ft.run) -> tensor<f32> {
// CHECK: ft.read @embed.weight.grad
// CHECK: ft.boundary
// CHECK-NOT: ft.adamw
// CHECK: ft.commit @embed.weight.grad, %{{.*}} : tensor<16x4xf32>
// CHECK-NEXT: ft.commit @q.weight.grad, %{{.*}} : tensor<4x4xf32>
// CHECK-NEXT: ft.commit @q.bias.grad, %{{.*}} : tensor<4xf32>
// CHECK-NEXT: return %loss : tensor<f32>

//===-- gradients ---------------------------------------------------------===//

// The plain gradient, whatever the accumulator held.
// CHECK-LABEL: func.func @gradients(
// CHECK-NOT: ft.read @{{.*}}.grad
// CHECK: %[[dhead:.*]] = ft.linear_cross_entropy_grad_weight
// CHECK: %[[dembed:.*]] = ft.embedding_grad
// CHECK-NEXT: %[[sum:.*]] = ft.add %[[dhead]], %[[dembed]] : tensor<16x4xf32>
// CHECK-NEXT: ft.commit @embed.weight.grad, %[[sum]]
// CHECK-NEXT: ft.commit @q.weight.grad, %{{.*}}
// CHECK-NEXT: ft.commit @q.bias.grad, %{{.*}}
// CHECK-NEXT: return %loss : tensor<f32>

//===-- update ------------------------------------------------------------===//

// The optimizer alone, from the accumulators.
// CHECK-LABEL: func.func @update(
// CHECK-SAME: %[[run:.*]]: !ft.run) -> tensor<f32> {
// CHECK-NEXT: %[[g0:.*]] = ft.read @embed.weight.grad
// CHECK-NEXT: %[[g1:.*]] = ft.read @q.weight.grad
// CHECK-NEXT: %[[g2:.*]] = ft.read @q.bias.grad
// CHECK-NEXT: %[[norm:.*]] = ft.global_norm %[[g0]], %[[g1]], %[[g2]]
// CHECK-COUNT-3: ft.adamw
// CHECK: return %[[norm]] : tensor<f32>

//===-- evaluate ----------------------------------------------------------===//

// CHECK-LABEL: func.func @evaluate(
// CHECK-SAME: !ft.run) -> tensor<f32> {
// CHECK-NOT: ft.boundary
// CHECK-NOT: ft.commit
// CHECK: return %loss : tensor<f32>
// The forward step has become all of these.
// CHECK-NOT: @forward
}
