// What ft-lower-precision refuses.
// RUN: split-file %s %t
// RUN: ft-opt %t/module.mlir --ft-lower-precision --split-input-file --verify-diagnostics
// RUN: ft-opt %t/option.mlir --ft-lower-precision=compute-dtype=f16 --verify-diagnostics

//--- option.mlir
// expected-error@+1 {{cannot compute in 'f16'; expected f32 or bf16}}
module {
}
//--- module.mlir
// expected-error@+1 {{has ft.compute = f16; expected f32 or bf16}}
module attributes {ft.compute = f16} {
}
// -----
// expected-error@+1 {{has ft.compute = "bf16"; expected f32 or bf16}}
module attributes {ft.compute = "bf16"} {
}
// -----
module attributes {ft.compute = bf16} {
  ft.parameter @w : tensor<4x8xf32> role(trainable) storage(dense<f32>) init("file")
  // expected-error@+1 {{has the name that the shadow of @w needs}}
  ft.parameter @w.shadow : tensor<4x8xf32> role(trainable) storage(dense<f32>) init("file")
  func.func @f(%ids: tensor<6xi32>) -> tensor<6x8xf32> {
    %w = ft.read @w : tensor<4x8xf32>
    %0 = ft.embedding %ids, %w site("embed") : tensor<6xi32>, tensor<4x8xf32>
    return %0 : tensor<6x8xf32>
  }
}
