// What is no entry point of formed kernels is refused, with what would be right.
// RUN: ft-opt %s --convert-ft-to-launch --split-input-file --verify-diagnostics

// expected-error@+1 {{'func.func' op must have one block to become an entry point}}
func.func private @train_step(!ft.run)

// -----

// expected-error@+1 {{'func.func' op must have one block to become an entry point}}
func.func @train_step(%run: !ft.run) {
  return
^bb1:
  return
}

// -----

// expected-error@+1 {{'func.func' op must take ids, labels, segments and run, or run alone, and return at most the loss and the gradient norm, tensor<f32>}}
func.func @train_step(%x: tensor<4x4xf32>, %run: !ft.run) {
  return
}

// -----

// expected-error@+1 {{'func.func' op must take ids, labels, segments and run, or run alone}}
func.func @train_step(%run: !ft.run) -> tensor<4xf32> {
  %0 = ft.kernel map site("s") () -> (tensor<4xf32>) {
    %c = ft.constant 0.0 : tensor<4xf32>
    ft.yield %c : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}

// -----

// expected-error@+1 {{and return at most the loss and the gradient norm, tensor<f32>}}
func.func @gradients(%run: !ft.run) -> (tensor<f32>, tensor<f32>, tensor<f32>) {
  %0 = ft.run_value %run[learning_rate] : tensor<f32>
  return %0, %0, %0 : tensor<f32>, tensor<f32>, tensor<f32>
}

// -----

// The update has no loss.
// expected-error@+1 {{and return at most the loss and the gradient norm, tensor<f32>}}
func.func @update(%run: !ft.run) -> (tensor<f32>, tensor<f32>) {
  %0 = ft.run_value %run[learning_rate] : tensor<f32>
  return %0, %0 : tensor<f32>, tensor<f32>
}

// -----

func.func @update(%run: !ft.run) -> tensor<f32> {
  %0 = ft.run_value %run[learning_rate] : tensor<f32>
  // expected-error@+1 {{'ft.silu' op is outside of a kernel; run ft-form-kernels first}}
  %1 = ft.silu %0 : tensor<f32>
  return %1 : tensor<f32>
}

//===-- Bodies that are none of their family ------------------------------===//

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family map}}
  %0 = ft.kernel map site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %p = ft.linear %a, %a site("s") : tensor<4x4xf32>, tensor<4x4xf32>
    ft.yield %p : tensor<4x4xf32>
  }
  return
}

// -----

// No op at all.
func.func @update(%run: !ft.run) {
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family map}}
  ft.kernel map site("s") () -> () {
    ft.yield
  }
  return
}

// -----

// An input handed on, a result twice, no result.
ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family map}}
  %0:2 = ft.kernel map site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s, %a : tensor<4x4xf32>, tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family map}}
  %0:2 = ft.kernel map site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s, %s : tensor<4x4xf32>, tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family gemm}}
  ft.kernel gemm site("s") (%a = %w : tensor<4x4xf32>) -> () {
    %p = ft.linear %a, %a site("s") : tensor<4x4xf32>, tensor<4x4xf32>
    ft.yield
  }
  return
}

// -----

// The product, not the sum.
ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family gemm}}
  %0 = ft.kernel gemm site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %p = ft.linear %a, %a site("s") : tensor<4x4xf32>, tensor<4x4xf32>
    %s = ft.add %a, %p : tensor<4x4xf32>
    ft.yield %p : tensor<4x4xf32>
  }
  return
}

// -----

// A product added to itself.
ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family gemm}}
  %0 = ft.kernel gemm site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %p = ft.linear %a, %a site("s") : tensor<4x4xf32>, tensor<4x4xf32>
    %s = ft.add %p, %p : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

// Elements of two shapes in one map.
ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @b : tensor<4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %b = ft.read @b : tensor<4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family map}}
  %0:2 = ft.kernel map site("s") (%a = %w : tensor<4x4xf32>, %c = %b : tensor<4xf32>) -> (tensor<4x4xf32>, tensor<4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    %t = ft.silu %c : tensor<4xf32>
    ft.yield %s, %t : tensor<4x4xf32>, tensor<4xf32>
  }
  return
}

// -----

// Elementwise work on a row's scalar, and two reductions in one kernel.
ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @n : tensor<4xf32> role(base) storage(dense<f32>) init("file")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %n = ft.read @n : tensor<4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family row_reduce}}
  %0:2 = ft.kernel row_reduce site("s") (%a = %w : tensor<4x4xf32>, %c = %n : tensor<4xf32>) -> (tensor<4x4xf32>, tensor<4xf32>) {
    %y, %r = ft.rms_norm %a, %c eps 1.0e-5 site("s") : tensor<4x4xf32>, tensor<4xf32>
    %t = ft.silu %r : tensor<4xf32>
    ft.yield %y, %t : tensor<4x4xf32>, tensor<4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @n : tensor<4xf32> role(base) storage(dense<f32>) init("file")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %n = ft.read @n : tensor<4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family row_reduce}}
  %0 = ft.kernel row_reduce site("s") (%a = %w : tensor<4x4xf32>, %c = %n : tensor<4xf32>) -> (tensor<4x4xf32>) {
    %y, %r = ft.rms_norm %a, %c eps 1.0e-5 site("s") : tensor<4x4xf32>, tensor<4xf32>
    %z, %q = ft.rms_norm %y, %c eps 1.0e-5 site("s") : tensor<4x4xf32>, tensor<4xf32>
    ft.yield %z : tensor<4x4xf32>
  }
  return
}

// -----

// Two losses in one kernel.
ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @train_step(%ids: tensor<4xi32>, %labels: tensor<4xi32>, %segments: !ft.segments<4, 2>, %run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family linear_cross_entropy}}
  %0:2 = ft.kernel linear_cross_entropy site("s") (%a = %w : tensor<4x4xf32>, %l = %labels : tensor<4xi32>, %s = %segments : !ft.segments<4, 2>, %i = %inv : tensor<f32>) -> (tensor<f32>, tensor<f32>) {
    %y = ft.linear_cross_entropy %a, %a, %l, %s, %i site("s") : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4xi32>, !ft.segments<4, 2> -> tensor<f32>
    %z = ft.linear_cross_entropy %a, %a, %l, %s, %i site("s") : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4xi32>, !ft.segments<4, 2> -> tensor<f32>
    ft.yield %y, %z : tensor<f32>, tensor<f32>
  }
  return
}

// -----

// Two gradients that start from two numbers.
ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @train_step(%ids: tensor<4xi32>, %labels: tensor<4xi32>, %segments: !ft.segments<4, 2>, %run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %inv = ft.run_value %run[inv_items] : tensor<f32>
  %lr = ft.run_value %run[learning_rate] : tensor<f32>
  // expected-error@+1 {{'ft.kernel' op has gradients of two different losses}}
  %0:2 = ft.kernel linear_cross_entropy site("s") (%a = %w : tensor<4x4xf32>, %l = %labels : tensor<4xi32>, %s = %segments : !ft.segments<4, 2>, %i = %inv : tensor<f32>, %j = %lr : tensor<f32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
    %y = ft.linear_cross_entropy_grad_input %a, %a, %l, %s, %i, %i site("s") : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4xi32>, !ft.segments<4, 2>, tensor<f32>
    %z = ft.linear_cross_entropy_grad_weight %a, %a, %l, %s, %i, %j site("s") : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4xi32>, !ft.segments<4, 2>, tensor<f32>
    ft.yield %y, %z : tensor<4x4xf32>, tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family embedding}}
  %0 = ft.kernel embedding site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family rope}}
  %0 = ft.kernel rope site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family attention}}
  %0 = ft.kernel attention site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family attention_delta}}
  %0 = ft.kernel attention_delta site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family attention_grad_query}}
  %0 = ft.kernel attention_grad_query site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family attention_grad_key_value}}
  %0 = ft.kernel attention_grad_key_value site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family col_reduce}}
  %0 = ft.kernel col_reduce site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family embedding_grad}}
  %0 = ft.kernel embedding_grad site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family global_norm}}
  %0 = ft.kernel global_norm site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family slice}}
  %0 = ft.kernel slice site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family concat}}
  %0 = ft.kernel concat site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family sign_bits}}
  %0 = ft.kernel sign_bits site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}

// -----

ft.parameter @w : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  // expected-error@+1 {{'ft.kernel' op has a body that is none of family masked}}
  %0 = ft.kernel masked site("s") (%a = %w : tensor<4x4xf32>) -> (tensor<4x4xf32>) {
    %s = ft.silu %a : tensor<4x4xf32>
    ft.yield %s : tensor<4x4xf32>
  }
  return
}
