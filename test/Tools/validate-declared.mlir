// A pass that changes values on purpose says so, and is compared on inputs that carry the change.
// RUN: rm -f %t.txt
// RUN: ft-test --validate-passes --validate-passes-report=%t.txt %s --test-round -o %t.mlir
// RUN: FileCheck %s --input-file=%t.mlir
// RUN: FileCheck %s --check-prefix=AGREES --input-file=%t.txt
// AGREES: agrees test-round
// CHECK: ft.parameter @w : tensor<3x4xf32> role(base) storage(dense<bf16>)

// The same change without a word is found.
// RUN: not ft-test --validate-passes %s --test-round=silent 2>&1 | FileCheck %s --check-prefix=SILENT
// SILENT: error: test-round changed what @product computes: result 0 of @product: element

// Declared, but not all that it does: a change besides the declared one is found, behind an honest pass.
// RUN: not ft-test --validate-passes %s --test-round=scales 2>&1 | FileCheck %s --check-prefix=SCALES
// SCALES: error: test-round changed what @product computes: {{.*}}; first at q (ft.linear in @product): element

// Behind the pass, what it left is what counts.
// RUN: not ft-test --validate-passes %s --test-round --canonicalize --test-change 2>&1 | FileCheck %s --check-prefix=BEHIND
// BEHIND: error: test-change changed what @product computes
ft.parameter @w : tensor<3x4xf32> role(base) storage(dense<f32>) init("file")
func.func @product(%x: tensor<2x4xf32>) -> tensor<2x3xf32> {
  %w = ft.read @w : tensor<3x4xf32>
  %0 = ft.linear %x, %w site("q") : tensor<2x4xf32>, tensor<3x4xf32>
  return %0 : tensor<2x3xf32>
}
