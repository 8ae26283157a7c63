// What cannot be attached is refused, all offenders at once.
// RUN: ft-opt %s --ft-attach-adapters --split-input-file --verify-diagnostics

// expected-error@+1 {{'ft.adapter' op has unknown method 'dora'; expected lora}}
ft.adapter "dora" site("q") prefix("") {}
// expected-error@+1 {{'ft.adapter' op has site 'q', which 0 ft.linear ops have; expected exactly one}}
ft.adapter "lora" site("q") prefix("") {init_b = "zeros", r = 2 : i64, scaling = 1.0}

// -----

ft.parameter @w : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
// expected-error@+1 {{'ft.adapter' op has site 'q', which 2 ft.linear ops have; expected exactly one}}
ft.adapter "lora" site("q") prefix("") {init_b = "zeros", r = 2 : i64, scaling = 1.0}
func.func @forward(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %w = ft.read @w : tensor<4x4xf32>
  %a = ft.linear %x, %w site("q") : tensor<3x4xf32>, tensor<4x4xf32>
  %b = ft.linear %a, %w site("q") : tensor<3x4xf32>, tensor<4x4xf32>
  return %b : tensor<3x4xf32>
}

// -----

ft.parameter @w : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
// expected-error@+1 {{'ft.adapter' op of method lora needs r > 0 (i64), scaling (f64) and init_b}}
ft.adapter "lora" site("q") prefix("a.") {init_b = "zeros", r = 0 : i64, scaling = 1.0}
// expected-error@+1 {{'ft.adapter' op of method lora needs r > 0 (i64), scaling (f64) and init_b}}
ft.adapter "lora" site("q") prefix("b.") {init_b = "zeros", r = 2 : i64}
// expected-error@+1 {{'ft.adapter' op of method lora needs r > 0 (i64), scaling (f64) and init_b}}
ft.adapter "lora" site("q") prefix("c.") {r = 2 : i64, scaling = 1.0}
func.func @forward(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %w = ft.read @w : tensor<4x4xf32>
  %a = ft.linear %x, %w site("q") : tensor<3x4xf32>, tensor<4x4xf32>
  return %a : tensor<3x4xf32>
}

// -----

// Two adapters may share a site, but not their checkpoint keys.
ft.parameter @w : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
// expected-note@+1 {{see existing symbol definition here}}
ft.adapter "lora" site("q") prefix("") {init_b = "zeros", r = 2 : i64, scaling = 1.0}
// expected-error@+1 {{redefinition of symbol named 'q.lora_A.weight'}}
ft.adapter "lora" site("q") prefix("") {init_b = "zeros", r = 2 : i64, scaling = 1.0}
func.func @forward(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %w = ft.read @w : tensor<4x4xf32>
  %a = ft.linear %x, %w site("q") : tensor<3x4xf32>, tensor<4x4xf32>
  return %a : tensor<3x4xf32>
}

// -----

// What the method makes of the config, its parameters' verifier checks.
ft.parameter @w : tensor<4x4xf32> role(base) storage(dense<f32>) init("file")
// expected-error@+1 {{'ft.parameter' op has unknown init 'gaussian'; expected file, zeros, kaiming_uniform, normal, rope_cos, rope_sin or master}}
ft.adapter "lora" site("q") prefix("") {init_b = "gaussian", r = 2 : i64, scaling = 1.0}
func.func @forward(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %w = ft.read @w : tensor<4x4xf32>
  %a = ft.linear %x, %w site("q") : tensor<3x4xf32>, tensor<4x4xf32>
  return %a : tensor<3x4xf32>
}
