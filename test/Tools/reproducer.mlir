// A pass that crashes or fails ends ftc with one error that names it, and leaves what runs it again.
// ASan has a crash's signal for itself.
// UNSUPPORTED: sanitizers
// RUN: rm -rf %t && mkdir %t && cd %t
// RUN: not ft-test --as-ftc "builtin.module(canonicalize,test-crash,cse)" %s step.ftp 2> error.txt
// RUN: FileCheck %s --input-file=error.txt
// CHECK: error: ftc compile: test-crash crashed; that is a fault of ftc, whatever its input was
// CHECK-NEXT: note: what the passes began with is in step.ftp.reproducer.mlir; to run them on it again:
// CHECK-NEXT: note: ft-opt --run-reproducer step.ftp.reproducer.mlir
// CHECK-NOT: {{.}}

// Nothing else is left, and the reproducer crashes again: not a status of ours.
// RUN: ls | FileCheck %s --check-prefix=LEFT
// LEFT: error.txt
// LEFT-NEXT: step.ftp.reproducer.mlir
// LEFT-NOT: {{.}}
// RUN: not --crash ft-test --run-reproducer step.ftp.reproducer.mlir

// The module is as it was before the first pass.
// RUN: FileCheck %s --check-prefix=IR --input-file=step.ftp.reproducer.mlir
// IR-NOT: test.half_done
// IR: func.func @silu
// IR: pipeline: "builtin.module(canonicalize{{.*}}, test-crash, cse)"

// MLIR makes of it one of the pass alone.
// RUN: not ft-test --run-reproducer step.ftp.reproducer.mlir --mlir-disable-threading \
// RUN:   --mlir-pass-pipeline-crash-reproducer=local.mlir --mlir-pass-pipeline-local-reproducer
// RUN: FileCheck %s --check-prefix=LOCAL --input-file=local.mlir
// LOCAL: pipeline: "builtin.module(test-crash)"

// A pass that fails.
// RUN: not ft-test --as-ftc "builtin.module(canonicalize,test-fail)" %s fails.ftp 2>&1 | FileCheck %s --check-prefix=FAIL
// FAIL: error: ft-test: a pass failed (in test-fail)
// FAIL-NEXT: note: what the passes began with is in fails.ftp.reproducer.mlir; to run them on it again:
// FAIL-NEXT: note: ft-opt --run-reproducer fails.ftp.reproducer.mlir
// RUN: not ft-test --run-reproducer fails.ftp.reproducer.mlir 2>&1 | FileCheck %s --check-prefix=AGAIN
// AGAIN: error: fails on purpose

// Without an output file it is in the working directory; where it cannot be written, a note says so.
// RUN: not ft-test --as-ftc "builtin.module(test-crash)" %s - 2>&1 | FileCheck %s --check-prefix=HERE
// HERE: note: ft-opt --run-reproducer ftc.reproducer.mlir
// RUN: not ft-test --as-ftc "builtin.module(test-crash)" %s none/step.ftp 2>&1 | FileCheck %s --check-prefix=NOWHERE
// NOWHERE: error: ftc compile: test-crash crashed
// NOWHERE-NEXT: note: no reproducer: none/step.ftp.reproducer.mlir: {{.*}}No such file

// When all is well nothing is written.
// RUN: ft-test --as-ftc "builtin.module(canonicalize)" %s well.ftp
// RUN: not ls well.ftp.reproducer.mlir

func.func @silu(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = ft.silu %x : tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
