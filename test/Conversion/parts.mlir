// Parts of matrices and their signs as kernels and launches: columns are one family, rows a view, packed
// signs have 32 columns to a word, and a gradient is masked in place where it dies.
// RUN: ft-opt %s --ft-form-kernels --convert-ft-to-launch > %t
// RUN: FileCheck %s < %t
// RUN: ft-opt %s --ft-form-kernels | FileCheck %s --check-prefix=KERNELS

ft.parameter @x : tensor<4x40xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @rows : tensor<2x40xf32> role(base) storage(dense<bf16>) init("file")
ft.parameter @part : tensor<4x8xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @below : tensor<6x40xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @beside : tensor<4x48xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @some : tensor<2x40xf32> role(accumulator) storage(dense<f32>) init("zeros")

// KERNELS-LABEL: func.func @update(
// KERNELS: ft.kernel map
// KERNELS: ft.kernel slice site("a")
// KERNELS: ft.kernel slice site("b")
// KERNELS: ft.kernel concat site("c")
// KERNELS: ft.kernel concat site("d")
// KERNELS: ft.kernel sign_bits site("e")
// KERNELS: ft.kernel masked site("f")

// CHECK-DAG: launch.kernel @columns columns [#launch.arg<read element memref<?x40xf32>>, #launch.arg<write element memref<?x8xf32>>] params {first = 32 : i64}
// CHECK-DAG: launch.kernel @sign_bits sign_bits [#launch.arg<read element memref<?x40xf32>>, #launch.arg<write element memref<?x2xi32>>]
// CHECK-DAG: launch.kernel @masked masked [#launch.arg<readwrite element memref<?x40xf32>>, #launch.arg<read element memref<?x2xi32>>]

// CHECK-LABEL: launch.entry @update
// CHECK: launch.launch @map_relu {{.*}} (%[[y:x]]) :
// CHECK: launch.launch @columns site("a") grid(4) cost(0, {{[0-9]+}}) (%[[y]], %part)
// Rows of a matrix are a view of it.
// CHECK: %[[last:.*]] = launch.view %[[y]][80] : memref<4x40xf32> -> memref<2x40xf32>
// CHECK: launch.launch @columns_{{.}} site("b") grid(2) {{.*}} (%[[last]], %some)
// CHECK: %[[above:.*]] = launch.view %below[0] : memref<6x40xf32> -> memref<4x40xf32>
// CHECK: launch.launch @columns_{{.}} site("c") grid(4) {{.*}} (%[[y]], %[[above]])
// CHECK: %[[under:.*]] = launch.view %below[160] : memref<6x40xf32> -> memref<2x40xf32>
// CHECK: launch.launch @columns_{{.}} site("c") grid(2) {{.*}} (%rows, %[[under]]) : memref<2x40xbf16>, memref<2x40xf32>
// CHECK: launch.launch @columns_{{.}} site("d") grid(4) {{.*}} (%[[y]], %{{.*}}, %beside) : memref<4x40xf32>, memref<4x8xf32>, memref<4x48xf32>
// CHECK: launch.launch @sign_bits site("e") grid(4) cost(160, 672) (%[[y]], %[[bits:.*]]) : memref<4x40xf32>, memref<4x2xi32>
// CHECK: launch.launch @masked site("f") grid(4) {{.*}} (%[[y]], %[[bits]]) : memref<4x40xf32>, memref<4x2xi32>
func.func @update(%run: !ft.run) {
  %x = ft.read @x : tensor<4x40xf32>
  %r = ft.read @rows : tensor<2x40xf32>
  %y = ft.relu %x : tensor<4x40xf32>
  %a = ft.slice %y along 1 from 32 site("a") : tensor<4x40xf32> -> tensor<4x8xf32>
  %b = ft.slice %y along 0 from 2 site("b") : tensor<4x40xf32> -> tensor<2x40xf32>
  %c = ft.concat %y, %r along 0 site("c") : (tensor<4x40xf32>, tensor<2x40xf32>) -> tensor<6x40xf32>
  %d = ft.concat %y, %a along 1 site("d") : (tensor<4x40xf32>, tensor<4x8xf32>) -> tensor<4x48xf32>
  %e = ft.sign_bits %y site("e") : tensor<4x40xf32> -> tensor<4x2xi32>
  %f = ft.masked %y, %e site("f") : tensor<4x40xf32>, tensor<4x2xi32>
  ft.commit @x, %f : tensor<4x40xf32>
  ft.commit @part, %a : tensor<4x8xf32>
  ft.commit @some, %b : tensor<2x40xf32>
  ft.commit @below, %c : tensor<6x40xf32>
  ft.commit @beside, %d : tensor<4x48xf32>
  return
}
