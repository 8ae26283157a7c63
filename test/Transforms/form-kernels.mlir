// Which ops share a kernel, one function per rule.
// RUN: ft-opt %s --ft-form-kernels | FileCheck %s --check-prefixes=CHECK,ONCE
// RUN: ft-opt %s --ft-form-kernels | ft-opt | FileCheck %s
// Formed kernels are left alone.
// RUN: ft-opt %s --ft-form-kernels --ft-form-kernels | FileCheck %s

// CHECK: module attributes
// ONCE-SAME: {candidates = {{\[}}["row_reduce of norm", true, "makes what the op reads", {{\[}}["bytes saved", 256], ["launches saved", 1]]], ["a kernel of its own", false, "", []]], count = 2 : i64, question = "which kernel does ft.rms_norm join", site = "norm"}
// ONCE-SAME: {candidates = {{\[}}["gemm of l", true, "makes what the op reads", {{\[}}["bytes saved", 256], ["launches saved", 1]]], ["a kernel of its own", false, "", []]], count = 2 : i64, question = "which kernel does ft.add join", site = "l"}
// ONCE-SAME: {candidates = {{\[}}["gemm of a", false, "another kernel is better", {{\[}}["bytes saved", 256], ["launches saved", 1]]], ["gemm of b", true, "makes what the op reads", {{\[}}["bytes saved", 256], ["launches saved", 1]]], ["a kernel of its own", false, "", []]], count = 1 : i64, question = "which kernel does ft.add join", site = "b"}
// ONCE-SAME: {candidates = {{\[}}["gemm of l", false, "it has taken an addition in already", {{\[}}["bytes saved", 256], ["launches saved", 1]]], ["a kernel of its own", true, "", []]], count = 1 : i64, question = "which kernel does ft.add join", site = "step"}
// ONCE-SAME: {candidates = {{\[}}["gemm of m", false, "the norm behind takes the addition in for nothing", {{\[}}["bytes saved", 256], ["launches saved", 1]]], ["map of step", false, "a reader of its results stands in between", {{\[}}["bytes saved", 128], ["launches saved", 1]]], ["a kernel of its own", true, "", []]], count = 1 : i64, question = "which kernel does ft.add join", site = "norm"}
// ONCE-SAME: {candidates = {{\[}}["gemm of l", false, "its result has other readers", {{\[}}["bytes saved", 128], ["launches saved", 1]]], ["a kernel of its own", true, "", []]], count = 1 : i64, question = "which kernel does ft.add join", site = "l"}
// ONCE-SAME: {candidates = {{\[}}["map of step", true, "reads the same", {{\[}}["bytes saved", 128], ["launches saved", 1]]], ["a kernel of its own", false, "", []]], count = 1 : i64, question = "which kernel does ft.mul join", site = "step"}
// ONCE-SAME: {candidates = {{\[}}["map of step", false, "a reader of its results stands in between", {{\[}}["bytes saved", 128], ["launches saved", 1]]], ["gemm of l", false, "a kernel of this family does not take such an op in", {{\[}}["bytes saved", 256], ["launches saved", 1]]], ["a kernel of its own", true, "", []]], count = 1 : i64, question = "which kernel does ft.mul join", site = "l"}
// ONCE-SAME: {candidates = {{\[}}["attention_grad_key_value of attn", true, "reads the same", {{\[}}["bytes saved", 128], ["launches saved", 1]]], ["a kernel of its own", false, "", []]], count = 1 : i64, question = "which kernel does ft.attention_grad_value join", site = "attn"}
// ONCE-SAME: pass = "ft-form-kernels", remarks = ["norm: 1 kernels of 2 ops; 128 B need not be written or read", "norm_grad: 1 kernels of 2 ops; 256 B need not be written or read",
// CHECK-SAME: statistics = {{\[}}["norm.row_reduce", 1], ["norm.ops", 2], ["norm.traffic_bytes_saved", 128], ["norm_grad.row_reduce", 1],

ft.parameter @n : tensor<4xf32> role(base) storage(dense<bf16>) init("file")
ft.parameter @w : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @w.grad : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @m.grad : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")

//===-- Norms -------------------------------------------------------------===//

// A norm takes in the residual sum in front of it; the sum is a result too, for who else reads it.
// CHECK-LABEL: func.func @norm(
// CHECK: %[[h:.*]], %[[y:.*]], %[[r:.*]] = ft.kernel row_reduce site("norm") (%[[a:.*]] = %{{.*}} : tensor<8x4xf32>, %[[b:.*]] = %{{.*}} : tensor<8x4xf32>, %[[w:.*]] = %n : tensor<4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8xf32>) {
// CHECK-NEXT: %[[s:.*]] = ft.add %[[a]], %[[b]]
// CHECK-NEXT: %[[n:.*]], %[[q:.*]] = ft.rms_norm %[[s]], %[[w]]
// CHECK-NEXT: ft.yield %[[s]], %[[n]], %[[q]]
// CHECK-NEXT: }
// CHECK-NEXT: return %[[h]], %[[y]], %[[r]]
func.func @norm(%x: tensor<8x4xf32>, %o: tensor<8x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8xf32>) {
  %n = ft.read @n : tensor<4xf32>
  %h = ft.add %x, %o : tensor<8x4xf32>
  %y, %r = ft.rms_norm %h, %n eps 1.0e-5 site("norm") : tensor<8x4xf32>, tensor<4xf32>
  return %h, %y, %r : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8xf32>
}

// Its gradient takes in the residual sum behind it.
// CHECK-LABEL: func.func @norm_grad(
// CHECK: %[[s:.*]] = ft.kernel row_reduce site("norm")
// CHECK-NEXT: %[[d:.*]] = ft.rms_norm_grad
// CHECK-NEXT: %[[sum:.*]] = ft.add %{{.*}}, %[[d]]
// CHECK-NEXT: ft.yield %[[sum]] : tensor<8x4xf32>
// CHECK-NEXT: }
// CHECK-NEXT: return %[[s]]
func.func @norm_grad(%dy: tensor<8x4xf32>, %x: tensor<8x4xf32>, %r: tensor<8xf32>, %d: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %n = ft.read @n : tensor<4xf32>
  %dx = ft.rms_norm_grad %dy, %x, %n, %r site("norm") : tensor<8x4xf32>, tensor<4xf32>, tensor<8xf32>
  %s = ft.add %d, %dx : tensor<8x4xf32>
  return %s : tensor<8x4xf32>
}

// Elementwise work on both sides of a norm.
// CHECK-LABEL: func.func @norm_chain(
// CHECK: ft.kernel row_reduce
// CHECK-NEXT: ft.silu
// CHECK-NEXT: ft.rms_norm
// CHECK-NEXT: ft.scale
// CHECK-NEXT: ft.yield
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @norm_chain(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %n = ft.read @n : tensor<4xf32>
  %h = ft.silu %x : tensor<8x4xf32>
  %y, %r = ft.rms_norm %h, %n eps 1.0e-5 site("norm") : tensor<8x4xf32>, tensor<4xf32>
  %s = ft.scale %y by 2.0 : tensor<8x4xf32>
  return %s : tensor<8x4xf32>
}

//===-- Products ----------------------------------------------------------===//

// A product takes in the addition behind it and starts from the other addend.
// CHECK-LABEL: func.func @product_add(
// CHECK: %[[y:.*]] = ft.kernel gemm site("l") (%[[x:.*]] = %{{.*}} : tensor<8x4xf32>, %[[w:.*]] = %w : tensor<4x4xf32>, %[[a:.*]] = %{{.*}} : tensor<8x4xf32>) -> (tensor<8x4xf32>) {
// CHECK-NEXT: %[[p:.*]] = ft.linear %[[x]], %[[w]] site("l")
// CHECK-NEXT: %[[s:.*]] = ft.add %[[a]], %[[p]]
// CHECK-NEXT: ft.yield %[[s]] : tensor<8x4xf32>
// CHECK-NEXT: }
// CHECK-NEXT: return %[[y]]
func.func @product_add(%x: tensor<8x4xf32>, %y: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %w = ft.read @w : tensor<4x4xf32>
  %p = ft.linear %x, %w site("l") : tensor<8x4xf32>, tensor<4x4xf32>
  %s = ft.add %y, %p : tensor<8x4xf32>
  return %s : tensor<8x4xf32>
}

// Of two products the later one takes the addition in: the earlier is what it starts from.
// CHECK-LABEL: func.func @two_products(
// CHECK: %[[a:.*]] = ft.kernel gemm site("a")
// CHECK-NEXT: ft.linear
// CHECK-NEXT: ft.yield
// CHECK: ft.kernel gemm site("b") (%{{.*}}, %[[in:.*]] = %[[a]] : tensor<8x4xf32>)
// CHECK-NEXT: %[[p:.*]] = ft.linear {{.*}} site("b")
// CHECK-NEXT: ft.add %[[in]], %[[p]]
func.func @two_products(%x: tensor<8x4xf32>, %y: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %w = ft.read @w : tensor<4x4xf32>
  %a = ft.linear %x, %w site("a") : tensor<8x4xf32>, tensor<4x4xf32>
  %b = ft.linear %y, %w site("b") : tensor<8x4xf32>, tensor<4x4xf32>
  %s = ft.add %a, %b : tensor<8x4xf32>
  return %s : tensor<8x4xf32>
}

// A product takes in one addition, and none of a sum that a norm reads: there it costs the norm nothing.
// CHECK-LABEL: func.func @one_addition(
// CHECK: ft.kernel gemm site("l")
// CHECK-NEXT: ft.linear
// CHECK-NEXT: ft.add
// CHECK-NEXT: ft.yield
// CHECK: ft.kernel map
// CHECK-NEXT: ft.add
// CHECK-NEXT: ft.yield
// CHECK: ft.kernel gemm site("m")
// CHECK-NEXT: ft.linear
// CHECK-NEXT: ft.yield
// CHECK: ft.kernel row_reduce
// CHECK-NEXT: ft.add
// CHECK-NEXT: ft.rms_norm
func.func @one_addition(%x: tensor<8x4xf32>, %y: tensor<8x4xf32>, %z: tensor<8x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %w = ft.read @w : tensor<4x4xf32>
  %p = ft.linear %x, %w site("l") : tensor<8x4xf32>, tensor<4x4xf32>
  %s = ft.add %y, %p : tensor<8x4xf32>
  %t = ft.add %s, %z : tensor<8x4xf32>
  %m = ft.linear %t, %w site("m") : tensor<8x4xf32>, tensor<4x4xf32>
  %n = ft.read @n : tensor<4xf32>
  %h = ft.add %z, %m : tensor<8x4xf32>
  %u, %r = ft.rms_norm %h, %n eps 1.0e-5 site("norm") : tensor<8x4xf32>, tensor<4xf32>
  return %t, %u : tensor<8x4xf32>, tensor<8x4xf32>
}

// A product that somebody else reads keeps its value, and a product added to itself stays one.
// CHECK-LABEL: func.func @no_addition(
// CHECK: ft.kernel gemm site("l")
// CHECK-NEXT: ft.linear
// CHECK-NEXT: ft.yield
// CHECK: ft.kernel map
// CHECK: ft.kernel gemm site("m")
// CHECK-NEXT: ft.linear
// CHECK-NEXT: ft.yield
// CHECK: ft.kernel map
func.func @no_addition(%x: tensor<8x4xf32>, %y: tensor<8x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) {
  %w = ft.read @w : tensor<4x4xf32>
  %p = ft.linear %x, %w site("l") : tensor<8x4xf32>, tensor<4x4xf32>
  %s = ft.add %y, %p : tensor<8x4xf32>
  %m = ft.linear %x, %w site("m") : tensor<8x4xf32>, tensor<4x4xf32>
  %t = ft.add %m, %m : tensor<8x4xf32>
  return %p, %s, %t : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>
}

// Scatters and column sums accumulate the same way.
// CHECK-LABEL: func.func @accumulating(
// CHECK: ft.kernel embedding_grad site("embed")
// CHECK-NEXT: ft.embedding_grad
// CHECK-NEXT: ft.add
// CHECK-NEXT: ft.yield
// CHECK: ft.kernel col_reduce site("bias")
// CHECK-NEXT: ft.sum_rows
// CHECK-NEXT: ft.add
// CHECK-NEXT: ft.yield
func.func @accumulating(%ids: tensor<8xi32>, %d: tensor<8x4xf32>, %a: tensor<16x4xf32>, %b: tensor<4xf32>) -> (tensor<16x4xf32>, tensor<4xf32>) {
  %e = ft.embedding_grad %ids, %d site("embed") : tensor<8xi32>, tensor<8x4xf32> -> tensor<16x4xf32>
  %s = ft.add %a, %e : tensor<16x4xf32>
  %c = ft.sum_rows %d site("bias") : tensor<8x4xf32> -> tensor<4xf32>
  %t = ft.add %b, %c : tensor<4xf32>
  return %s, %t : tensor<16x4xf32>, tensor<4xf32>
}

//===-- Elementwise -------------------------------------------------------===//

// DOC: ft-form-kernels
// CHECK-LABEL: func.func @silu_mul(
// CHECK: %[[m:.*]] = ft.kernel map site("step") (%[[g:.*]] = %{{.*}}, %[[u:.*]] = %{{.*}}) -> (tensor<8x4xf32>) {
// CHECK-NEXT: %[[s:.*]] = ft.silu %[[g]]
// CHECK-NEXT: %[[p:.*]] = ft.mul %[[s]], %[[u]]
// CHECK-NEXT: ft.yield %[[p]] : tensor<8x4xf32>
// CHECK-NEXT: }
// CHECK-NEXT: return %[[m]]
func.func @silu_mul(%g: tensor<8x4xf32>, %u: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %s = ft.silu %g : tensor<8x4xf32>
  %p = ft.mul %s, %u : tensor<8x4xf32>
  return %p : tensor<8x4xf32>
}
// DOC-END

// Two ops that read one value become one pass over it, with two results.
// CHECK-LABEL: func.func @horizontal(
// CHECK: ft.kernel map
// CHECK-SAME: -> (tensor<8x4xf32>, tensor<8x4xf32>)
// CHECK-NEXT: ft.mul
// CHECK-NEXT: ft.mul
// CHECK-NEXT: ft.silu_grad
// CHECK-NEXT: ft.yield
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @horizontal(%d: tensor<8x4xf32>, %g: tensor<8x4xf32>, %s: tensor<8x4xf32>, %u: tensor<8x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %a = ft.mul %d, %u : tensor<8x4xf32>
  %b = ft.mul %d, %s : tensor<8x4xf32>
  %c = ft.silu_grad %a, %g : tensor<8x4xf32>
  return %b, %c : tensor<8x4xf32>, tensor<8x4xf32>
}

// A parameter that two ops read is no reason to merge them; nor are other shapes.
// CHECK-LABEL: func.func @apart(
// CHECK: ft.kernel map
// CHECK: ft.kernel map
// CHECK: ft.kernel map
// CHECK: ft.kernel map
// CHECK: return
func.func @apart(%x: tensor<4x4xf32>, %y: tensor<4x4xf32>, %b: tensor<4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4xf32>, tensor<4x4xf32>) {
  %w = ft.read @w : tensor<4x4xf32>
  %p = ft.mul %w, %x : tensor<4x4xf32>
  %q = ft.mul %w, %y : tensor<4x4xf32>
  %s = ft.silu %b : tensor<4xf32>
  %z = ft.constant 1.0 : tensor<4x4xf32>
  return %p, %q, %s, %z : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4xf32>, tensor<4x4xf32>
}

// The product between the two reads the first: they cannot stand in one place.
// CHECK-LABEL: func.func @reader_between(
// CHECK: %[[a:.*]] = ft.kernel map
// CHECK-NEXT: ft.silu
// CHECK-NEXT: ft.yield
// CHECK: %[[p:.*]] = ft.kernel gemm site("l") (%{{.*}} = %[[a]] :
// CHECK: ft.kernel map site("step") (%{{.*}} = %[[a]] : tensor<8x4xf32>, %{{.*}} = %[[p]] : tensor<8x4xf32>)
// CHECK-NEXT: ft.mul
func.func @reader_between(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %w = ft.read @w : tensor<4x4xf32>
  %a = ft.silu %x : tensor<8x4xf32>
  %p = ft.linear %a, %w site("l") : tensor<8x4xf32>, tensor<4x4xf32>
  %b = ft.mul %a, %p : tensor<8x4xf32>
  return %b : tensor<8x4xf32>
}

// So does a commit in between.
// CHECK-LABEL: func.func @commit_between(
// CHECK: %[[a:.*]] = ft.kernel map
// CHECK: ft.commit @w.grad, %[[a]]
// CHECK: ft.kernel map
func.func @commit_between(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %a = ft.silu %x : tensor<4x4xf32>
  ft.commit @w.grad, %a : tensor<4x4xf32>
  %b = ft.scale %a by 2.0 : tensor<4x4xf32>
  return %b : tensor<4x4xf32>
}

// A committed constant is made at its commit, once for each parameter, so that each is written
// straight into its parameter's buffer.
// CHECK-LABEL: func.func @constants(
// CHECK-NEXT: %[[a:.*]] = ft.kernel map site("w.grad") () -> (tensor<4x4xf32>) {
// CHECK-NEXT: ft.constant 0.000000e+00
// CHECK: ft.commit @w.grad, %[[a]]
// CHECK-NEXT: %[[b:.*]] = ft.kernel map site("m.grad") () -> (tensor<4x4xf32>) {
// CHECK-NEXT: ft.constant 0.000000e+00
// CHECK: ft.commit @m.grad, %[[b]]
func.func @constants() {
  %z = ft.constant 0.0 : tensor<4x4xf32>
  ft.commit @w.grad, %z : tensor<4x4xf32>
  ft.commit @m.grad, %z : tensor<4x4xf32>
  return
}

//===-- Attention ---------------------------------------------------------===//

// Gradients for keys and values are one sweep over the keys; either may be wanted alone.
// CHECK-LABEL: func.func @attention_grads(
// CHECK: ft.kernel attention_delta site("attn")
// CHECK: ft.kernel attention_grad_query site("attn")
// CHECK: ft.kernel attention_grad_key_value site("attn")
// CHECK-NEXT: ft.attention_grad_key
// CHECK-NEXT: ft.attention_grad_value
// CHECK-NEXT: ft.yield
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @attention_grads(%q: tensor<8x4xf32>, %k: tensor<8x2xf32>, %v: tensor<8x2xf32>, %o: tensor<8x4xf32>,
                           %do: tensor<8x4xf32>, %lse: tensor<8x2xf32>, %segments: !ft.segments<8, 2>)
    -> (tensor<8x4xf32>, tensor<8x2xf32>, tensor<8x2xf32>) {
  %delta = ft.attention_delta %o, %do head_dim 2 site("attn") : tensor<8x4xf32> -> tensor<8x2xf32>
  %dq = ft.attention_grad_query %q, %k, %v, %do, %lse, %delta, %segments head_dim 2 scale 0.5 site("attn")
    : tensor<8x4xf32>, tensor<8x2xf32>, tensor<8x2xf32>, !ft.segments<8, 2>
  %dk = ft.attention_grad_key %q, %k, %v, %do, %lse, %delta, %segments head_dim 2 scale 0.5 site("attn")
    : tensor<8x4xf32>, tensor<8x2xf32>, tensor<8x2xf32>, !ft.segments<8, 2>
  %dv = ft.attention_grad_value %q, %k, %v, %do, %lse, %delta, %segments head_dim 2 scale 0.5 site("attn")
    : tensor<8x4xf32>, tensor<8x2xf32>, tensor<8x2xf32>, !ft.segments<8, 2>
  return %dq, %dk, %dv : tensor<8x4xf32>, tensor<8x2xf32>, tensor<8x2xf32>
}

// CHECK-LABEL: func.func @attention_value_alone(
// CHECK: ft.kernel attention site("attn")
// CHECK: ft.kernel attention_grad_key_value site("attn")
// CHECK-NEXT: ft.attention_grad_value
// CHECK-NEXT: ft.yield
func.func @attention_value_alone(%q: tensor<8x4xf32>, %k: tensor<8x2xf32>, %v: tensor<8x2xf32>,
                                 %do: tensor<8x4xf32>, %delta: tensor<8x2xf32>, %segments: !ft.segments<8, 2>)
    -> tensor<8x2xf32> {
  %o, %lse = ft.attention %q, %k, %v, %segments head_dim 2 scale 0.5 site("attn")
    : tensor<8x4xf32>, tensor<8x2xf32>, !ft.segments<8, 2>
  %dv = ft.attention_grad_value %q, %k, %v, %do, %lse, %delta, %segments head_dim 2 scale 0.5 site("attn")
    : tensor<8x4xf32>, tensor<8x2xf32>, tensor<8x2xf32>, !ft.segments<8, 2>
  return %dv : tensor<8x2xf32>
}

// Two layers' gradients share no operands, and no kernel.
// CHECK-LABEL: func.func @attention_two(
// CHECK: ft.kernel attention_grad_key_value site("one")
// CHECK: ft.kernel attention_grad_key_value site("two")
func.func @attention_two(%q: tensor<8x4xf32>, %k: tensor<8x2xf32>, %v: tensor<8x2xf32>, %do: tensor<8x4xf32>,
                         %lse: tensor<8x2xf32>, %delta: tensor<8x2xf32>, %segments: !ft.segments<8, 2>)
    -> (tensor<8x2xf32>, tensor<8x2xf32>) {
  %dk = ft.attention_grad_key %q, %k, %v, %do, %lse, %delta, %segments head_dim 2 scale 0.5 site("one")
    : tensor<8x4xf32>, tensor<8x2xf32>, tensor<8x2xf32>, !ft.segments<8, 2>
  %dv = ft.attention_grad_value %q, %dk, %v, %do, %lse, %delta, %segments head_dim 2 scale 0.5 site("two")
    : tensor<8x4xf32>, tensor<8x2xf32>, tensor<8x2xf32>, !ft.segments<8, 2>
  return %dk, %dv : tensor<8x2xf32>, tensor<8x2xf32>
}

//===-- Loss --------------------------------------------------------------===//

// The loss and its gradients are one kernel, so that logits are computed once.
// CHECK-LABEL: func.func @loss_and_gradients(
// CHECK: ft.boundary
// CHECK: ft.kernel linear_cross_entropy site("lm_head")
// CHECK-NEXT: ft.linear_cross_entropy %
// CHECK-NEXT: ft.linear_cross_entropy_grad_input
// CHECK-NEXT: ft.linear_cross_entropy_grad_weight
// CHECK-NEXT: ft.yield %{{.*}}, %{{.*}}, %{{.*}} : tensor<f32>, tensor<8x4xf32>, tensor<16x4xf32>
func.func @loss_and_gradients(%h: tensor<8x4xf32>, %w: tensor<16x4xf32>, %labels: tensor<8xi32>,
                              %segments: !ft.segments<8, 2>, %inv: tensor<f32>)
    -> (tensor<f32>, tensor<8x4xf32>, tensor<16x4xf32>) {
  %loss = ft.linear_cross_entropy %h, %w, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  ft.boundary
  %one = ft.constant 1.0 : tensor<f32>
  %dh = ft.linear_cross_entropy_grad_input %h, %w, %labels, %segments, %inv, %one site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2>, tensor<f32>
  %dw = ft.linear_cross_entropy_grad_weight %h, %w, %labels, %segments, %inv, %one site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2>, tensor<f32>
  return %loss, %dh, %dw : tensor<f32>, tensor<8x4xf32>, tensor<16x4xf32>
}

// CHECK-LABEL: func.func @loss_alone(
// CHECK: ft.kernel linear_cross_entropy site("lm_head")
// CHECK-NEXT: ft.linear_cross_entropy %
// CHECK-NEXT: ft.yield
func.func @loss_alone(%h: tensor<8x4xf32>, %w: tensor<16x4xf32>, %labels: tensor<8xi32>,
                      %segments: !ft.segments<8, 2>, %inv: tensor<f32>) -> tensor<f32> {
  %loss = ft.linear_cross_entropy %h, %w, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  return %loss : tensor<f32>
}

// The seed of this gradient is made from the loss: it cannot be in the same kernel.
// CHECK-LABEL: func.func @loss_read_by_its_gradient(
// CHECK: ft.kernel linear_cross_entropy
// CHECK: ft.kernel map
// CHECK: ft.kernel linear_cross_entropy
func.func @loss_read_by_its_gradient(%h: tensor<8x4xf32>, %w: tensor<16x4xf32>, %labels: tensor<8xi32>,
                                     %segments: !ft.segments<8, 2>, %inv: tensor<f32>) -> tensor<8x4xf32> {
  %loss = ft.linear_cross_entropy %h, %w, %labels, %segments, %inv site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
  %seed = ft.silu %loss : tensor<f32>
  %dh = ft.linear_cross_entropy_grad_input %h, %w, %labels, %segments, %inv, %seed site("lm_head")
    : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2>, tensor<f32>
  return %dh : tensor<8x4xf32>
}

//===-- Optimizer ---------------------------------------------------------===//

// The norm reads all gradients; each update is one kernel with three results.
// CHECK-LABEL: func.func @optimizer(
// CHECK: ft.kernel global_norm
// CHECK: ft.kernel map
// CHECK: ft.clip_scale
// CHECK: ft.kernel map
// CHECK-SAME: -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>)
// CHECK-NEXT: ft.adamw
// CHECK-NEXT: ft.yield
func.func @optimizer(%p: tensor<4x4xf32>, %g: tensor<4x4xf32>, %m: tensor<4x4xf32>, %v: tensor<4x4xf32>, %run: !ft.run)
    -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>) {
  %norm = ft.global_norm %g : (tensor<4x4xf32>) -> tensor<f32>
  %max = ft.run_value %run[max_grad_norm] : tensor<f32>
  %clip = ft.clip_scale %norm, %max : tensor<f32>
  %lr = ft.run_value %run[learning_rate] : tensor<f32>
  %q, %m2, %v2 = ft.adamw %p, %g moments(%m, %v) clip(%clip) run(%lr, %lr, %lr, %lr, %lr, %lr, %lr) decay
    : tensor<4x4xf32>, tensor<f32>
  return %q, %m2, %v2 : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>
}

// What has no single block is none of ours, and left alone.
// CHECK-LABEL: func.func @blocks(
// CHECK-NEXT: ft.silu
// CHECK-NEXT: ft.scale
func.func @blocks(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %0 = ft.silu %x : tensor<8x4xf32>
  %1 = ft.scale %0 by 2.0 : tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
^bb1:
  return %0 : tensor<8x4xf32>
}

ft.parameter @frozen : tensor<3x4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @trained : tensor<1x4xf32> role(trainable) storage(dense<f32>) init("zeros")

// A weight of two parameters is put together for each product, and lives no longer than that.
// CHECK-LABEL: func.func @weight(
// CHECK: %[[w:.*]] = ft.kernel concat site("w")
// CHECK: %[[y:.*]] = ft.kernel gemm site("y") ({{.*}}, %{{.*}} = %[[w]] :
// CHECK: ft.kernel map
// CHECK: %[[again:.*]] = ft.kernel concat site("w")
// CHECK: ft.kernel gemm site("y") ({{.*}}, %{{.*}} = %[[again]] :
// CHECK-NOT: ft.kernel concat
// CHECK: return
func.func @weight(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %f = ft.read @frozen : tensor<3x4xf32>
  %t = ft.read @trained : tensor<1x4xf32>
  %w = ft.concat %f, %t along 0 site("w") : (tensor<3x4xf32>, tensor<1x4xf32>) -> tensor<4x4xf32>
  %y = ft.linear %x, %w site("y") : tensor<8x4xf32>, tensor<4x4xf32>
  %s = ft.silu %y : tensor<8x4xf32>
  %d = ft.matmul %s, %w site("y") : tensor<8x4xf32>, tensor<4x4xf32>
  return %d : tensor<8x4xf32>
}
