// Without reuse buffers lie one behind the other, dead or not.
// RUN: ft-opt %s --launch-plan-arena=reuse=false | FileCheck %s

// CHECK: remarks = ["chain: 768 B in the arena, 3 buffers, 1.500 of the lower bound", "reuse of bytes is switched off"]

launch.kernel @fill map [#launch.arg<write element memref<?xf32>>] {
  %c = arith.constant 0.0 : f32
  launch.yield %c : f32
}
launch.kernel @copy map [#launch.arg<read element memref<?xf32>>, #launch.arg<write element memref<?xf32>>] {
^bb0(%a: f32):
  launch.yield %a : f32
}

// CHECK-LABEL: launch.entry @chain arena(768) live(512) {
// CHECK-NEXT: launch.alloc "a" at(0) : memref<64xf32>
// CHECK-NEXT: launch.alloc "b" at(256) : memref<64xf32>
// CHECK-NEXT: launch.alloc "c" at(512) : memref<64xf32>
launch.entry @chain {
  %a = launch.alloc "a" : memref<64xf32>
  %b = launch.alloc "b" : memref<64xf32>
  %c = launch.alloc "c" : memref<64xf32>
  launch.launch @fill site("0") grid(64) cost(0, 256) (%a) : memref<64xf32>
  launch.launch @copy site("1") grid(64) cost(0, 512) (%a, %b) : memref<64xf32>, memref<64xf32>
  launch.launch @copy site("2") grid(64) cost(0, 512) (%b, %c) : memref<64xf32>, memref<64xf32>
}
