// Bypass regions move in front of their bypass; the join becomes an op.
// RUN: ft-opt %s --ft-lower-bypasses | FileCheck %s
// RUN: ft-opt %s --ft-lower-bypasses | ft-opt | FileCheck %s
// RUN: ft-opt %s --ft-lower-bypasses --ft-lower-bypasses | FileCheck %s
// Canonicalization takes LoRA's scaling into the product, so that it costs nothing.
// RUN: ft-opt %s --ft-lower-bypasses --canonicalize | FileCheck %s --check-prefix=SCALED

// CHECK: module attributes
// CHECK-SAME: {pass = "ft-lower-bypasses", remarks = ["inlined 8 ops of 5 bypasses"], statistics = {{\[}}["bypasses", 5], ["joined_by_add", 2], ["joined_by_multiply", 2], ["joined_by_replace", 1], ["ops_inlined", 8]]}

ft.parameter @A : tensor<2x4xf32> role(trainable) storage(dense<f32>) init("kaiming_uniform")
ft.parameter @B : tensor<4x2xf32> role(trainable) storage(dense<f32>) init("zeros")

// DOC: ft-lower-bypasses
// CHECK-LABEL: func.func @add(
// CHECK-SAME: %[[x:.*]]: tensor<3x4xf32>, %[[y:.*]]: tensor<3x4xf32>)
// SCALED-LABEL: func.func @add(
func.func @add(%x: tensor<3x4xf32>, %y: tensor<3x4xf32>) -> tensor<3x4xf32> {
  // CHECK-NEXT: %[[A:.*]] = ft.read @A
  // CHECK-NEXT: %[[B:.*]] = ft.read @B
  // CHECK-NEXT: %[[down:.*]] = ft.linear %[[x]], %[[A]] site("q.lora_A")
  // CHECK-NEXT: %[[up:.*]] = ft.linear %[[down]], %[[B]] site("q.lora_B")
  // CHECK-NEXT: %[[scaled:.*]] = ft.scale %[[up]] by 2.000000e+00
  // CHECK-NEXT: %[[sum:.*]] = ft.add %[[y]], %[[scaled]] : tensor<3x4xf32>
  // CHECK-NEXT: return %[[sum]]
  // SCALED: %[[up:.*]] = ft.linear %{{.*}}, %{{.*}} site("q.lora_B") scaled 2.000000e+00
  // SCALED-NEXT: %[[sum:.*]] = ft.add %{{.*}}, %[[up]]
  // SCALED-NEXT: return %[[sum]]
  %0 = ft.bypass "lora" site("q") taps(%x : tensor<3x4xf32>) joins(%y : tensor<3x4xf32>) by add {
  ^bb0(%tap: tensor<3x4xf32>):
    %a = ft.read @A : tensor<2x4xf32>
    %b = ft.read @B : tensor<4x2xf32>
    %d = ft.linear %tap, %a site("q.lora_A") : tensor<3x4xf32>, tensor<2x4xf32>
    %u = ft.linear %d, %b site("q.lora_B") : tensor<3x2xf32>, tensor<4x2xf32>
    %s = ft.scale %u by 2.0 : tensor<3x4xf32>
    ft.yield %s : tensor<3x4xf32>
  }
  return %0 : tensor<3x4xf32>
}

// DOC-END
// CHECK-LABEL: func.func @multiply(
// CHECK-SAME: %[[y:.*]]: tensor<3x4xf32>)
func.func @multiply(%y: tensor<3x4xf32>) -> tensor<3x4xf32> {
  // CHECK-NEXT: %[[c:.*]] = ft.constant 5.000000e-01 : tensor<3x4xf32>
  // CHECK-NEXT: %[[product:.*]] = ft.mul %[[y]], %[[c]] : tensor<3x4xf32>
  // CHECK-NEXT: return %[[product]]
  %0 = ft.bypass "ia3" site("k") joins(%y : tensor<3x4xf32>) by multiply {
    %c = ft.constant 0.5 : tensor<3x4xf32>
    ft.yield %c : tensor<3x4xf32>
  }
  return %0 : tensor<3x4xf32>
}

// CHECK-LABEL: func.func @replace(
// CHECK-SAME: %[[y:.*]]: tensor<3x4xf32>)
func.func @replace(%y: tensor<3x4xf32>) -> tensor<3x4xf32> {
  // CHECK-NEXT: %[[silu:.*]] = ft.silu %[[y]]
  // CHECK-NEXT: return %[[silu]]
  %0 = ft.bypass "mine" site("k") taps(%y : tensor<3x4xf32>) joins(%y : tensor<3x4xf32>) by replace {
  ^bb0(%tap: tensor<3x4xf32>):
    %s = ft.silu %tap : tensor<3x4xf32>
    ft.yield %s : tensor<3x4xf32>
  }
  return %0 : tensor<3x4xf32>
}

// A region may yield a tap as it is; bypasses stack.
// CHECK-LABEL: func.func @tap_and_stack(
// CHECK-SAME: %[[x:.*]]: tensor<3x4xf32>, %[[y:.*]]: tensor<3x4xf32>)
func.func @tap_and_stack(%x: tensor<3x4xf32>, %y: tensor<3x4xf32>) -> tensor<3x4xf32> {
  // CHECK-NEXT: %[[sum:.*]] = ft.add %[[y]], %[[x]]
  // CHECK-NEXT: %[[silu:.*]] = ft.silu %[[sum]]
  // CHECK-NEXT: %[[product:.*]] = ft.mul %[[sum]], %[[silu]]
  // CHECK-NEXT: return %[[product]]
  %0 = ft.bypass "mine" site("q") taps(%x : tensor<3x4xf32>) joins(%y : tensor<3x4xf32>) by add {
  ^bb0(%tap: tensor<3x4xf32>):
    ft.yield %tap : tensor<3x4xf32>
  }
  %1 = ft.bypass "mine" site("q") taps(%0 : tensor<3x4xf32>) joins(%0 : tensor<3x4xf32>) by multiply {
  ^bb0(%tap: tensor<3x4xf32>):
    %s = ft.silu %tap : tensor<3x4xf32>
    ft.yield %s : tensor<3x4xf32>
  }
  return %1 : tensor<3x4xf32>
}
