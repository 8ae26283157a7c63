// Every scalar op, with no more parentheses than C++ needs; literals read back as the same float.
// RUN: ft-opt %s --launch-print-cuda-kernels -o /dev/null | FileCheck %s

// CHECK-LABEL: struct arithmetic_body
// CHECK:         out[0] = in[0] - (in[1] - in[0]);
// CHECK-NEXT:    out[1] = in[0] - in[1] - in[0];
// CHECK-NEXT:    out[2] = ftc::divide(in[0], in[1] * in[0]);
// CHECK-NEXT:    out[3] = (in[0] + in[1]) * in[0];
// CHECK-NEXT:    out[4] = -(in[0] + in[1]);
launch.kernel @arithmetic map [#launch.arg<readwrite element memref<?xf32>>, #launch.arg<readwrite element memref<?xf32>>,
    #launch.arg<write element memref<?xf32>>, #launch.arg<write element memref<?xf32>>, #launch.arg<write element memref<?xf32>>] {
^bb0(%a: f32, %b: f32):
  %0 = arith.subf %b, %a : f32
  %1 = arith.subf %a, %0 : f32
  %2 = arith.subf %a, %b : f32
  %3 = arith.subf %2, %a : f32
  %4 = arith.mulf %b, %a : f32
  %5 = arith.divf %a, %4 : f32
  %6 = arith.addf %a, %b : f32
  %7 = arith.mulf %6, %a : f32
  %8 = arith.addf %a, %b : f32
  %9 = arith.negf %8 : f32
  launch.yield %1, %3, %5, %7, %9 : f32, f32, f32, f32, f32
}

// CHECK-LABEL: struct functions_body
// CHECK:         out[0] = ftc::maximum(ftc::exp(in[0]), ftc::log(in[0]));
// CHECK-NEXT:    out[1] = ftc::minimum(ftc::sqrt(in[0]), ftc::tanh(in[0]));
// CHECK-NEXT:    out[2] = ftc::fma(ftc::sin(in[0]), ftc::cos(in[0]), ftc::abs(in[0]));
// CHECK-NEXT:    out[3] = in[0] > 0.5f ? in[0] : -0.1f;
// CHECK-NEXT:    out[4] = ftc::maxnum(ftc::minnum(in[0], 1e-30f), ftc::infinity());
launch.kernel @functions map [#launch.arg<readwrite element memref<?xf32>>, #launch.arg<write element memref<?xf32>>,
    #launch.arg<write element memref<?xf32>>, #launch.arg<write element memref<?xf32>>, #launch.arg<write element memref<?xf32>>] {
^bb0(%a: f32):
  %0 = math.exp %a : f32
  %1 = math.log %a : f32
  %2 = arith.maximumf %0, %1 : f32
  %3 = math.sqrt %a : f32
  %4 = math.tanh %a : f32
  %5 = arith.minimumf %3, %4 : f32
  %6 = math.sin %a : f32
  %7 = math.cos %a : f32
  %8 = math.absf %a : f32
  %9 = math.fma %6, %7, %8 : f32
  %half = arith.constant 0.5 : f32
  %minus = arith.constant -0.1 : f32
  %10 = arith.cmpf ogt, %a, %half : f32
  %11 = arith.select %10, %a, %minus : f32
  %tiny = arith.constant 1.0e-30 : f32
  %inf = arith.constant 0x7F800000 : f32
  %12 = arith.minnumf %a, %tiny : f32
  %13 = arith.maxnumf %12, %inf : f32
  launch.yield %2, %5, %9, %11, %13 : f32, f32, f32, f32, f32
}
