// RUN: ft-opt %s --launch-lower-kernels-to-loops --split-input-file --verify-diagnostics
// RUN: not ft-opt %s --launch-lower-kernels-to-loops=arch=pentium9 --split-input-file 2>&1 | FileCheck %s
// CHECK: error: unknown CPU architecture 'pentium9'; expected x86-64-v3, x86-64-v4 or a processor name of LLVM's

// expected-error@+1 {{kernel "k" of family embedding has 2 arguments; expected 3: ids, table, out}}
launch.kernel @k embedding [#launch.arg<read row memref<?xi32>>,
                            #launch.arg<write element memref<?x8xf32>>]

// -----

// expected-error@+1 {{kernel "k" of family rope has head_dim 5; expected a divisor of its width 8 of at least 4}}
launch.kernel @k rope [#launch.arg<readwrite element memref<?x8xf32>>,
                       #launch.arg<read whole memref<9x2xf32>>,
                       #launch.arg<read whole memref<9x2xf32>>, #launch.arg<read row memref<?xi32>>]
  params {head_dim = 5 : i64, transposed = false}

// -----

// expected-error@+1 {{kernel "k" has argument 0 with indexing whole; expected element, row, column or scalar}}
launch.kernel @k map [#launch.arg<read whole memref<4xf32>>,
                      #launch.arg<write element memref<?xf32>>] {
^bb0(%x: f32):
  launch.yield %x : f32
}

// -----

launch.kernel @k map [#launch.arg<read element memref<?xf32>>,
                      #launch.arg<write element memref<?xf32>>] {
^bb0(%x: f32):
  // expected-error@+1 {{operation arith.remf in a scalar region of kernel "k"; expected elementwise operations of arith and math}}
  %y = arith.remf %x, %x : f32
  launch.yield %y : f32
}

// -----

// expected-error@+1 {{kernel "k" of family attention_grad_key_value has neither has_key nor has_value; expected one}}
launch.kernel @k attention_grad_key_value [#launch.arg<write whole memref<4x4xf32>>]

// -----

// expected-error@+1 {{kernel "k" of family columns takes 3 columns from 2 on of 4}}
launch.kernel @k columns [#launch.arg<read element memref<?x4xf32>>, #launch.arg<write element memref<?x3xf32>>]
  params {first = 2 : i64}

// -----

// expected-error@+1 {{kernel "k" of family sign_bits has argument 1 (bits) of type 'memref<?x1xi32>'; expected memref<?x2xi32> with contiguous columns}}
launch.kernel @k sign_bits [#launch.arg<read element memref<?x33xf32>>, #launch.arg<write element memref<?x1xi32>>]
