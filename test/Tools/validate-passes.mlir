// ft-opt --validate-passes, in each way that passes come. lit gives the flag to every ft-opt; here ft-test
// has it by itself.
// RUN: rm -rf %t && split-file %s %t && cd %t

// A finding is one error at the first op that differs, no output, and exit status 1.
// RUN: not ft-test --validate-passes chain.mlir --canonicalize --test-change -o out.mlir 2>&1 | FileCheck %s --check-prefix=FLAG
// FLAG-NOT: {{error|warning|remark}}
// FLAG: chain.mlir:3:8: error: test-change changed what @chain computes: result 0 of @chain: element {{[0-9]+}} was {{[-.0-9e]+}} and is {{[-.0-9e]+}} (seed 1); first at model.layers.1.down (ft.linear in @chain): element {{[0-9]+}} was
// FLAG-NOT: {{error|warning|remark}}
// RUN: not ls out.mlir
// RUN: not ft-test --validate-passes chain.mlir --pass-pipeline="builtin.module(test-change)" 2>&1 | FileCheck %s --check-prefix=AGAIN
// RUN: cat chain.mlir reproducer.txt > reproducer.mlir
// RUN: not ft-test --validate-passes --run-reproducer reproducer.mlir 2>&1 | FileCheck %s --check-prefix=AGAIN
// AGAIN: error: test-change changed what @chain computes

// One module of several is at fault: the others are validated, too.
// RUN: not ft-test --validate-passes --validate-passes-report=split.txt split.mlir --split-input-file --test-change > split.out 2>&1
// RUN: FileCheck %s --check-prefix=SPLIT --input-file=split.txt
// RUN: FileCheck %s --check-prefix=SPLIT-ERROR --input-file=split.out
// SPLIT: agrees test-change
// SPLIT-NEXT: differs test-change
// SPLIT-NEXT: not-run test-change
// SPLIT-NEXT: nothing test-change
// SPLIT-NOT: {{.}}
// SPLIT-ERROR: error: test-change changed what @two computes
// SPLIT-ERROR: remark: test-change is not validated: @other holds arith.addf, which has no evaluation
// SPLIT-ERROR-NOT: {{.}}

// Nested pipelines are one pass.
// RUN: ft-test --validate-passes --validate-passes-report=nested.txt chain.mlir --pass-pipeline="builtin.module(func.func(canonicalize,cse),cse)" -o /dev/null
// RUN: FileCheck %s --check-prefix=NESTED --input-file=nested.txt
// NESTED: agrees func.func(canonicalize{{.*}},cse)
// NESTED-NEXT: agrees cse
// NESTED-NOT: {{.}}

// Under --verify-diagnostics a finding is an error that nobody expects, and nothing else is said.
// RUN: not ft-test --validate-passes chain.mlir --test-change --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=VERIFY
// VERIFY: error: unexpected error: test-change changed what @chain computes
// RUN: ft-test --validate-passes other.mlir --canonicalize --verify-diagnostics
// RUN: ft-test --validate-passes-limit=10 --validate-passes chain.mlir --canonicalize --verify-diagnostics

// Above the limit there is one warning for the module, however many passes.
// RUN: ft-test --validate-passes --validate-passes-limit=1e2 chain.mlir --canonicalize --cse --test-change -o /dev/null 2>&1 | FileCheck %s --check-prefix=LIMIT
// LIMIT: warning: canonicalize is not validated: a run of the module takes {{[0-9.]+}}e+02 operations and bytes, and the limit is 1.00e+02
// LIMIT-NOT: {{.}}

// Off, by the last that says so, and by default.
// RUN: ft-test --validate-passes --validate-passes=false chain.mlir --test-change -o /dev/null
// RUN: ft-test chain.mlir --test-change -o /dev/null

//--- chain.mlir
func.func @chain(%x: tensor<2x3xf32>, %w: tensor<3x3xf32>) -> tensor<2x3xf32> {
  %0 = ft.linear %x, %w site("model.layers.0.down") : tensor<2x3xf32>, tensor<3x3xf32>
  %1 = ft.linear %0, %w site("model.layers.1.down") : tensor<2x3xf32>, tensor<3x3xf32>
  %2 = ft.silu %1 : tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}

//--- reproducer.txt
{-#
  external_resources: {
    mlir_reproducer: {
      pipeline: "builtin.module(test-change)",
      disable_threading: true,
      verify_each: true
    }
  }
#-}

//--- other.mlir
func.func @other(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = arith.addf %x, %x : tensor<2xf32>
  return %0 : tensor<2xf32>
}

//--- split.mlir
func.func @one(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = ft.silu %x : tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
// -----
func.func @two(%x: tensor<2x3xf32>, %w: tensor<3x3xf32>) -> tensor<2x3xf32> {
  %0 = ft.linear %x, %w site("q") : tensor<2x3xf32>, tensor<3x3xf32>
  return %0 : tensor<2x3xf32>
}
// -----
func.func @other(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = arith.addf %x, %x : tensor<2xf32>
  return %0 : tensor<2xf32>
}
// -----
launch.entry @launches {
}
