// RUN: ft-opt %s --ft-build-backward --split-input-file --verify-diagnostics

// expected-error@+1 {{needs a function @forward of one block; is this a forward step?}}
module {
}

// -----

// expected-error@+1 {{needs a function @forward of one block; is this a forward step?}}
module {
  func.func private @forward(tensor<8xi32>, tensor<8xi32>, !ft.segments<8, 2>, !ft.run) -> tensor<f32>
}

// -----

// expected-error@+1 {{'func.func' op must take ids, labels, segments and run, and return the loss}}
func.func @forward(%ids: tensor<8xi32>, %run: !ft.run) -> tensor<f32> {
  %0 = ft.run_value %run[inv_items] : tensor<f32>
  return %0 : tensor<f32>
}

// -----

// expected-error@+1 {{'func.func' op must take ids, labels, segments and run, and return the loss}}
func.func @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>, %run: !ft.run) {
  return
}

// -----

// A second step from entry points: there is no forward any more.
// expected-error@+1 {{needs a function @forward of one block; is this a forward step?}}
module {
  func.func @train_step(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>,
                        %run: !ft.run) -> tensor<f32> {
    %0 = ft.run_value %run[inv_items] : tensor<f32>
    return %0 : tensor<f32>
  }
}

// -----

// Nothing to train.
// expected-error@+1 {{has no trainable parameter; attach an adapter, or give parameters role(trainable)}}
module {
  ft.parameter @w : tensor<f32> role(base) storage(dense<f32>) init("file")
  func.func @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>,
                     %run: !ft.run) -> tensor<f32> {
    %w = ft.read @w : tensor<f32>
    return %w : tensor<f32>
  }
}

// -----

// Reached through one op, but not from the loss.
ft.parameter @w : tensor<f32> role(trainable) storage(dense<f32>) init("file")
// expected-error@+1 {{'ft.parameter' op is trainable, but no path leads from it to the loss}}
ft.parameter @unused : tensor<f32> role(trainable) storage(dense<f32>) init("file")
func.func @forward(%ids: tensor<8xi32>, %labels: tensor<8xi32>, %segments: !ft.segments<8, 2>,
                   %run: !ft.run) -> tensor<f32> {
  %w = ft.read @w : tensor<f32>
  %u = ft.read @unused : tensor<f32>
  %loss = ft.silu %w : tensor<f32>
  %other = ft.silu %u : tensor<f32>
  return %loss : tensor<f32>
}
