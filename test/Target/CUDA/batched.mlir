// A batch takes its operands from tables; a kernel that is launched both ways is printed twice.
// RUN: ft-opt %s --launch-print-cuda-kernels -o /dev/null | FileCheck %s

// CHECK:      FTC_KERNEL(double, 256, float *__restrict__ u0, long long grid) {
// CHECK:      // 2 launches of update, the first at layers.*.q
// CHECK:      FTC_KERNEL(double_batched, 256, const ftc::BatchItem *batch, const long long *firstBlock,
// CHECK-NEXT:            long long count) {
// CHECK-NEXT:   const long long item = ftc::batchIndex(firstBlock, count, blockIdx.x);
// CHECK-NEXT:   const long long block = blockIdx.x - firstBlock[item];
// CHECK-NEXT:   const long long grid = batch[item].grid;
// CHECK-NEXT:   float *u0 = ftc::batchArgument<float>(batch[item], 0);
// CHECK-NEXT:   ftc::map<double_batched_body, 256>(block, grid, ftc::update(u0));
launch.kernel @double map [#launch.arg<readwrite element memref<?xf32>>] {
^bb0(%x: f32):
  %y = arith.addf %x, %x : f32
  launch.yield %y : f32
}
launch.entry @update {
  %x = launch.input "x" : memref<4xf32>
  %y = launch.input "y" : memref<8xf32>
  launch.launch @double site("layers.7.q") grid(12) batch(2) cost(1, 1) (%x, %y) : memref<4xf32>, memref<8xf32>
  launch.launch @double site("s") grid(4) cost(1, 1) (%x) : memref<4xf32>
}
