// RUN: ft-opt %s --launch-lower-kernels-to-loops --canonicalize --cse | FileCheck %s
// RUN: ft-opt %s --launch-lower-kernels-to-loops=arch=x86-64-v4 | FileCheck %s --check-prefix=WIDE

// DOC: launch-lower-kernels-to-loops
// A flat map: eight elements at a time from lo on, then one by one up to hi.
// CHECK-LABEL: func.func @ftc_double(
// CHECK-SAME: %[[X:.*]]: memref<bf16> {llvm.noalias}, %[[Y:.*]]: memref<f32> {llvm.noalias}, %[[LO:.*]]: index, %[[HI:.*]]: index,
// CHECK: %[[XS:.*]] = memref.reinterpret_cast %[[X]] to offset: [0], sizes: [%[[HI]]], strides: [1] : memref<bf16> to memref<?xbf16>
// CHECK: %[[COUNT:.*]] = arith.subi %[[HI]], %[[LO]]
// CHECK: %[[REST:.*]] = arith.remui %[[COUNT]], %c8
// CHECK: %[[MIDDLE:.*]] = arith.subi %[[HI]], %[[REST]]
// CHECK: scf.for %[[I:.*]] = %[[LO]] to %[[MIDDLE]] step %c8
// CHECK: %[[STORED:.*]] = vector.load %[[XS]][%[[I]]] : memref<?xbf16>, vector<8xbf16>
// CHECK: %[[BITS:.*]] = arith.bitcast %[[STORED]] : vector<8xbf16> to vector<8xi16>
// CHECK: arith.extui %[[BITS]] : vector<8xi16> to vector<8xi32>
// CHECK: arith.shli
// CHECK: arith.mulf %{{.*}}, %{{.*}} : vector<8xf32>
// CHECK: vector.store %{{.*}} : memref<?xf32>, vector<8xf32>
// CHECK: scf.for %{{.*}} = %[[MIDDLE]] to %[[HI]] step %c1
// CHECK: memref.store %{{.*}} : memref<?xf32>
// WIDE-LABEL: func.func @ftc_double(
// WIDE: vector.store %{{.*}} : memref<?xf32>, vector<16xf32>
launch.kernel @double map [#launch.arg<read element memref<?xbf16>>,
                           #launch.arg<write element memref<?xf32>>] {
^bb0(%x: f32):
  %two = arith.constant 2.0 : f32
  %y = arith.mulf %x, %two : f32
  launch.yield %y : f32
}

// DOC-END
// A reduction runs in 32 lanes whatever the vectors are, so its bits are the same on all of them.
// CHECK-LABEL: func.func @ftc_sum(
// CHECK: scf.for %[[ROW:.*]] =
// CHECK: %[[PARTS:.*]]:4 = scf.for %{{.*}} = %c0 to %c96 step %c32 iter_args({{.*}}) -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>)
// CHECK: %[[A:.*]] = arith.addf %[[PARTS]]#0, %[[PARTS]]#2 : vector<8xf32>
// CHECK: %[[B:.*]] = arith.addf %[[PARTS]]#1, %[[PARTS]]#3 : vector<8xf32>
// CHECK: %[[C:.*]] = arith.addf %[[A]], %[[B]] : vector<8xf32>
// CHECK: vector.extract_strided_slice %[[C]] {offsets = [0], sizes = [4], strides = [1]}
// CHECK: scf.for %{{.*}} = %c96 to %c100 step %c1 iter_args
// CHECK: memref.store %{{.*}}[%[[ROW]]] : memref<?xf32>
// WIDE-LABEL: func.func @ftc_sum(
// WIDE: scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>)
launch.kernel @sum row_reduce [#launch.arg<read element memref<?x100xf32>>,
                               #launch.arg<write row memref<?xf32>>] {
^bb0(%x: f32):
  launch.yield %x : f32
}, {
^bb0(%s: f32):
  launch.yield %s : f32
}, {
^bb0(%x: f32, %s: f32):
  launch.yield %s : f32
}

// Sums of columns stay in scratch while the rows go by in order.
// CHECK-LABEL: func.func @ftc_columns(
// CHECK-SAME: index, %{{[^,]*}}: index, %[[SCRATCH:[^:]*]]: memref<f32> {llvm.noalias}, %{{[^,]*}}: !llvm.ptr {llvm.noalias})
// CHECK: %[[SUMS:.*]] = memref.reinterpret_cast %[[SCRATCH]] to offset: [0], sizes: [1024], strides: [1]
// CHECK: scf.for %{{.*}} = %c0 to %c9 step %c1
// CHECK: vector.load %[[SUMS]]
// CHECK: vector.store %{{.*}}, %[[SUMS]]
launch.kernel @columns col_reduce [#launch.arg<read element memref<9x40xf32>>,
                                   #launch.arg<write column memref<40xf32>>] {
^bb0(%x: f32):
  launch.yield %x : f32
}

// A product is the runtime's.
// CHECK-NOT: ftc_product
launch.kernel @product gemm [#launch.arg<read whole memref<4x4xf32>>,
                             #launch.arg<read whole memref<4x4xf32>>,
                             #launch.arg<write whole memref<4x4xf32>>]
