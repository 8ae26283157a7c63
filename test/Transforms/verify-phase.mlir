// What each phase promises, kept: the module of a phase passes the check of that phase.
// RUN: split-file %s %t
// RUN: ft-opt %t/forward.mlir --ft-verify-phase | FileCheck %s
// RUN: ft-opt %t/forward.mlir --ft-verify-phase=phase=forward | FileCheck %s
// RUN: ft-opt %t/forward.mlir --ft-attach-adapters --ft-verify-phase=phase=bypasses | FileCheck %s
// RUN: ft-opt %t/forward.mlir --ft-attach-adapters --ft-lower-bypasses \
// RUN:   --ft-verify-phase=phase=lowered | FileCheck %s
// RUN: ft-opt %t/forward.mlir --ft-attach-adapters --ft-lower-bypasses --ft-build-backward \
// RUN:   --ft-verify-phase=phase=backward | FileCheck %s
// RUN: ft-opt %t/forward.mlir --ft-attach-adapters --ft-lower-bypasses --ft-build-backward \
// RUN:   --ft-prune-graph --ft-lower-precision=compute-dtype=bf16 \
// RUN:   --ft-verify-phase=phase=precision | FileCheck %s
// RUN: ft-opt %t/forward.mlir --ft-attach-adapters --ft-lower-bypasses --ft-build-backward \
// RUN:   --ft-prune-graph --ft-lower-precision=compute-dtype=bf16 --ft-form-kernels \
// RUN:   --ft-verify-phase=phase=kernels | FileCheck %s
// Without a compute dtype the phase says nothing more than the one before it.
// RUN: ft-opt %t/forward.mlir --ft-attach-adapters --ft-lower-bypasses --ft-build-backward \
// RUN:   --ft-prune-graph --ft-verify-phase=phase=precision | FileCheck %s
// RUN: ft-opt %t/forward.mlir --ft-attach-adapters --ft-lower-bypasses --ft-build-backward \
// RUN:   --ft-prune-graph --ft-form-kernels --ft-verify-phase=phase=kernels | FileCheck %s

// CHECK: module attributes
// CHECK: ft.linear

// All offenders are named, not the first alone.
// RUN: not ft-opt %t/forward.mlir --ft-verify-phase=phase=kernels 2>&1 | FileCheck %s --check-prefix=ALL
// ALL-DAG: error: still has function @forward
// ALL-DAG: error: 'ft.adapter' op is left behind phase 'kernels': run ft-attach-adapters
// ALL-DAG: error: 'ft.embedding' op is left behind phase 'kernels': every value op must be inside a kernel; run ft-form-kernels
// ALL-DAG: error: 'ft.linear' op is left behind phase 'kernels': every value op must be inside a kernel
// ALL-DAG: error: 'ft.linear_cross_entropy' op is left behind phase 'kernels': every value op must be inside a kernel

//--- forward.mlir
module attributes {ft.tokens = 8 : i64} {
  ft.parameter @embed.weight : tensor<16x4xf32> role(base) storage(dense<f32>) init("file")
  ft.parameter @q.weight : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
  ft.adapter "lora" site("q") prefix("") {init_b = "zeros", r = 2 : i64, scaling = 2.0}
  func.func private @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>,
                             %segments: !ft.segments<8, 2>, %run: !ft.run) -> tensor<f32> {
    %e = ft.read @embed.weight : tensor<16x4xf32>
    %x = ft.embedding %ids, %e site("embed") : tensor<8xi32>, tensor<16x4xf32>
    %w = ft.read @q.weight : tensor<4x4xf32>
    %q = ft.linear %x, %w site("q") : tensor<8x4xf32>, tensor<4x4xf32>
    %inv_items = ft.run_value %run[inv_items] : tensor<f32>
    %loss = ft.linear_cross_entropy %q, %e, %labels, %segments, %inv_items site("lm_head")
      : tensor<8x4xf32>, tensor<16x4xf32>, tensor<8xi32>, !ft.segments<8, 2> -> tensor<f32>
    return %loss : tensor<f32>
  }
}
