// What tutorial.softcap refuses.
// RUN: tutorial-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{'tutorial.softcap' op has cap 0.000000e+00; expected a positive number}}
  %y = tutorial.softcap %x cap 0.0 : tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<4xi32>) {
  // expected-error @+1 {{operand #0 must be static float tensor of 1 to 2^40 elements, but got 'tensor<4xi32>'}}
  %y = tutorial.softcap %x cap 1.0 : tensor<4xi32>
  return
}
