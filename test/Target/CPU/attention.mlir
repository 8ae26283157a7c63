// RUN: ft-opt %s --launch-lower-kernels-to-loops | FileCheck %s

// Scores are a tile in scratch, between two products of the runtime's; lanes that a query does not
// see are masked.
// CHECK-LABEL: func.func private @ftc.sgemm
// CHECK: llvm.call %{{.*}} : !llvm.ptr, (i32, i32, i64, i64, i64, f32, !llvm.ptr, i64, !llvm.ptr, i64, f32, !llvm.ptr, i64) -> ()
// CHECK-LABEL: func.func @ftc_forward(
// CHECK: memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [16, 32], strides: [32, 1] : memref<f32> to memref<16x32xf32>
// CHECK: func.call @ftc.sgemm
// CHECK: arith.select %{{.*}}, %{{.*}}, %{{.*}} : vector<16xi1>, vector<16xf32>
// CHECK: math.exp %{{.*}} : vector<16xf32>
// CHECK: func.call @ftc.sgemm
launch.kernel @forward attention [#launch.arg<read whole memref<64x32xf32>>,
    #launch.arg<read whole memref<64x16xf32>>, #launch.arg<read whole memref<64x16xf32>>,
    #launch.arg<read whole memref<64xi32>>, #launch.arg<write whole memref<64x32xf32>>,
    #launch.arg<write whole memref<64x4xf32>>]
  params {head_dim = 8 : i64, scale = 0.25 : f64, query_tile = 16 : i64, key_tile = 24 : i64}

// Without dk no product with the values is needed.
// CHECK-LABEL: func.func @ftc_value_only(
// CHECK-COUNT-2: func.call @ftc.sgemm
// CHECK-NOT: func.call @ftc.sgemm
launch.kernel @value_only attention_grad_key_value [#launch.arg<read whole memref<64x32xf32>>,
    #launch.arg<read whole memref<64x16xf32>>, #launch.arg<read whole memref<64x16xf32>>,
    #launch.arg<read whole memref<64x32xf32>>, #launch.arg<read whole memref<64x4xf32>>,
    #launch.arg<read whole memref<64x4xf32>>, #launch.arg<read whole memref<64xi32>>,
    #launch.arg<read whole memref<64xi32>>, #launch.arg<write whole memref<64x16xf32>>]
  params {head_dim = 8 : i64, scale = 0.25 : f64, query_tile = 16 : i64, key_tile = 16 : i64,
          has_key = false, has_value = true}
