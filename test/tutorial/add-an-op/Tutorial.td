//===- Tutorial.td - a dialect with one op --------------------*- tablegen -*-===//
// What docs/tutorial/2-add-an-op.md builds.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_TEST_TUTORIAL_ADD_AN_OP_TUTORIAL_TD
#define FTC_TEST_TUTORIAL_ADD_AN_OP_TUTORIAL_TD

include "dialects/FT/IR/FTInterfaces.td"
include "dialects/FT/IR/FTTypes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

// DOC: dialect
def Tutorial_Dialect : Dialect {
  let name = "tutorial";
  let cppNamespace = "::tutorial";
  let summary = "The worked example of the tutorial";
  // Gradients are made of ft ops.
  let dependentDialects = ["::ftc::ft::FTDialect"];
}
// DOC-END

// DOC: op
def Tutorial_SoftcapOp : Op<Tutorial_Dialect, "softcap", [
    Pure, SameOperandsAndResultType,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>,
    DeclareOpInterfaceMethods<FT_DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<FT_EvaluableOpInterface>,
    DeclareOpInterfaceMethods<FT_CostOpInterface, ["getCost"]>,
    DeclareOpInterfaceMethods<FT_ElementwiseOpInterface, ["buildScalar"]>]> {
  let summary = "cap * tanh(input / cap), elementwise";
  let description = [{
    Squeezes every element into (-cap, cap), and leaves small ones nearly as they are. `cap` is a
    compile-time number. It is an error if it is not positive and finite.
  }];
  let arguments = (ins FT_Tensor:$input, F64Attr:$cap);
  let results = (outs FT_Tensor:$result);
  let assemblyFormat = "$input `cap` $cap `:` type($result) attr-dict";
  let hasVerifier = 1;
}
// DOC-END

#endif
