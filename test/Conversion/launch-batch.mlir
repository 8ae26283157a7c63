// Equal kernels on independent buffers become one launch; what depends on another stays behind it.
// RUN: ft-opt %s --launch-batch | FileCheck %s
// RUN: ft-opt %s --launch-batch=off | FileCheck %s --check-prefix=OFF
// RUN: ft-opt %s --launch-batch=max-arguments=1 | FileCheck %s --check-prefix=FEW

launch.kernel @double map [#launch.arg<readwrite element memref<?xf32>>] {
^bb0(%x: f32):
  %y = arith.addf %x, %x : f32
  launch.yield %y : f32
}
launch.kernel @add map [#launch.arg<read element memref<?xf32>>, #launch.arg<readwrite element memref<?xf32>>] {
^bb0(%x: f32, %y: f32):
  %z = arith.addf %x, %y : f32
  launch.yield %z : f32
}
launch.kernel @product gemm [#launch.arg<read whole memref<2x2xf32>>, #launch.arg<read whole memref<2x2xf32>>, #launch.arg<write whole memref<2x2xf32>>] params {transpose_a = false, transpose_b = false}

// CHECK-LABEL: launch.entry @accumulate
// CHECK-NOT:   launch.launch
// CHECK:       launch.launch @double site("a.*") grid(12) batch(2) cost(6, 7) (%x, %y) : memref<2x2xf32>, memref<8xf32>
// CHECK-NEXT:  launch.launch @add site("step") grid(12) batch(2) cost(2, 2)
// CHECK-SAME:  %x, %z, %y, %view)
// CHECK-NEXT:  launch.launch @double site("a.b") grid(4) cost(1, 1) (%z)
// CHECK-NEXT:  launch.launch @product site("p")
// CHECK-NEXT:  launch.launch @double site("a.b") grid(4) cost(1, 1) (%x)
// CHECK-NOT:   launch.launch
// FEW:         launch.launch @double site("a.*") grid(12) batch(2)
// FEW:         launch.launch @add site("c") grid(4) cost
// FEW:         launch.launch @add site("d") grid(8) cost
// OFF-NOT:     batch(
launch.entry @accumulate {
  %x = launch.input "x" : memref<2x2xf32>
  %y = launch.input "y" : memref<8xf32>
  %z = launch.input "z" : memref<2x2xf32>
  %w = launch.input "w" : memref<16xf32>
  launch.launch @double site("a.b") grid(4) cost(1, 2) (%x) : memref<2x2xf32>
  launch.launch @add site("c") grid(4) cost(1, 1) (%x, %z) : memref<2x2xf32>, memref<2x2xf32>
  launch.launch @double site("a.c") grid(8) cost(5, 5) (%y) : memref<8xf32>
  launch.launch @double site("a.b") grid(4) cost(1, 1) (%z) : memref<2x2xf32>
  %v = launch.view %w[8] : memref<16xf32> -> memref<8xf32>
  launch.launch @add site("d") grid(8) cost(1, 1) (%y, %v) : memref<8xf32>, memref<8xf32>
  launch.launch @product site("p") grid(1) cost(1, 1) (%x, %x, %z) : memref<2x2xf32>, memref<2x2xf32>, memref<2x2xf32>
  launch.launch @double site("a.b") grid(4) cost(1, 1) (%x) : memref<2x2xf32>
}

// Parts of one buffer are independent where they do not overlap.
// DOC: launch-batch
// CHECK-LABEL: launch.entry @update
// CHECK:       launch.launch @double site("a") grid(8) batch(2)
// CHECK-NEXT:  launch.launch @double site("a") grid(4) cost
launch.entry @update {
  %w = launch.input "w" : memref<16xf32>
  %a = launch.view %w[0] : memref<16xf32> -> memref<4xf32>
  %b = launch.view %w[4] : memref<16xf32> -> memref<4xf32>
  %c = launch.view %w[6] : memref<16xf32> -> memref<4xf32>
  launch.launch @double site("a") grid(4) cost(1, 1) (%a) : memref<4xf32>
  launch.launch @double site("a") grid(4) cost(1, 1) (%b) : memref<4xf32>
  launch.launch @double site("a") grid(4) cost(1, 1) (%c) : memref<4xf32>
}
// DOC-END
