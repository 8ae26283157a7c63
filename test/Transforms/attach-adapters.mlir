// Each adapter becomes two trainable parameters and a bypass behind its site; what read the site's
// result reads the bypass.
// RUN: ft-opt %s --ft-attach-adapters | FileCheck %s --check-prefixes=CHECK,FIRST
// The result reads back, and a second run finds nothing more to do.
// RUN: ft-opt %s --ft-attach-adapters | ft-opt | FileCheck %s
// RUN: ft-opt %s --ft-attach-adapters --ft-attach-adapters | FileCheck %s --check-prefixes=CHECK,AGAIN

// CHECK: module attributes
// CHECK-SAME: ft.report = [{decisions = [
// FIRST-SAME: {candidates = {{\[}}["lora, r = 2", true, "an adapter has this site", {{\[}}["elements", 24]]], ["none", false, "", []]], count = 1 : i64, question = "which adapter does this layer get", site = "q"},
// FIRST-SAME: {candidates = {{\[}}["lora, r = 1", true, "an adapter has this site", {{\[}}["elements", 10]]], ["none", false, "", []]], count = 1 : i64, question = "which adapter does this layer get", site = "v"}],
// CHECK-SAME: pass = "ft-attach-adapters"
// CHECK-SAME: remarks = ["attached 2 adapters with 34 trainable elements"]
// CHECK-SAME: statistics = {{\[}}["adapters", 2], ["trainable_elements", 34], ["elements.q", 24], ["elements.v", 10], ["matched", 2]]}
// AGAIN-SAME: {candidates = {{\[}}["none", true, "no adapter has this site", []]], count = 1 : i64, question = "which adapter does this layer get", site = "v"}], pass = "ft-attach-adapters",
// AGAIN-SAME: remarks = ["attached 0 adapters with 0 trainable elements"]

// CHECK: ft.parameter @q.weight
ft.parameter @q.weight : tensor<8x4xf32> role(base) storage(dense<bf16>) init("file")
ft.parameter @v.weight : tensor<6x4xf32> role(base) storage(dense<bf16>) init("file")

// DOC: ft-attach-adapters
// The parameters' symbols are the keys of the checkpoint: prefix, site, suffix. Masters are f32
// whatever the base is stored as.
// CHECK: ft.parameter @base_model.model.q.lora_A.weight : tensor<2x4xf32> role(trainable) storage(dense<f32>) init("kaiming_uniform")
// CHECK-NEXT: ft.parameter @base_model.model.q.lora_B.weight : tensor<8x2xf32> role(trainable) storage(dense<f32>) init("zeros")
// CHECK-NOT: ft.adapter
ft.adapter "lora" site("q") prefix("base_model.model.") {init_b = "zeros", r = 2 : i64, scaling = 4.0}
// DOC-END
// Ranks and scalings may differ from site to site, and B may start random.
// CHECK: ft.parameter @base_model.model.v.lora_A.weight : tensor<1x4xf32>
// CHECK-NEXT: ft.parameter @base_model.model.v.lora_B.weight : tensor<6x1xf32> role(trainable) storage(dense<f32>) init("kaiming_uniform")
ft.adapter "lora" site("v") prefix("base_model.model.")
  {init_b = "kaiming_uniform", r = 1 : i64, scaling = 0.5}

// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[x:.*]]: tensor<3x4xf32>)
func.func @forward(%x: tensor<3x4xf32>) -> (tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x6xf32>) {
  // DOC: ft-attach-adapters
  // CHECK: %q = ft.linear %[[x]], %q_weight site("q")
  // CHECK-NEXT: %q_adapted = ft.bypass "lora" site("q") taps(%[[x]] : tensor<3x4xf32>) joins(%q : tensor<3x8xf32>) by add {
  // CHECK-NEXT: ^bb0(%[[tap:.*]]: tensor<3x4xf32>):
  // CHECK-NEXT:   %[[A:.*]] = ft.read @base_model.model.q.lora_A.weight : tensor<2x4xf32>
  // CHECK-NEXT:   %[[B:.*]] = ft.read @base_model.model.q.lora_B.weight : tensor<8x2xf32>
  // CHECK-NEXT:   %[[down:.*]] = ft.linear %[[tap]], %[[A]] site("q.lora_A") : tensor<3x4xf32>, tensor<2x4xf32>
  // CHECK-NEXT:   %[[up:.*]] = ft.linear %[[down]], %[[B]] site("q.lora_B") : tensor<3x2xf32>, tensor<8x2xf32>
  // CHECK-NEXT:   %[[scaled:.*]] = ft.scale %[[up]] by 4.000000e+00 : tensor<3x8xf32>
  // CHECK-NEXT:   ft.yield %[[scaled]] : tensor<3x8xf32>
  // CHECK-NEXT: }
  %qw = ft.read @q.weight : tensor<8x4xf32>
  %q = ft.linear %x, %qw site("q") : tensor<3x4xf32>, tensor<8x4xf32>
  // CHECK-NEXT: %[[silu:.*]] = ft.silu %q_adapted
  %s = ft.silu %q : tensor<3x8xf32>
  // DOC-END
  // CHECK: %v = ft.linear %[[x]], %v_weight site("v")
  // CHECK-NEXT: %v_adapted = ft.bypass "lora" site("v") taps(%[[x]] : tensor<3x4xf32>) joins(%v : tensor<3x6xf32>) by add {
  // CHECK: ft.scale %{{.*}} by 5.000000e-01 : tensor<3x6xf32>
  %vw = ft.read @v.weight : tensor<6x4xf32>
  %v = ft.linear %x, %vw site("v") : tensor<3x4xf32>, tensor<6x4xf32>
  // CHECK: return %q_adapted, %[[silu]], %v_adapted
  return %q, %s, %v : tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x6xf32>
}
