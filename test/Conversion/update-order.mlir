// Wherever an update stands, a parameter keeps its entry value for all that read it: a result is written
// over a parameter only behind (or in) the last kernel that reads it, and copied at the end elsewhere.
// RUN: ft-opt %s --ft-form-kernels --convert-ft-to-launch | FileCheck %s
module attributes {ft.tokens = 4 : i64} {
ft.parameter @w : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @out : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")

// CHECK: ["train_step.copies", 1]
// CHECK: ["gradients.copies", 0]
// An update in front of a reader: a buffer of its own, and a copy behind the reader.
// CHECK-LABEL: launch.entry @train_step
// CHECK: launch.launch @map_scale{{.*}}(%w, %[[own:[^ ]*]])
// CHECK-NEXT: launch.launch @gemm_{{.*}}(%w, %w, %out)
// CHECK: launch.launch @copy{{.*}}(%[[own]], %w)
func.func @train_step(%run: !ft.run) -> () {
  %w = ft.read @w : tensor<4x4xf32>
  %new = ft.scale %w by 0.5 : tensor<4x4xf32>
  ft.commit @w, %new : tensor<4x4xf32>
  // What is read behind a commit is the value at entry too.
  %old = ft.read @w : tensor<4x4xf32>
  %p = ft.matmul %old, %old site("p") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @out, %p : tensor<4x4xf32>
  return
}

// Behind its last reader it is written in place.
// CHECK-LABEL: launch.entry @gradients
// CHECK: launch.launch @gemm_{{.*}}(%w, %w, %out)
// CHECK-NEXT: launch.launch @map_scale{{.*}}(%w)
// CHECK-NOT: @copy
func.func @gradients(%run: !ft.run) -> () {
  %w = ft.read @w : tensor<4x4xf32>
  %p = ft.matmul %w, %w site("p") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @out, %p : tensor<4x4xf32>
  %new = ft.scale %w by 0.5 : tensor<4x4xf32>
  ft.commit @w, %new : tensor<4x4xf32>
  return
}
}
