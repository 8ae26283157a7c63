// s a + s b becomes s (a + b), where nobody else reads the scaled values.
// RUN: tutorial-opt %s --tutorial-factor-scales | FileCheck %s
// RUN: tutorial-opt %s --tutorial-factor-scales | tutorial-opt | FileCheck %s
// RUN: tutorial-opt %s --tutorial-factor-scales=min-elements=33 | FileCheck %s --check-prefix=SMALL
// Running it again changes nothing but the report.
// RUN: tutorial-opt %s --tutorial-factor-scales --tutorial-factor-scales \
// RUN:   | FileCheck %s --check-prefixes=CHECK,AGAIN

// CHECK: {pass = "tutorial-factor-scales", remarks = ["factored 3 of 5 sums of two scales"], statistics = {{\[}}["factored", 3]]}
// AGAIN-SAME: remarks = ["factored 0 of 2 sums of two scales"]
// SMALL: remarks = ["factored 0 of 4 sums of two scales"]

// DOC: one
// CHECK-LABEL: func.func @one(
// CHECK-NEXT: %[[sum:.*]] = ft.add %{{.*}}, %{{.*}} : tensor<8x4xf32>
// CHECK-NEXT: %[[scaled:.*]] = ft.scale %[[sum]] by 2.000000e+00 : tensor<8x4xf32>
// CHECK-NEXT: return %[[scaled]]
func.func @one(%a: tensor<8x4xf32>, %b: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %0 = ft.scale %a by 2.0 : tensor<8x4xf32>
  %1 = ft.scale %b by 2.0 : tensor<8x4xf32>
  %2 = ft.add %0, %1 : tensor<8x4xf32>
  return %2 : tensor<8x4xf32>
}

// DOC-END
// Three terms are factored one after the other.
// CHECK-LABEL: func.func @three(
// CHECK-NEXT: ft.add
// CHECK-NEXT: ft.add
// CHECK-NEXT: ft.scale
// CHECK-NEXT: return
func.func @three(%a: tensor<8x4xf32>, %b: tensor<8x4xf32>, %c: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %0 = ft.scale %a by 2.0 : tensor<8x4xf32>
  %1 = ft.scale %b by 2.0 : tensor<8x4xf32>
  %2 = ft.scale %c by 2.0 : tensor<8x4xf32>
  %3 = ft.add %0, %1 : tensor<8x4xf32>
  %4 = ft.add %3, %2 : tensor<8x4xf32>
  return %4 : tensor<8x4xf32>
}

// Other factors, and a scaled value that is read elsewhere, stay.
// CHECK-LABEL: func.func @stay(
// CHECK-COUNT-4: ft.scale
func.func @stay(%a: tensor<8x4xf32>, %b: tensor<8x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) {
  %0 = ft.scale %a by 2.0 : tensor<8x4xf32>
  %1 = ft.scale %b by 3.0 : tensor<8x4xf32>
  %2 = ft.add %0, %1 : tensor<8x4xf32>
  %3 = ft.scale %a by 4.0 : tensor<8x4xf32>
  %4 = ft.scale %b by 4.0 : tensor<8x4xf32>
  %5 = ft.add %3, %4 : tensor<8x4xf32>
  return %2, %3, %5 : tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>
}
