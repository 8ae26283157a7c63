//===- FTAttrs.td - attributes of the ft dialect --------------*- tablegen -*-===//
// Storage of parameters and how they are initialized.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_DIALECTS_FT_ATTRS_TD
#define FTC_DIALECTS_FT_ATTRS_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "dialects/FT/IR/FTDialect.td"

class FT_Attr<string name, string attrMnemonic> : AttrDef<FT_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def FT_DenseStorageAttr : FT_Attr<"DenseStorage", "dense"> {
  let summary = "Row-major elements of one type, in memory and on disk";
  let description = [{
    `#ft.dense<bf16>`; on a parameter also written `dense<bf16>`. Element types are f32, bf16 and
    f16; any other is an error. It says nothing of the SSA type, which stays logical.
  }];
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Bytes of a tensor of `elements` elements stored this way.
    int64_t getBytes(int64_t elements) const {
      return elements * (getElementType().getIntOrFloatBitWidth() / 8);
    }
  }];
}

#endif
