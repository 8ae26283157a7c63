// Scales of 1 go, scales merge, and products take scales in, on both sides.
// RUN: ft-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @scale_by_one(
// CHECK-SAME: %[[x:.*]]: tensor<2x3xf32>)
func.func @scale_by_one(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: return %[[x]]
  %0 = ft.scale %x by 1.0 : tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @scale_of_scale(
// CHECK-SAME: %[[x:.*]]: tensor<2x3xf32>)
func.func @scale_of_scale(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  // CHECK-DAG: %[[a:.*]] = ft.scale %[[x]] by 2.000000e+00 : tensor<2x3xf32>
  // CHECK-DAG: %[[b:.*]] = ft.scale %[[x]] by 6.000000e+00 : tensor<2x3xf32>
  // CHECK: return %[[a]], %[[b]]
  %0 = ft.scale %x by 2.0 : tensor<2x3xf32>
  %1 = ft.scale %0 by 3.0 : tensor<2x3xf32>
  return %0, %1 : tensor<2x3xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: func.func @scale_of_inverse(
// CHECK-SAME: %[[x:.*]]: tensor<2x3xf32>)
func.func @scale_of_inverse(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // CHECK-NEXT: return %[[x]]
  %0 = ft.scale %x by 2.0 : tensor<2x3xf32>
  %1 = ft.scale %0 by 0.5 : tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @linear_takes_scale(
// CHECK-SAME: %[[x:.*]]: tensor<2x3xf32>, %[[w:.*]]: tensor<4x3xf32>)
func.func @linear_takes_scale(%x: tensor<2x3xf32>, %w: tensor<4x3xf32>) -> tensor<2x4xf32> {
  // CHECK-NEXT: %L0_q_proj_lora_B = ft.linear %[[x]], %[[w]] site("model.layers.0.self_attn.q_proj.lora_B") scaled 3.000000e+00 : tensor<2x3xf32>, tensor<4x3xf32>
  // CHECK-NEXT: return %L0_q_proj_lora_B
  %0 = ft.linear %x, %w site("model.layers.0.self_attn.q_proj.lora_B") scaled 1.5 : tensor<2x3xf32>, tensor<4x3xf32>
  %1 = ft.scale %0 by 2.0 : tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}

// A product that is read elsewhere too stays as it is.
// CHECK-LABEL: func.func @linear_keeps_other_readers(
func.func @linear_keeps_other_readers(%x: tensor<2x3xf32>, %w: tensor<4x3xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  // CHECK-NEXT: %[[y:.*]] = ft.linear %{{.*}}, %{{.*}} site("q") : tensor<2x3xf32>, tensor<4x3xf32>
  // CHECK-NEXT: %[[s:.*]] = ft.scale %[[y]] by 2.000000e+00 : tensor<2x4xf32>
  // CHECK-NEXT: return %[[y]], %[[s]]
  %0 = ft.linear %x, %w site("q") : tensor<2x3xf32>, tensor<4x3xf32>
  %1 = ft.scale %0 by 2.0 : tensor<2x4xf32>
  return %0, %1 : tensor<2x4xf32>, tensor<2x4xf32>
}

// CHECK-LABEL: func.func @matmul_takes_scale(
// CHECK-SAME: %[[x:.*]]: tensor<3x2xf32>, %[[w:.*]]: tensor<4x3xf32>)
func.func @matmul_takes_scale(%x: tensor<3x2xf32>, %w: tensor<4x3xf32>) -> tensor<2x4xf32> {
  // CHECK-NEXT: %[[y:.*]] = ft.matmul %[[x]], %[[w]] transpose_lhs transpose_rhs site("q") scaled 2.000000e+00 : tensor<3x2xf32>, tensor<4x3xf32>
  // CHECK-NEXT: return %[[y]]
  %0 = ft.matmul %x, %w transpose_lhs transpose_rhs site("q") : tensor<3x2xf32>, tensor<4x3xf32>
  %1 = ft.scale %0 by 2.0 : tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}

// The gradient of a scale reaches both gradients of the product below it.
// CHECK-LABEL: func.func @matmul_takes_scales_of_operands(
// CHECK-SAME: %[[x:.*]]: tensor<2x3xf32>, %[[w:.*]]: tensor<3x4xf32>)
func.func @matmul_takes_scales_of_operands(%x: tensor<2x3xf32>, %w: tensor<3x4xf32>) -> (tensor<2x4xf32>, tensor<3x3xf32>) {
  // CHECK-NEXT: %[[a:.*]] = ft.matmul %[[x]], %[[w]] site("a") scaled 3.000000e+01 : tensor<2x3xf32>, tensor<3x4xf32>
  // CHECK-NEXT: %[[b:.*]] = ft.matmul %[[x]], %[[x]] transpose_lhs site("b") scaled 4.000000e+00 : tensor<2x3xf32>, tensor<2x3xf32>
  // CHECK-NEXT: return %[[a]], %[[b]]
  %sx = ft.scale %x by 2.0 : tensor<2x3xf32>
  %sw = ft.scale %w by 3.0 : tensor<3x4xf32>
  %0 = ft.matmul %sx, %sw site("a") scaled 5.0 : tensor<2x3xf32>, tensor<3x4xf32>
  %1 = ft.matmul %sx, %sx transpose_lhs site("b") : tensor<2x3xf32>, tensor<2x3xf32>
  return %0, %1 : tensor<2x4xf32>, tensor<3x3xf32>
}

// Reads are pure, and what nobody uses goes.
ft.parameter @p : tensor<2xf32> role(base) storage(dense<f32>) init("file")
// CHECK-LABEL: func.func @unused(
func.func @unused(%x: tensor<2x3xf32>) {
  // CHECK-NEXT: return
  %0 = ft.read @p : tensor<2xf32>
  %1 = ft.silu %x : tensor<2x3xf32>
  %2 = ft.bypass "lora" site("q") taps(%x : tensor<2x3xf32>) joins(%1 : tensor<2x3xf32>) by add {
  ^bb0(%t: tensor<2x3xf32>):
    ft.yield %t : tensor<2x3xf32>
  }
  %3 = ft.kernel map site("k") (%a = %x : tensor<2x3xf32>) -> (tensor<2x3xf32>) {
    %b = ft.silu %a : tensor<2x3xf32>
    ft.yield %b : tensor<2x3xf32>
  }
  return
}

// Commits and the boundary stay.
// CHECK-LABEL: func.func @effects(
func.func @effects(%x: tensor<2xf32>) {
  // CHECK-NEXT: ft.boundary
  // CHECK-NEXT: ft.commit @p
  ft.boundary
  ft.commit @p, %x : tensor<2xf32>
  return
}

// A cast to the same type goes; one through a narrower type rounds.
// CHECK-LABEL: func.func @casts(
// CHECK-SAME: %[[x:.*]]: tensor<2x3xf32>)
func.func @casts(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  // CHECK-NEXT: %[[n:.*]] = ft.cast %[[x]] : tensor<2x3xf32> to tensor<2x3xbf16>
  // CHECK-NEXT: %[[w:.*]] = ft.cast %[[n]] : tensor<2x3xbf16> to tensor<2x3xf32>
  // CHECK-NEXT: return %[[x]], %[[w]]
  %0 = ft.cast %x : tensor<2x3xf32> to tensor<2x3xf32>
  %1 = ft.cast %x : tensor<2x3xf32> to tensor<2x3xbf16>
  %2 = ft.cast %1 : tensor<2x3xbf16> to tensor<2x3xf32>
  return %0, %2 : tensor<2x3xf32>, tensor<2x3xf32>
}

// A product that takes a scale in keeps its result's type.
// CHECK-LABEL: func.func @scaled_product(
func.func @scaled_product(%x: tensor<4x2xbf16>, %y: tensor<4x3xbf16>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  // CHECK-DAG: ft.matmul %{{.*}} transpose_lhs site("w") scaled 2.000000e+00 to f32
  // CHECK-DAG: ft.matmul %{{.*}} transpose_lhs site("v") scaled 3.000000e+00 to f32
  %0 = ft.matmul %x, %y transpose_lhs site("w") to f32 : tensor<4x2xbf16>, tensor<4x3xbf16>
  %1 = ft.scale %0 by 2.0 : tensor<2x3xf32>
  %2 = ft.scale %x by 3.0 : tensor<4x2xbf16>
  %3 = ft.matmul %2, %y transpose_lhs site("v") to f32 : tensor<4x2xbf16>, tensor<4x3xbf16>
  return %1, %3 : tensor<2x3xf32>, tensor<2x3xf32>
}

// All of a matrix is the matrix, one matrix put together is itself, and a slice of what was put together
// is what went in.
// CHECK-LABEL: func.func @parts(
// CHECK-SAME: %[[x:.*]]: tensor<4x2xf32>, %[[y:.*]]: tensor<4x3xf32>)
func.func @parts(%x: tensor<4x2xf32>, %y: tensor<4x3xf32>)
    -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x3xf32>, tensor<4x2xf32>) {
  // CHECK-NEXT: %[[both:.*]] = ft.concat %[[x]], %[[y]] along 1
  // CHECK-NEXT: %[[other:.*]] = ft.slice %[[both]] along 1 from 1
  // CHECK-NEXT: return %[[x]], %[[x]], %[[y]], %[[other]]
  %0 = ft.slice %x along 0 from 0 site("s") : tensor<4x2xf32> -> tensor<4x2xf32>
  %1 = ft.concat %x along 0 site("s") : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %2 = ft.concat %x, %y along 1 site("s") : (tensor<4x2xf32>, tensor<4x3xf32>) -> tensor<4x5xf32>
  %3 = ft.slice %2 along 1 from 2 site("s") : tensor<4x5xf32> -> tensor<4x3xf32>
  %4 = ft.slice %2 along 1 from 1 site("s") : tensor<4x5xf32> -> tensor<4x2xf32>
  return %0, %1, %3, %4 : tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x3xf32>, tensor<4x2xf32>
}
