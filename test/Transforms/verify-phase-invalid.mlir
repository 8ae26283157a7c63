// What a phase promises, broken. One phase a run, on the modules meant for it.
// RUN: split-file %s %t
// RUN: ft-opt %t/unknown.mlir --ft-verify-phase=phase=later --verify-diagnostics
// RUN: ft-opt %t/forward.mlir --ft-verify-phase=phase=forward --split-input-file --verify-diagnostics
// RUN: ft-opt %t/bypasses.mlir --ft-verify-phase=phase=bypasses --verify-diagnostics
// RUN: ft-opt %t/lowered.mlir --ft-verify-phase=phase=lowered --verify-diagnostics
// RUN: ft-opt %t/backward.mlir --ft-verify-phase=phase=backward --verify-diagnostics
// RUN: ft-opt %t/precision.mlir --ft-verify-phase=phase=precision --verify-diagnostics
// RUN: ft-opt %t/precision.mlir --ft-verify-phase=phase=backward
// RUN: ft-opt %t/narrow-kernels.mlir --ft-verify-phase=phase=kernels --verify-diagnostics
// RUN: ft-opt %t/kernels.mlir --ft-verify-phase=phase=kernels --verify-diagnostics

//--- unknown.mlir
// expected-error@+1 {{unknown phase 'later'; expected forward, bypasses, lowered, backward, precision, kernels}}
module attributes {ft.tokens = 8 : i64} {
}
//--- forward.mlir
// expected-error@+2 {{has no attribute ft.tokens (tokens of a step)}}
// expected-error@+1 {{has no function @forward}}
module {
}
// -----
// The number of tokens is an integer.
// expected-error@+1 {{has no attribute ft.tokens (tokens of a step)}}
module attributes {ft.tokens = "8"} {
  func.func private @forward() -> tensor<f32>
}
//--- bypasses.mlir
// DOC: ft-verify-phase
module attributes {ft.tokens = 8 : i64} {
  // expected-error@+1 {{'ft.adapter' op is left behind phase 'bypasses': run ft-attach-adapters}}
  ft.adapter "lora" site("q") prefix("") {}
  // expected-error@+1 {{'ft.adapter' op is left behind phase 'bypasses': run ft-attach-adapters}}
  ft.adapter "lora" site("v") prefix("") {}
  func.func private @forward() -> tensor<f32>
}
// DOC-END
//--- lowered.mlir
module attributes {ft.tokens = 8 : i64} {
  func.func @forward(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
    // expected-error@+1 {{'ft.bypass' op is left behind phase 'lowered': run ft-lower-bypasses}}
    %0 = ft.bypass "mine" site("q") taps(%x : tensor<8x4xf32>) joins(%x : tensor<8x4xf32>) by add {
    ^bb0(%tap: tensor<8x4xf32>):
      ft.yield %tap : tensor<8x4xf32>
    }
    return %0 : tensor<8x4xf32>
  }
}
//--- backward.mlir
// expected-error@+1 {{still has function @forward}}
module attributes {ft.tokens = 8 : i64} {
  func.func private @forward() -> tensor<f32>
}
//--- precision.mlir
// With a compute dtype hidden states are in it, and a product's factors are in one dtype: as a
// parameter is stored, not as its value is typed.
module attributes {ft.tokens = 8 : i64, ft.compute = bf16} {
  ft.parameter @wide : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
  ft.parameter @narrow : tensor<4x4xf32> role(base) storage(dense<bf16>) init("file")
  func.func @train_step(%ids: tensor<8xi32>, %x: tensor<8x4xbf16>) {
    %w = ft.read @wide : tensor<4x4xf32>
    %n = ft.read @narrow : tensor<4x4xf32>
    // expected-error@+1 {{'ft.embedding' op is left behind phase 'precision': hidden states must be in the compute dtype; run ft-lower-precision}}
    %0 = ft.embedding %ids, %w site("e") : tensor<8xi32>, tensor<4x4xf32>
    %1 = ft.linear %x, %n site("q") : tensor<8x4xbf16>, tensor<4x4xf32>
    // expected-error@+1 {{'ft.linear' op is left behind phase 'precision': a product's factors must be in one dtype; run ft-lower-precision}}
    %2 = ft.linear %x, %w site("k") : tensor<8x4xbf16>, tensor<4x4xf32>
    // expected-error@+1 {{'ft.matmul' op is left behind phase 'precision': a product's factors must be in one dtype; run ft-lower-precision}}
    %3 = ft.matmul %0, %x transpose_lhs site("v") : tensor<8x4xf32>, tensor<8x4xbf16>
    return
  }
}
//--- narrow-kernels.mlir
// What a kernel reads is what lies outside of it.
module attributes {ft.tokens = 8 : i64, ft.compute = bf16} {
  ft.parameter @wide : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
  ft.parameter @narrow : tensor<4x4xf32> role(base) storage(dense<bf16>) init("file")
  func.func @train_step(%x: tensor<8x4xbf16>) -> (tensor<8x4xbf16>, tensor<8x4xbf16>) {
    %w = ft.read @wide : tensor<4x4xf32>
    %n = ft.read @narrow : tensor<4x4xf32>
    %1 = ft.kernel gemm site("q") (%a = %x : tensor<8x4xbf16>, %b = %n : tensor<4x4xf32>) -> (tensor<8x4xbf16>) {
      %q = ft.linear %a, %b site("q") : tensor<8x4xbf16>, tensor<4x4xf32>
      ft.yield %q : tensor<8x4xbf16>
    }
    %2 = ft.kernel gemm site("k") (%a = %x : tensor<8x4xbf16>, %b = %w : tensor<4x4xf32>) -> (tensor<8x4xbf16>) {
      // expected-error@+1 {{'ft.linear' op is left behind phase 'kernels': a product's factors must be in one dtype; run ft-lower-precision}}
      %q = ft.linear %a, %b site("k") : tensor<8x4xbf16>, tensor<4x4xf32>
      ft.yield %q : tensor<8x4xbf16>
    }
    return %1, %2 : tensor<8x4xbf16>, tensor<8x4xbf16>
  }
}
//--- kernels.mlir
module attributes {ft.tokens = 8 : i64} {
  func.func @train_step(%x: tensor<8x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
    // expected-error@+1 {{'ft.silu' op is left behind phase 'kernels': every value op must be inside a kernel; run ft-form-kernels}}
    %0 = ft.silu %x : tensor<8x4xf32>
    %1 = ft.kernel map site("s") (%a = %x : tensor<8x4xf32>) -> (tensor<8x4xf32>) {
      %s = ft.silu %a : tensor<8x4xf32>
      ft.yield %s : tensor<8x4xf32>
    }
    return %0, %1 : tensor<8x4xf32>, tensor<8x4xf32>
  }
}
