// The op at every level: round trip, gradient, kernel, launch. No pass knows its name.
// RUN: tutorial-opt %s --split-input-file | tutorial-opt --split-input-file | FileCheck %s
// RUN: tutorial-opt %s --ft-build-backward | FileCheck %s --check-prefix=BACKWARD
// RUN: tutorial-opt %s --ft-build-backward --ft-prune-graph --ft-form-kernels \
// RUN:   | FileCheck %s --check-prefix=KERNELS
// RUN: tutorial-opt %s --ft-build-backward --ft-prune-graph --ft-form-kernels \
// RUN:   --ft-verify-phase=phase=kernels --convert-ft-to-launch | FileCheck %s --check-prefix=LAUNCH
// RUN: not tutorial-opt %s --ft-build-backward --ft-verify-phase=phase=kernels 2>&1 \
// RUN:   | FileCheck %s --check-prefix=PHASE

// CHECK: %capped = tutorial.softcap %{{.*}} cap 7.500000e-01 : tensor<8x4xf32>

// dx = dy - dy y^2 / c^2, out of ft ops alone.
// BACKWARD-LABEL: func.func @train_step(
// BACKWARD: %[[y:.*]] = tutorial.softcap
// BACKWARD: ft.boundary
// BACKWARD: %[[dy:.*]] = ft.linear_cross_entropy_grad_input
// BACKWARD: %[[squared:.*]] = ft.mul %[[y]], %[[y]]
// BACKWARD-NEXT: %[[product:.*]] = ft.mul %[[dy]], %[[squared]]
// BACKWARD-NEXT: %[[correction:.*]] = ft.scale %[[product]] by -1.77777{{[0-9]*}}
// BACKWARD-NEXT: %[[dx:.*]] = ft.add %[[dy]], %[[correction]]
// BACKWARD: ft.matmul %[[dx]], %{{.*}} transpose_lhs site("q")

// It is a map; the gradient's four ops are one other.
// KERNELS-LABEL: func.func @train_step(
// KERNELS: ft.kernel map site("q")
// KERNELS-NEXT: tutorial.softcap
// KERNELS-NEXT: ft.yield
// KERNELS: ft.boundary
// KERNELS: ft.linear_cross_entropy_grad_input
// KERNELS: ft.kernel map site("q")
// KERNELS-NEXT: ft.mul
// KERNELS-NEXT: ft.mul
// KERNELS-NEXT: ft.scale
// KERNELS-NEXT: ft.add
// KERNELS-NEXT: ft.yield

// The kernel's code is the op's scalar body; its cost is the op's: 3 flops and 8 bytes an element.
// LAUNCH: launch.kernel @map_softcap map [#launch.arg<readwrite element memref<?xf32>>] {
// LAUNCH-NEXT: ^bb0(%[[x:.*]]: f32):
// LAUNCH: %[[ratio:.*]] = arith.mulf %[[x]]
// LAUNCH: %[[tanh:.*]] = math.tanh %[[ratio]] : f32
// LAUNCH: %[[out:.*]] = arith.mulf %[[tanh]]
// LAUNCH-NEXT: launch.yield %[[out]] : f32
// LAUNCH-LABEL: launch.entry @train_step {
// LAUNCH: launch.launch @map_softcap site("q") grid(32) cost(96, 256)

// PHASE: error: 'tutorial.softcap' op is left behind phase 'kernels'

module attributes {ft.max_segments = 2 : i64, ft.tokens = 8 : i64} {
  ft.parameter @e : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
  ft.parameter @q : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
  func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>,
                             %segments: !ft.segments<8, 2>, %run: !ft.run) -> tensor<f32> {
    %e = ft.read @e : tensor<16x4xf32>
    %x = ft.embedding %ids, %e site("e") : tensor<8xi32>, tensor<16x4xf32>
    %w = ft.read @q : tensor<4x4xf32>
    %q = ft.linear %x, %w site("q") : tensor<8x4xf32>, tensor<4x4xf32>
    // DOC: step
    %capped = tutorial.softcap %q cap 0.75 : tensor<8x4xf32>
    // DOC-END
    %inv = ft.run_value %run[inv_items] : tensor<f32>
    %loss = ft.linear_cross_entropy %capped, %e, %labels, %segments, %inv site("lm_head")
      : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
    return %loss : tensor<f32>
  }
}
