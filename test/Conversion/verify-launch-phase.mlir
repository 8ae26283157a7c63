// What the launch level promises, and holds.
// RUN: ft-opt %s --launch-verify-phase | FileCheck %s
// RUN: ft-opt %s --launch-verify-phase=phase=launched | FileCheck %s
// RUN: ft-opt %s --launch-plan-arena --launch-verify-phase=phase=planned | FileCheck %s
// CHECK: launch.entry @chain

launch.kernel @fill map [#launch.arg<write element memref<?xf32>>] {
  %c = arith.constant 0.0 : f32
  launch.yield %c : f32
}
launch.kernel @copy map [#launch.arg<read element memref<?xf32>>, #launch.arg<write element memref<?xf32>>] {
^bb0(%a: f32):
  launch.yield %a : f32
}
launch.state @w : memref<64xf32> role(base) init("file") key("w")

// Inputs are filled by the runtime, states are there; a launch may read what another has written.
launch.entry @chain {
  %w = launch.ref @w : memref<64xf32>
  %x = launch.input "x" : memref<64xf32>
  %a = launch.alloc "a" : memref<64xf32>
  %b = launch.alloc "b" : memref<64xf32>
  %unused = launch.alloc "unused" : memref<64xf32>
  launch.launch @copy site("0") grid(64) cost(0, 512) (%w, %a) : memref<64xf32>, memref<64xf32>
  launch.launch @copy site("1") grid(64) cost(0, 512) (%a, %b) : memref<64xf32>, memref<64xf32>
  launch.launch @copy site("2") grid(64) cost(0, 512) (%x, %a) : memref<64xf32>, memref<64xf32>
  launch.output "b", %b : memref<64xf32>
}
launch.entry @empty {
}
