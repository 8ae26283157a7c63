//===- FTOpBase.td - base classes of ft ops -------------------*- tablegen -*-===//
// Shared includes and the op base classes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_DIALECTS_FT_OPBASE_TD
#define FTC_DIALECTS_FT_OPBASE_TD

include "dialects/FT/IR/FTDialect.td"
include "dialects/FT/IR/FTTypes.td"
include "dialects/FT/IR/FTEnums.td"
include "dialects/FT/IR/FTAttrs.td"
include "dialects/FT/IR/FTInterfaces.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

// Every op names its results after the module path that it stands for (docs/ir-by-example.md).
class FT_Op<string mnemonic, list<Trait> traits = []>
    : Op<FT_Dialect, mnemonic,
         traits # [DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]>;

// A value op: pure, with an executable meaning.
class FT_ValueOp<string mnemonic, list<Trait> traits = []>
    : FT_Op<mnemonic, traits # [Pure]>;

def FT_Grad : DeclareOpInterfaceMethods<FT_DifferentiableOpInterface>;
def FT_Costed : DeclareOpInterfaceMethods<FT_CostOpInterface, ["getCost"]>;

class FT_ElementwiseOp<string mnemonic, list<Trait> traits = []>
    : FT_ValueOp<mnemonic, traits # [
        DeclareOpInterfaceMethods<FT_ElementwiseOpInterface, ["buildScalar"]>,
        DeclareOpInterfaceMethods<FT_CostOpInterface>]>;

#endif
