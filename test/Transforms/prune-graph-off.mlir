// Switched off, the pass leaves the graph and a report that says so.
// RUN: ft-opt %s --ft-prune-graph=off | FileCheck %s

// CHECK: {pass = "ft-prune-graph", remarks = ["switched off"], statistics = []}
// CHECK-LABEL: func.func @dead
// CHECK: ft.silu
func.func @dead(%x: tensor<4x4xf32>) {
  %h = ft.silu %x : tensor<4x4xf32>
  return
}
