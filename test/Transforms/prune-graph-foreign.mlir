// Tensors of other types than numbers cross the boundary too; they count no bytes.
// RUN: ft-opt %s --ft-prune-graph | FileCheck %s

// CHECK-LABEL: func.func @indices
// CHECK:       ft.boundary
// CHECK-NEXT:  arith.addi
func.func @indices() -> tensor<4xindex> {
  %0 = arith.constant dense<0> : tensor<4xindex>
  %unused = arith.muli %0, %0 : tensor<4xindex>
  ft.boundary
  %1 = arith.addi %0, %0 : tensor<4xindex>
  return %1 : tensor<4xindex>
}
