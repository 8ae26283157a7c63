// What a phase of the launch level promises, broken; every offender is told.
// RUN: split-file %s %t
// RUN: ft-opt %t/unknown.mlir --launch-verify-phase=phase=later --verify-diagnostics
// RUN: ft-opt %t/launched.mlir --launch-verify-phase=phase=launched --split-input-file --verify-diagnostics
// RUN: ft-opt %t/planned.mlir --launch-verify-phase=phase=planned --split-input-file --verify-diagnostics

//--- unknown.mlir
// expected-error@+1 {{unknown phase 'later'; expected launched, planned}}
module {
}
//--- launched.mlir
// DOC: launch-verify-phase
// expected-error@+1 {{'builtin.module' op has no launch.entry}}
module {
  // expected-error@+1 {{'ft.parameter' op is left behind phase 'launched': run convert-ft-to-launch}}
  ft.parameter @w : tensor<8x4xf32> role(base) storage(dense<f32>) init("file")
  // expected-error@+1 {{'func.func' op is left behind phase 'launched': run convert-ft-to-launch}}
  func.func @train_step(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
    return %x : tensor<8x4xf32>
  }
}
// DOC-END
// -----
launch.kernel @copy map [#launch.arg<read element memref<?xf32>>, #launch.arg<write element memref<?xf32>>] {
^bb0(%a: f32):
  launch.yield %a : f32
}
launch.kernel @double map [#launch.arg<readwrite element memref<?xf32>>] {
^bb0(%a: f32):
  %b = arith.addf %a, %a : f32
  launch.yield %b : f32
}
launch.entry @early {
  // expected-error@+1 {{'launch.alloc' op "a" is read by the launch at site "0" before any launch writes it}}
  %a = launch.alloc "a" : memref<64xf32>
  %b = launch.alloc "b" : memref<64xf32>
  // expected-error@+1 {{'launch.alloc' op "c" is read by the launch at site "1" before any launch writes it}}
  %c = launch.alloc "c" : memref<64xf32>
  // expected-error@+1 {{'launch.alloc' op "d" is read by output "d" before any launch writes it}}
  %d = launch.alloc "d" : memref<64xf32>
  %part = launch.view %a[32] : memref<64xf32> -> memref<32xf32>
  %half = launch.view %b[0] : memref<64xf32> -> memref<32xf32>
  launch.launch @copy site("0") grid(32) cost(0, 512) (%part, %half) : memref<32xf32>, memref<32xf32>
  launch.launch @double site("1") grid(64) cost(0, 512) (%c) : memref<64xf32>
  launch.launch @copy site("2") grid(64) cost(0, 512) (%c, %a) : memref<64xf32>, memref<64xf32>
  launch.output "d", %d : memref<64xf32>
}
//--- planned.mlir
// expected-error@+1 {{'builtin.module' op has no attribute launch.arena_bytes; the largest arena of its entry points is 0}}
module {
  // expected-error@+1 {{'func.func' op is left behind phase 'planned': run convert-ft-to-launch}}
  func.func private @left()
  // expected-error@+1 {{'launch.entry' op has no arena; run launch-plan-arena}}
  launch.entry @one {
  }
  // expected-error@+1 {{'launch.entry' op has no arena; run launch-plan-arena}}
  launch.entry @two {
  }
}
// -----
// expected-error@+1 {{'builtin.module' op has launch.arena_bytes = 64; the largest arena of its entry points is 1024}}
module attributes {launch.arena_bytes = 64 : i64} {
  launch.kernel @copy map [#launch.arg<read element memref<?xf32>>, #launch.arg<write element memref<?xf32>>] {
  ^bb0(%a: f32):
    launch.yield %a : f32
  }
  // Each pair that lies on one another while both are live. %d is behind %x's last reader, so it may
  // have its place.
  // expected-error@+1 {{'launch.entry' op says that at most 512 bytes are live at once; 768 are}}
  launch.entry @overlaps arena(1024) live(512) {
    %x = launch.input "x" at(0) : memref<64xf32>
    // expected-error@+1 {{'launch.alloc' op "a" at [192, 448) overlaps "x" at [0, 256); both are live at launch 0 (site "0")}}
    %a = launch.alloc "a" at(192) : memref<64xf32>
    // expected-error@+1 {{'launch.alloc' op "b" at [0, 256) overlaps "x" at [0, 256); both are live at launch 1 (site "1")}}
    %b = launch.alloc "b" at(0) : memref<64xf32>
    %c = launch.alloc "c" at(512) : memref<64xf32>
    %d = launch.alloc "d" at(64) : memref<64xf32>
    launch.launch @copy site("0") grid(64) cost(0, 512) (%x, %a) : memref<64xf32>, memref<64xf32>
    launch.launch @copy site("1") grid(64) cost(0, 512) (%a, %b) : memref<64xf32>, memref<64xf32>
    launch.launch @copy site("2") grid(64) cost(0, 512) (%x, %c) : memref<64xf32>, memref<64xf32>
    launch.launch @copy site("3") grid(64) cost(0, 512) (%c, %d) : memref<64xf32>, memref<64xf32>
  }
  // An output lives to the end.
  // expected-error@+1 {{'launch.entry' op says not how many bytes are live at once; 768 are}}
  launch.entry @outputs arena(512) {
    %x = launch.input "x" at(256) : memref<64xf32>
    %a = launch.alloc "a" at(0) : memref<64xf32>
    // expected-error@+1 {{'launch.alloc' op "b" at [0, 256) overlaps "a" at [0, 256); both are live at launch 1 (site "1")}}
    %b = launch.alloc "b" at(0) : memref<64xf32>
    launch.launch @copy site("0") grid(64) cost(0, 512) (%x, %a) : memref<64xf32>, memref<64xf32>
    launch.launch @copy site("1") grid(64) cost(0, 512) (%x, %b) : memref<64xf32>, memref<64xf32>
    launch.output "a", %a : memref<64xf32>
  }
}
