// What the launch dialect refuses, message by message.
// RUN: ft-opt %s --split-input-file --verify-diagnostics

//===-- Kernels -----------------------------------------------------------===//

// expected-error @+1 {{'launch.kernel' op of family map has 0 regions; expected 1}}
launch.kernel @k map [#launch.arg<write element memref<?xf32>>]

// -----

// expected-error @+1 {{'launch.kernel' op of family row_reduce has 1 regions; expected 3}}
launch.kernel @k row_reduce [#launch.arg<write element memref<?x8xf32>>] {
^bb0:
  launch.yield
}

// -----

// expected-error @+1 {{'launch.kernel' op of family gemm has 1 regions; expected 0}}
launch.kernel @k gemm [#launch.arg<write whole memref<8x8xf32>>] {
^bb0:
  launch.yield
}

// -----

// expected-error @+1 {{'launch.kernel' op writes no argument}}
launch.kernel @k gemm [#launch.arg<read whole memref<8x8xf32>>]

// -----

// expected-error @+1 {{for the shape of a kernel's loops (docs/kernels.md), got: mop}}
launch.kernel @k mop [#launch.arg<write whole memref<8x8xf32>>]

// -----

// expected-error @+1 {{'launch.kernel' op argument 0 is 'memref<f32>', read by row; expected rank 1 or 2 by element, 1 by row or column, 0 for a scalar, at most the leading dimension dynamic}}
launch.kernel @k gemm [#launch.arg<read row memref<f32>>, #launch.arg<write whole memref<2x2xf32>>]

// -----

// expected-error @+1 {{'launch.kernel' op argument 1 is 'memref<2x2x2xf32>', read by element}}
launch.kernel @k gemm [#launch.arg<read row memref<2xf32>>, #launch.arg<write element memref<2x2x2xf32>>]

// -----

// expected-error @+1 {{'launch.kernel' op argument 0 is 'memref<1xf32>', read by scalar}}
launch.kernel @k gemm [#launch.arg<write scalar memref<1xf32>>]

// -----

// expected-error @+1 {{'launch.kernel' op argument 0 is 'memref<2x?xf32>', read by whole}}
launch.kernel @k gemm [#launch.arg<write whole memref<2x?xf32>>]

// -----

// expected-error @+1 {{'launch.kernel' op argument 0 is 'memref<2x0xf32>', read by column}}
launch.kernel @k gemm [#launch.arg<write column memref<2x0xf32>>]

// -----

// expected-error @+1 {{'launch.kernel' op takes 0 scalars in its map region; expected 1}}
launch.kernel @k map [#launch.arg<readwrite element memref<?xf32>>] {
^bb0:
  launch.yield
}

// -----

// expected-error @+1 {{'launch.kernel' op needs a launch.yield at the end of its map region}}
launch.kernel @k map [#launch.arg<write element memref<?xf32>>] {
^bb0:
  %c = arith.constant 1.0 : f32
}

// -----

// expected-error @+1 {{'launch.kernel' op yields 0 values from its map region; expected 1}}
launch.kernel @k map [#launch.arg<write element memref<?xf32>>] {
^bb0:
  launch.yield
}

// -----

// expected-error @+1 {{'launch.kernel' op has a map region over other types than f32}}
launch.kernel @k map [#launch.arg<read element memref<?xbf16>>, #launch.arg<write element memref<?xf32>>] {
^bb0(%x: bf16):
  %y = arith.extf %x : bf16 to f32
  launch.yield %y : f32
}

// -----

launch.kernel @k map [#launch.arg<read element memref<?xf32>>, #launch.arg<write element memref<?xf32>>] {
^bb0(%x: f32):
  // expected-error @+1 {{'memref.alloca' op stands in a kernel's region; expected scalar ops of arith and math}}
  %m = memref.alloca() : memref<f32>
  launch.yield %x : f32
}

// -----

// expected-error @+1 {{'launch.kernel' op of family col_reduce must write its last argument and no other}}
launch.kernel @k col_reduce [#launch.arg<write column memref<8xf32>>, #launch.arg<read element memref<4x8xf32>>] {
^bb0(%x: f32):
  launch.yield %x : f32
}

// -----

// expected-error @+1 {{'launch.kernel' op takes 2 scalars in its term region; expected 1}}
launch.kernel @k col_reduce [#launch.arg<read element memref<4x8xf32>>, #launch.arg<readwrite column memref<8xf32>>] {
^bb0(%x: f32, %old: f32):
  launch.yield %x : f32
}

// -----

// expected-error @+1 {{'launch.kernel' op takes 1 scalars in its finish region; expected 2}}
launch.kernel @k row_reduce [#launch.arg<readwrite element memref<?x8xf32>>, #launch.arg<read scalar memref<f32>>] {
^bb0(%x: f32, %s: f32):
  launch.yield %x : f32
}, {
^bb0(%sum: f32):
  launch.yield %sum : f32
}, {
^bb0(%x: f32, %s: f32, %sum: f32):
  launch.yield %x : f32
}

// -----

// expected-error @+1 {{'launch.kernel' op takes 1 scalars in its contributions region; expected 2}}
launch.kernel @k row_reduce [#launch.arg<readwrite element memref<?x8xf32>>, #launch.arg<read scalar memref<f32>>] {
^bb0(%x: f32):
  launch.yield %x : f32
}, {
^bb0(%s: f32, %sum: f32):
  launch.yield %sum : f32
}, {
^bb0(%x: f32, %s: f32, %sum: f32):
  launch.yield %x : f32
}

// -----

// expected-error @+1 {{'launch.kernel' op takes 1 scalars in its elements region; expected 2}}
launch.kernel @k row_reduce [#launch.arg<readwrite element memref<?x8xf32>>] {
^bb0(%x: f32):
  launch.yield %x : f32
}, {
^bb0(%sum: f32):
  launch.yield %sum : f32
}, {
^bb0(%x: f32):
  launch.yield %x : f32
}

// -----

// expected-error @+1 {{'launch.yield' op expects parent op 'launch.kernel'}}
launch.yield

// -----

//===-- Entry points ------------------------------------------------------===//

// expected-error @+1 {{'launch.entry' op has a body with arguments; expected launch.input}}
launch.entry @e {
^bb0(%x: memref<2xf32>):
}

// -----

launch.entry @e {
  // expected-error @+1 {{'arith.constant' op stands in an entry point; expected ops of the launch dialect}}
  %c = arith.constant 1.0 : f32
}

// -----

// expected-error @+1 {{'launch.entry' op has an arena of -1 bytes}}
launch.entry @e arena(-1) {
}

// -----

launch.entry @e arena(128) {
  // expected-error @+1 {{'launch.alloc' op has no offset in a planned arena}}
  %a = launch.alloc "a" : memref<2xf32>
}

// -----

launch.entry @e {
  // expected-error @+1 {{'launch.input' op has an offset, but the entry point has no arena}}
  %a = launch.input "a" at(0) : memref<2xf32>
}

// -----

launch.entry @e arena(128) {
  // expected-error @+1 {{'launch.alloc' op of 8 bytes lies at 32 in an arena of 128; expected a multiple of 64 that leaves room}}
  %a = launch.alloc "a" at(32) : memref<2xf32>
  launch.output "a", %a : memref<2xf32>
}

// -----

launch.entry @e arena(128) {
  // expected-error @+1 {{'launch.alloc' op of 132 bytes lies at 0 in an arena of 128}}
  %a = launch.alloc "a" at(0) : memref<33xf32>
  launch.output "a", %a : memref<33xf32>
}

// -----

launch.entry @e arena(128) {
  // expected-error @+1 {{'launch.input' op of 8 bytes lies at -64 in an arena of 128}}
  %a = launch.input "a" at(-64) : memref<2xf32>
  launch.output "a", %a : memref<2xf32>
}

// -----

launch.entry @e {
  // expected-error @+1 {{result #0 must be buffer of 1 to 2^40 elements of f32, bf16, f16 or i32, but got 'memref<0xf32>'}}
  %a = launch.alloc "a" : memref<0xf32>
}

// -----

launch.entry @e {
  // expected-error @+1 {{result #0 must be buffer of 1 to 2^40 elements of f32, bf16, f16 or i32, but got 'memref<2xi8>'}}
  %a = launch.alloc "a" : memref<2xi8>
}

// -----

// expected-error @+1 {{'launch.alloc' op expects parent op 'launch.entry'}}
%a = launch.alloc "a" : memref<2xf32>

// -----

launch.entry @e {
  // expected-error @+1 {{'launch.ref' op names @w, which is no launch.state}}
  %a = launch.ref @w : memref<2xf32>
}

// -----

launch.state @w : memref<2xf32> role(base) init("file") key("w")
launch.entry @e {
  // expected-error @+1 {{'launch.ref' op has type 'memref<2xbf16>', but @w is 'memref<2xf32>'}}
  %a = launch.ref @w : memref<2xbf16>
}

// -----

launch.entry @e {
  %a = launch.alloc "a" : memref<8xf32>
  // expected-error @+1 {{'launch.view' op changes the element type}}
  %v = launch.view %a[0] : memref<8xf32> -> memref<8xbf16>
}

// -----

launch.entry @e {
  %a = launch.alloc "a" : memref<2x4xf32, strided<[8, 1]>>
  // expected-error @+1 {{'launch.view' op needs contiguous buffers}}
  %v = launch.view %a[0] : memref<2x4xf32, strided<[8, 1]>> -> memref<8xf32>
}

// -----

launch.entry @e {
  %a = launch.alloc "a" : memref<8xf32>
  // expected-error @+1 {{'launch.view' op takes 4 elements from 5 on of a buffer of 8}}
  %v = launch.view %a[5] : memref<8xf32> -> memref<4xf32>
}

// -----

launch.entry @e {
  %a = launch.alloc "a" : memref<8xf32>
  // expected-error @+1 {{'launch.view' op takes 4 elements from -1 on of a buffer of 8}}
  %v = launch.view %a[-1] : memref<8xf32> -> memref<4xf32>
}

// -----

//===-- Launches ----------------------------------------------------------===//

launch.entry @e {
  %a = launch.alloc "a" : memref<2xf32>
  // expected-error @+1 {{'launch.launch' op names @k, which is no launch.kernel}}
  launch.launch @k site("s") grid(2) cost(0, 0) (%a) : memref<2xf32>
}

// -----

launch.kernel @k gemm [#launch.arg<write whole memref<8x8xf32>>]
launch.entry @e {
  %a = launch.alloc "a" : memref<8x8xf32>
  // expected-error @+1 {{'launch.launch' op passes 2 buffers to @k, which takes 1}}
  launch.launch @k site("s") grid(8) cost(0, 0) (%a, %a) : memref<8x8xf32>, memref<8x8xf32>
}

// -----

launch.kernel @k gemm [#launch.arg<write whole memref<8x8xf32>>]
launch.entry @e {
  %a = launch.alloc "a" : memref<8x7xf32>
  // expected-error @+1 {{'launch.launch' op passes 'memref<8x7xf32>' as argument 0 of @k, which is 'memref<8x8xf32>'}}
  launch.launch @k site("s") grid(8) cost(0, 0) (%a) : memref<8x7xf32>
}

// -----

launch.kernel @k gemm [#launch.arg<write whole memref<8x8xf32>>]
launch.entry @e {
  %a = launch.alloc "a" : memref<8x8xbf16>
  // expected-error @+1 {{'launch.launch' op passes 'memref<8x8xbf16>' as argument 0 of @k, which is 'memref<8x8xf32>'}}
  launch.launch @k site("s") grid(8) cost(0, 0) (%a) : memref<8x8xbf16>
}

// -----

launch.kernel @k map [#launch.arg<readwrite element memref<?xf32>>] {
^bb0(%x: f32):
  launch.yield %x : f32
}
launch.entry @e {
  %a = launch.alloc "a" : memref<2x4xf32>
  // expected-error @+1 {{'launch.launch' op has a grid of 2, but argument 0 has 8 elements}}
  launch.launch @k site("s") grid(2) cost(0, 0) (%a) : memref<2x4xf32>
}

// -----

launch.kernel @k rope [#launch.arg<readwrite element memref<?x4xf32>>]
launch.entry @e {
  %a = launch.alloc "a" : memref<2x4xf32>
  // expected-error @+1 {{'launch.launch' op has a grid of 8, but argument 0 has 2 rows}}
  launch.launch @k site("s") grid(8) cost(0, 0) (%a) : memref<2x4xf32>
}

// -----

launch.kernel @k rope [#launch.arg<write row memref<?xf32>>]
launch.entry @e {
  %a = launch.alloc "a" : memref<2x4xf32>
  // expected-error @+1 {{'launch.launch' op has a grid of 2, but argument 0 has 8 elements}}
  launch.launch @k site("s") grid(2) cost(0, 0) (%a) : memref<2x4xf32>
}

// -----

// expected-error @+1 {{'launch.boundary' op expects parent op 'launch.entry'}}
launch.boundary

// -----

//===-- Batches -----------------------------------------------------------===//

launch.kernel @k map [#launch.arg<write element memref<?xf32>>] {
  %c = arith.constant 0.0 : f32
  launch.yield %c : f32
}
launch.entry @update {
  %x = launch.input "x" : memref<4xf32>
  // expected-error @+1 {{'launch.launch' op has a batch of 0; expected at least 1}}
  launch.launch @k site("s") grid(4) batch(0) cost(0, 0) (%x) : memref<4xf32>
}

// -----

launch.kernel @k map [#launch.arg<write element memref<?xf32>>] {
  %c = arith.constant 0.0 : f32
  launch.yield %c : f32
}
launch.entry @update {
  %x = launch.input "x" : memref<4xf32>
  // expected-error @+1 {{'launch.launch' op passes 1 buffers to @k, which takes 1 for each run of the batch}}
  launch.launch @k site("s") grid(4) batch(2) cost(0, 0) (%x) : memref<4xf32>
}

// -----

launch.kernel @k map [#launch.arg<write element memref<?xf32>>] {
  %c = arith.constant 0.0 : f32
  launch.yield %c : f32
}
launch.entry @update {
  %x = launch.input "x" : memref<4xf32>
  %y = launch.input "y" : memref<6xf32>
  // expected-error @+1 {{'launch.launch' op has a grid of 8, but the runs of its batch have 10 in all}}
  launch.launch @k site("s") grid(8) batch(2) cost(0, 0) (%x, %y) : memref<4xf32>, memref<6xf32>
}

// -----

launch.kernel @k map [#launch.arg<read element memref<?xf32>>, #launch.arg<write element memref<?xf32>>] {
^bb0(%c: f32):
  launch.yield %c : f32
}
launch.entry @update {
  %x = launch.input "x" : memref<4xf32>
  %y = launch.input "y" : memref<6xf32>
  // expected-error @+1 {{'launch.launch' op has a grid of 6, but argument 1 has 4 elements}}
  launch.launch @k site("s") grid(10) batch(2) cost(0, 0) (%x, %x, %y, %x) : memref<4xf32>, memref<4xf32>, memref<6xf32>, memref<4xf32>
}

// -----

launch.kernel @k gemm [#launch.arg<read whole memref<2x2xf32>>, #launch.arg<read whole memref<2x2xf32>>, #launch.arg<write whole memref<2x2xf32>>]
launch.entry @update {
  %x = launch.input "x" : memref<2x2xf32>
  %y = launch.input "y" : memref<2x2xf32>
  // expected-error @+1 {{'launch.launch' op has a batch of a kernel of family gemm; expected map or row_reduce}}
  launch.launch @k site("s") grid(2) batch(2) cost(0, 0) (%x, %x, %y, %x, %x, %y) : memref<2x2xf32>, memref<2x2xf32>, memref<2x2xf32>, memref<2x2xf32>, memref<2x2xf32>, memref<2x2xf32>
}

// -----

launch.kernel @k map [#launch.arg<write element memref<?xf32>>] {
  %c = arith.constant 0.0 : f32
  launch.yield %c : f32
}
launch.entry @e {
  %targets = launch.input "targets" : memref<4xi32>
  %x = launch.alloc "x" : memref<4xf32>
  // expected-error @+1 {{'launch.launch' op leaves rows out, which a kernel of family map cannot; expected gemm, embedding, scatter or cross_entropy}}
  launch.launch @k site("s") grid(4) rows(0) cost(0, 0) (%x) : memref<4xf32>
}

// -----

launch.kernel @k scatter [#launch.arg<read row memref<?xi32>>, #launch.arg<read element memref<?x2xf32>>, #launch.arg<readwrite whole memref<4x2xf32>>]
launch.entry @e {
  %r = launch.input "loss_rows" : memref<4xi32>
  %x = launch.alloc "x" : memref<4x2xf32>
  %y = launch.alloc "y" : memref<4x2xf32>
  // expected-error @+1 {{'launch.launch' op leaves rows out, but its entry point has no input "targets"}}
  launch.launch @k site("s") grid(4) rows(0) cost(0, 0) (%r, %x, %y) : memref<4xi32>, memref<4x2xf32>, memref<4x2xf32>
}

// -----

launch.kernel @k scatter [#launch.arg<read row memref<?xi32>>, #launch.arg<read element memref<?x2xf32>>, #launch.arg<readwrite whole memref<4x2xf32>>]
launch.entry @e {
  %t = launch.input "targets" : memref<4xi32>
  %x = launch.alloc "x" : memref<4x2xf32>
  %y = launch.alloc "y" : memref<4x2xf32>
  // expected-error @+1 {{'launch.launch' op is for 4 rows from 1 on of a list of 4}}
  launch.launch @k site("s") grid(4) rows(1) cost(0, 0) (%t, %x, %y) : memref<4xi32>, memref<4x2xf32>, memref<4x2xf32>
}

// -----

launch.kernel @k gemm [#launch.arg<read whole memref<6x2xf32>>, #launch.arg<read whole memref<6x2xf32>>, #launch.arg<write whole memref<2x2xf32>>] params {transpose_a = true}
launch.entry @e {
  %t = launch.input "targets" : memref<4xi32>
  %x = launch.alloc "x" : memref<6x2xf32>
  %y = launch.alloc "y" : memref<2x2xf32>
  // expected-error @+1 {{'launch.launch' op is for 6 rows from 0 on of a list of 4}}
  launch.launch @k site("s") grid(1) rows(0) cost(0, 0) (%x, %x, %y) : memref<6x2xf32>, memref<6x2xf32>, memref<2x2xf32>
}

// -----

launch.kernel @k scatter [#launch.arg<read row memref<?xi32>>, #launch.arg<read element memref<?x2xf32>>, #launch.arg<readwrite whole memref<4x2xf32>>]
launch.entry @e {
  %t = launch.input "targets" : memref<4xi32>
  %x = launch.alloc "x" : memref<4x2xf32>
  %y = launch.alloc "y" : memref<4x2xf32>
  // expected-error @+1 {{'launch.launch' op is for 4 rows from -1 on of a list of 4}}
  launch.launch @k site("s") grid(4) rows(-1) cost(0, 0) (%t, %x, %y) : memref<4xi32>, memref<4x2xf32>, memref<4x2xf32>
}
