// Which buffer a result gets: its state's where it is committed and the state is free, a dying
// operand's where the family works in place, a fresh one else; and where a copy is unavoidable.
// RUN: ft-opt %s --ft-form-kernels --convert-ft-to-launch | FileCheck %s

// What was considered for each result, and why not.
// CHECK: question = "which kernel does
// CHECK-SAME: {candidates = {{\[}}["operand 0", true, "its value dies here", {{\[}}["bytes saved", 64]]]], count = 2 : i64, question = "where does the result of a map kernel lie", site = "x"}
// CHECK-SAME: {candidates = {{\[}}["the parameter that it is committed to", true, "nobody reads its old value", {{\[}}["bytes saved", 64]]]], count = 7 : i64, question = "where does the result of a gemm kernel lie", site = "y"}
// CHECK-SAME: {candidates = {{\[}}["operand 0", false, "it is read later", {{\[}}["bytes saved", 64]]], ["a buffer of its own", true, "", []]], count = 1 : i64, question = "where does the result of a map kernel lie", site = "x"}
// CHECK-SAME: {candidates = {{\[}}["operand 0", false, "it is read later", {{\[}}["bytes saved", 64]]], ["operand 1", true, "its value dies here", {{\[}}["bytes saved", 64]]]], count = 1 : i64, question = "where does the result of a map kernel lie", site = "x"}
// CHECK-SAME: {candidates = {{\[}}["the parameter that it is committed to", false, "it is read later", {{\[}}["bytes saved", 64]]], ["a buffer of its own", true, "", []]], count = 1 : i64, question = "where does the result of a gemm kernel lie", site = "y"}
// CHECK-SAME: {candidates = {{\[}}["the parameter that it is committed to", false, "this kernel reads it in another way too", {{\[}}["bytes saved", 64]]], ["a buffer of its own", true, "", []]], count = 1 : i64, question = "where does the result of a map kernel lie", site = "a"}
// CHECK-SAME: {candidates = {{\[}}["operand 0", false, "it is committed or returned", {{\[}}["bytes saved", 4]]], ["operand 1", false, "it is an input of the step", {{\[}}["bytes saved", 4]]], ["a buffer of its own", true, "", []]], count = 1 : i64, question = "where does the result of a map kernel lie", site = "a"}
// CHECK-SAME: pass = "convert-ft-to-launch", remarks = ["dying: 3 launches, 2 results (128 B) in place, 0 copies",

ft.parameter @w : tensor<4x4xf32> role(trainable) storage(dense<f32>) init("file")
ft.parameter @a : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @b : tensor<4x4xf32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @s : tensor<f32> role(accumulator) storage(dense<f32>) init("zeros")
ft.parameter @half : tensor<4x4xf32> role(base) storage(dense<bf16>) init("file")
ft.parameter @vector : tensor<4xf32> role(base) storage(dense<f32>) init("file")

//===-- Elementwise -------------------------------------------------------===//

// %x dies in the second op, so its result takes %x's buffer; the read %w never is overwritten.
// DOC: convert-ft-to-launch
// CHECK-LABEL: launch.entry @dying
// CHECK-COUNT-1: launch.alloc
// CHECK-NOT: launch.alloc
// CHECK: launch.launch @gemm_nt_4x4x4 site("x") {{.*}} (%w, %w, %x)
// CHECK-NEXT: launch.launch @map_silu{{[_0-9]*}} site("x") {{.*}} (%x) : memref<4x4xf32>
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4 site("y") {{.*}} (%x, %w, %a)
func.func @dying(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %x = ft.linear %w, %w site("x") : tensor<4x4xf32>, tensor<4x4xf32>
  %s = ft.silu %x : tensor<4x4xf32>
  %y = ft.linear %s, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @a, %y : tensor<4x4xf32>
  return
}

// DOC-END
// %x is read again later: a buffer of its own for the result.
// CHECK-LABEL: launch.entry @not_dying
// CHECK: launch.launch @gemm_nt_4x4x4 site("x") {{.*}} (%w, %w, %x)
// CHECK-NEXT: launch.launch @map_silu{{[_0-9]*}} site("x") {{.*}} (%x, %silu) : memref<4x4xf32>, memref<4x4xf32>
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4 site("y") {{.*}} (%silu, %x, %a)
func.func @not_dying(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %x = ft.linear %w, %w site("x") : tensor<4x4xf32>, tensor<4x4xf32>
  %s = ft.silu %x : tensor<4x4xf32>
  %y = ft.linear %s, %x site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @a, %y : tensor<4x4xf32>
  return
}

// Two results in place of two operands, not both in the same.
// CHECK-LABEL: launch.entry @two_results
// CHECK: launch.launch @map_mul_mul{{[_0-9]*}} site("x") {{.*}} (%x, %y, %w) : memref<4x4xf32>, memref<4x4xf32>, memref<4x4xf32>
func.func @two_results(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %x = ft.linear %w, %w site("x") : tensor<4x4xf32>, tensor<4x4xf32>
  %y = ft.linear %x, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  %p = ft.mul %x, %y : tensor<4x4xf32>
  %q = ft.mul %x, %w : tensor<4x4xf32>
  %r = ft.linear %p, %q site("r") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @a, %r : tensor<4x4xf32>
  return
}

// A row kernel reads all of a row before it writes it: in place too. A vector read by column is not
// what a row is written over.
// CHECK-LABEL: launch.entry @rows
// CHECK: launch.launch @row_rms_norm{{[_0-9]*}} site("n") grid(4) {{.*}} (%x, %vector) : memref<4x4xf32>, memref<4xf32>
func.func @rows(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %v = ft.read @vector : tensor<4xf32>
  %x = ft.linear %w, %w site("x") : tensor<4x4xf32>, tensor<4x4xf32>
  %n, %r = ft.rms_norm %x, %v eps 1.0e-5 site("n") : tensor<4x4xf32>, tensor<4xf32>
  %y = ft.linear %n, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @a, %y : tensor<4x4xf32>
  return
}

//===-- Accumulating products ---------------------------------------------===//

// A product that is added to a dying value starts from that value's buffer.
// CHECK-LABEL: launch.entry @product_dying
// CHECK: launch.launch @gemm_nt_4x4x4 site("x") {{.*}} (%w, %w, %x)
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4_add site("y") {{.*}} (%w, %w, %x)
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4 site("z")
func.func @product_dying(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %x = ft.linear %w, %w site("x") : tensor<4x4xf32>, tensor<4x4xf32>
  %y = ft.linear %w, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  %s = ft.add %x, %y : tensor<4x4xf32>
  %z = ft.linear %s, %w site("z") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @a, %z : tensor<4x4xf32>
  return
}

// The addend lives on: it is copied to where the product then accumulates.
// CHECK-LABEL: launch.entry @product_not_dying
// CHECK: launch.launch @gemm_nt_4x4x4 site("x") {{.*}} (%w, %w, %x)
// CHECK-NEXT: launch.launch @copy{{[_0-9]*}} site("y") grid(16) cost(0, 128) (%x, %sum)
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4_add site("y") {{.*}} (%w, %w, %sum)
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4 site("z") {{.*}} (%sum, %x, %a)
func.func @product_not_dying(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %x = ft.linear %w, %w site("x") : tensor<4x4xf32>, tensor<4x4xf32>
  %y = ft.linear %w, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  %s = ft.add %x, %y : tensor<4x4xf32>
  %z = ft.linear %s, %x site("z") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @a, %z : tensor<4x4xf32>
  return
}

// The addend is also a factor: it dies here, and still must be whole while the product runs.
// CHECK-LABEL: launch.entry @addend_is_factor
// CHECK: launch.launch @gemm_nt_4x4x4 site("x") {{.*}} (%w, %w, %x)
// CHECK-NEXT: launch.launch @copy{{[_0-9]*}} site("y") {{.*}} (%x, %sum)
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4_add site("y") {{.*}} (%x, %w, %sum)
func.func @addend_is_factor(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %x = ft.linear %w, %w site("x") : tensor<4x4xf32>, tensor<4x4xf32>
  %y = ft.linear %x, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  %s = ft.add %x, %y : tensor<4x4xf32>
  %z = ft.linear %s, %w site("z") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @a, %z : tensor<4x4xf32>
  return
}

// An addend as stored in bf16 is widened by the copy.
// CHECK-LABEL: launch.entry @addend_stored
// CHECK: launch.launch @copy{{.*}} site("y") {{.*}} (%half, %a) : memref<4x4xbf16>, memref<4x4xf32>
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4_add site("y") {{.*}} (%w, %w, %a)
func.func @addend_stored(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %h = ft.read @half : tensor<4x4xf32>
  %y = ft.linear %w, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  %s = ft.add %h, %y : tensor<4x4xf32>
  ft.commit @a, %s : tensor<4x4xf32>
  return
}

//===-- Commits -----------------------------------------------------------===//

// A gradient goes straight into its accumulator.
// CHECK-LABEL: launch.entry @accumulate
// CHECK-NOT: launch.alloc
// CHECK: launch.launch @gemm_nt_4x4x4_add site("y") {{.*}} (%w, %w, %a)
// CHECK-NEXT: }
func.func @accumulate(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %a = ft.read @a : tensor<4x4xf32>
  %y = ft.linear %w, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  %s = ft.add %a, %y : tensor<4x4xf32>
  ft.commit @a, %s : tensor<4x4xf32>
  return
}

// Somebody reads the entry value later: the new one waits in a buffer and is copied at the end.
// CHECK-LABEL: launch.entry @read_later
// CHECK: launch.launch @gemm_nt_4x4x4 site("y") {{.*}} (%w, %w, %y)
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4 site("z") {{.*}} (%a, %w, %b)
// CHECK-NEXT: launch.launch @copy{{[_0-9]*}} site("a") {{.*}} (%y, %a)
// CHECK-NEXT: }
func.func @read_later(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %y = ft.linear %w, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @a, %y : tensor<4x4xf32>
  %a = ft.read @a : tensor<4x4xf32>
  %z = ft.linear %a, %w site("z") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @b, %z : tensor<4x4xf32>
  return
}

// A committed value that is read later is read where it was written.
// CHECK-LABEL: launch.entry @committed_read_later
// CHECK-NOT: launch.alloc
// CHECK: launch.launch @gemm_nt_4x4x4 site("y") {{.*}} (%w, %w, %a)
// CHECK-NEXT: launch.launch @gemm_nt_4x4x4 site("z") {{.*}} (%a, %w, %b)
// CHECK-NEXT: }
func.func @committed_read_later(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %y = ft.linear %w, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @a, %y : tensor<4x4xf32>
  %z = ft.linear %y, %w site("z") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @b, %z : tensor<4x4xf32>
  return
}

// One value for two parameters: written into the one, copied to the other.
// CHECK-LABEL: launch.entry @two_commits
// CHECK-NOT: launch.alloc
// CHECK: launch.launch @gemm_nt_4x4x4 site("y") {{.*}} (%w, %w, %[[first:[ab]]])
// CHECK-NEXT: launch.launch @copy{{[_0-9]*}} site("[[second:[ab]]]") {{.*}} (%[[first]], %[[second]])
// CHECK-NEXT: }
func.func @two_commits(%run: !ft.run) {
  %w = ft.read @w : tensor<4x4xf32>
  %y = ft.linear %w, %w site("y") : tensor<4x4xf32>, tensor<4x4xf32>
  ft.commit @a, %y : tensor<4x4xf32>
  ft.commit @b, %y : tensor<4x4xf32>
  return
}

// Two parameters change places: both are saved before either is written.
// CHECK-LABEL: launch.entry @swap
// CHECK: launch.launch @copy{{[_0-9]*}} site("a") {{.*}} (%b, %[[fromB:.*]]) :
// CHECK-NEXT: launch.launch @copy{{[_0-9]*}} site("b") {{.*}} (%a, %[[fromA:.*]]) :
// CHECK-NEXT: launch.launch @copy{{[_0-9]*}} site("a") {{.*}} (%[[fromB]], %a)
// CHECK-NEXT: launch.launch @copy{{[_0-9]*}} site("b") {{.*}} (%[[fromA]], %b)
// CHECK-NEXT: }
func.func @swap(%run: !ft.run) {
  %a = ft.read @a : tensor<4x4xf32>
  %b = ft.read @b : tensor<4x4xf32>
  ft.commit @a, %b : tensor<4x4xf32>
  ft.commit @b, %a : tensor<4x4xf32>
  return
}

// What a parameter holds already needs no copy.
// CHECK-LABEL: launch.entry @unchanged
// CHECK-NOT: launch.launch
// CHECK: }
func.func @unchanged(%run: !ft.run) {
  %a = ft.read @a : tensor<4x4xf32>
  ft.commit @a, %a : tensor<4x4xf32>
  return
}

// Two reads of one parameter are one buffer: no kernel may write what it also reads by another
// argument.
// CHECK-LABEL: launch.entry @two_reads
// CHECK: launch.launch @map_mul{{.*}} site("a") {{.*}} (%a, %a, %product)
// CHECK-NEXT: launch.launch @copy{{[_0-9]*}} site("a") {{.*}} (%product, %a)
func.func @two_reads(%run: !ft.run) {
  %a = ft.read @a : tensor<4x4xf32>
  %b = ft.read @a : tensor<4x4xf32>
  %p = ft.mul %a, %b : tensor<4x4xf32>
  ft.commit @a, %p : tensor<4x4xf32>
  return
}

// A returned value that lies in a state buffer is saved from the commit that overwrites it.
// CHECK-LABEL: launch.entry @returned
// CHECK: %[[kept:.*]] = launch.alloc "returned" : memref<f32>
// CHECK: launch.launch @map_scale{{[_0-9]*}} site("s") {{.*}} (%s) : memref<f32>
// CHECK: launch.launch @copy{{[_0-9]*}} site("step") {{.*}} (%s, %[[kept]])
// CHECK-NEXT: launch.launch @copy{{[_0-9]*}} site("s") {{.*}} (%{{.*}}, %s)
// CHECK-NEXT: launch.output "loss", %[[kept]] : memref<f32>
func.func @returned(%run: !ft.run) -> tensor<f32> {
  %s = ft.read @s : tensor<f32>
  %t = ft.scale %s by 3.0 : tensor<f32>
  %lr = ft.run_value %run[learning_rate] : tensor<f32>
  ft.commit @s, %lr : tensor<f32>
  return %t : tensor<f32>
}

// The optimizer overwrites parameter and moments, and zeroes the accumulator, in place.
// CHECK-LABEL: launch.entry @update
// CHECK-NOT: launch.launch @copy
// CHECK: launch.launch @map_adamw site("{{.*}}") grid(16) {{.*}} (%w, %a, %b, %second, %clip
// CHECK-NEXT: launch.launch @map_constant site("a") grid(16) cost(16, 64) (%a)
// CHECK-NEXT: launch.output "grad_norm"
ft.parameter @second : tensor<4x4xf32> role(moment2) storage(dense<f32>) init("zeros")
func.func @update(%run: !ft.run) -> tensor<f32> {
  %p = ft.read @w : tensor<4x4xf32>
  %g = ft.read @a : tensor<4x4xf32>
  %m = ft.read @b : tensor<4x4xf32>
  %v = ft.read @second : tensor<4x4xf32>
  %norm = ft.global_norm %g : (tensor<4x4xf32>) -> tensor<f32>
  %max = ft.run_value %run[max_grad_norm] : tensor<f32>
  %clip = ft.clip_scale %norm, %max : tensor<f32>
  %lr = ft.run_value %run[learning_rate] : tensor<f32>
  %q, %m2, %v2 = ft.adamw %p, %g moments(%m, %v) clip(%clip) run(%lr, %lr, %lr, %lr, %lr, %lr, %lr) decay
    : tensor<4x4xf32>, tensor<f32>
  ft.commit @w, %q : tensor<4x4xf32>
  ft.commit @b, %m2 : tensor<4x4xf32>
  ft.commit @second, %v2 : tensor<4x4xf32>
  %z = ft.constant 0.0 : tensor<4x4xf32>
  ft.commit @a, %z : tensor<4x4xf32>
  return %norm : tensor<f32>
}
