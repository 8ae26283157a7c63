// A view of all of a buffer under its own shape is the buffer.
// RUN: ft-opt %s --canonicalize | FileCheck %s

launch.kernel @k gemm [#launch.arg<write whole memref<8xf32>>]

// CHECK-LABEL: launch.entry @e
launch.entry @e {
  // CHECK-NEXT: %a = launch.alloc "a" : memref<8xf32>
  // CHECK-NEXT: %[[part:.*]] = launch.view %a[0] : memref<8xf32> -> memref<4xf32>
  // CHECK-NEXT: launch.launch @k site("s") grid(8) cost(0, 0) (%a) : memref<8xf32>
  // CHECK-NEXT: launch.output "part", %[[part]] : memref<4xf32>
  // CHECK-NEXT: }
  %a = launch.alloc "a" : memref<8xf32>
  %all = launch.view %a[0] : memref<8xf32> -> memref<8xf32>
  %part = launch.view %all[0] : memref<8xf32> -> memref<4xf32>
  %unused = launch.view %a[4] : memref<8xf32> -> memref<4xf32>
  launch.launch @k site("s") grid(8) cost(0, 0) (%all) : memref<8xf32>
  launch.output "part", %part : memref<4xf32>
}
