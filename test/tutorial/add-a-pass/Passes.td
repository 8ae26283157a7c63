//===- Passes.td - the tutorial's pass ------------------------*- tablegen -*-===//
// What docs/tutorial/3-add-a-pass.md builds.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_TEST_TUTORIAL_ADD_A_PASS_PASSES_TD
#define FTC_TEST_TUTORIAL_ADD_A_PASS_PASSES_TD

include "mlir/Pass/PassBase.td"

// DOC: pass
def FactorScales : Pass<"tutorial-factor-scales", "mlir::ModuleOp"> {
  let summary = "s a + s b becomes s (a + b)";
  let description = [{
    An `ft.add` of two `ft.scale` by one factor, each read by that addition alone, becomes one
    `ft.scale` of an `ft.add`. Works before and behind the backward; the order of additions stays.
  }];
  let options = [
    Option<"minElements", "min-elements", "int64_t", "1",
           "Leave tensors with fewer elements alone">,
    Option<"ignoreFactors", "ignore-factors", "bool", "false",
           "Be wrong: take the first factor for both (shows that validation notices)">
  ];
  let dependentDialects = ["ftc::ft::FTDialect"];
}
// DOC-END

#endif
