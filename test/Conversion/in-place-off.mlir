// Without results in place each result has a buffer of its own, and a commit is a copy.
// RUN: ft-opt %s --ft-form-kernels --convert-ft-to-launch=in-place=false | FileCheck %s
// RUN: ft-opt %s --ft-form-kernels --convert-ft-to-launch | FileCheck %s --check-prefix=ON

ft.parameter @w : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @a : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")

// CHECK: ["product_add.in_place", 0], ["product_add.in_place_bytes", 0], ["product_add.copies", 2]
// ON: ["product_add.in_place", 1], ["product_add.in_place_bytes", 64], ["product_add.copies", 0]

// The sum starts from the old value, which has to be copied to where the sum is made.
// CHECK-LABEL: launch.entry @product_add
// CHECK: %[[add:.*]] = launch.alloc "sum" : memref<4x4xf32>
// CHECK: launch.launch @copy site("p") {{.*}} (%a, %[[add]])
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4_add site("p") {{.*}} (%w, %w, %[[add]])
// CHECK-NEXT: launch.launch @copy site("a") {{.*}} (%[[add]], %a)
// ON-LABEL: launch.entry @product_add
// ON-NOT: launch.alloc
// ON: launch.launch @gemm_nt_4x4x4_add site("p") {{.*}} (%w, %w, %a)
func.func @product_add(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %a = ft.read @a : tensor<4x4xf32>
  %p = ft.linear %w, %w site("p") : tensor<4x4xf32>, tensor<4x4xf32>
  %s = ft.add %a, %p : tensor<4x4xf32>
  ft.commit @a, %s : tensor<4x4xf32>
  return
}
