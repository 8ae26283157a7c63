// Without fusion every op has a kernel of its own, an op that nobody reads too.
// RUN: ft-opt %s --ft-form-kernels=fusion=false | FileCheck %s
// RUN: ft-opt %s --ft-form-kernels=fusion=false --convert-ft-to-launch --launch-plan-arena -o /dev/null

// CHECK: remarks = ["chain: 3 kernels of 3 ops; 0 B need not be written or read", "product_add: 2 kernels of 2 ops; 0 B need not be written or read", "unread: 2 kernels of 2 ops; 0 B need not be written or read", "fusion is switched off"]

ft.parameter @n : tensor<4xf32> role(base) storage(dense<f32>) init("file")
ft.parameter @w : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @a : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")

// CHECK-LABEL: func.func @chain(
// CHECK: ft.kernel map
// CHECK-NEXT: ft.silu
// CHECK-NEXT: ft.yield
// CHECK: ft.kernel row_reduce
// CHECK-NEXT: ft.rms_norm
// CHECK-NEXT: ft.yield
// CHECK: ft.kernel map
// CHECK-NEXT: ft.scale
// CHECK-NEXT: ft.yield
func.func @chain(%run: !ft.run) {
  %n = ft.read @n : tensor<4xf32>
  %x = ft.read @w : tensor<4x4xf32>
  %h = ft.silu %x : tensor<4x4xf32>
  %y, %r = ft.rms_norm %h, %n eps 1.0e-5 site("norm") : tensor<4x4xf32>, tensor<4xf32>
  %s = ft.scale %y by 2.0 : tensor<4x4xf32>
  ft.commit @a, %s : tensor<4x4xf32>
  return
}

// CHECK-LABEL: func.func @product_add(
// CHECK: ft.kernel gemm
// CHECK-NEXT: ft.linear
// CHECK-NEXT: ft.yield
// CHECK: ft.kernel map
// CHECK-NEXT: ft.add
func.func @product_add(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %p = ft.linear %w, %w site("p") : tensor<4x4xf32>, tensor<4x4xf32>
  %s = ft.add %w, %p : tensor<4x4xf32>
  ft.commit @a, %s : tensor<4x4xf32>
  return
}

// CHECK-LABEL: func.func @unread(
// CHECK: ft.kernel row_reduce
// CHECK-NEXT: %[[y:.*]], %[[r:.*]] = ft.rms_norm
// CHECK-NEXT: ft.yield %[[y]], %[[r]]
func.func @unread(%run: !ft.run) {
  %n = ft.read @n : tensor<4xf32>
  %w = ft.read @w : tensor<4x4xf32>
  %y, %r = ft.rms_norm %w, %n eps 1.0e-5 site("norm") : tensor<4x4xf32>, tensor<4xf32>
  %h = ft.silu %w : tensor<4x4xf32>
  ft.commit @a, %h : tensor<4x4xf32>
  return
}
