// Every ft-opt of lit runs with --validate-passes, and that is not empty: passes over functions are
// evaluated. How many were in a run of lit: sort build/test/validated-passes.txt | uniq -c
// RUN: echo ft-opt | FileCheck %s --check-prefix=COMMAND
// COMMAND: ft-opt{{( --verify-roundtrip)?}} --validate-passes --validate-passes-report={{.*}}validated-passes.txt
// RUN: rm -f %t.txt && ft-opt %s --ft-form-kernels --canonicalize --validate-passes-report=%t.txt -o /dev/null
// RUN: FileCheck %s --input-file=%t.txt
// CHECK: {{^}}agrees ft-form-kernels{{$}}
// CHECK-NEXT: {{^}}agrees canonicalize{{$}}
func.func @silu(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = ft.silu %x : tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
