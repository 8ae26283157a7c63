//===- FTStateOps.td - state, structure and entry values ------*- tablegen -*-===//
// Parameters, reads and commits, run values, adapters and bypasses, kernels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_DIALECTS_FT_STATEOPS_TD
#define FTC_DIALECTS_FT_STATEOPS_TD

include "dialects/FT/IR/FTOpBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def FT_ParameterOp : FT_Op<"parameter", [Symbol]> {
  let summary = "A tensor that outlives a step";
  let description = [{
    A module-level symbol named by its state-dict key. `storage` says how it lies in memory and on
    disk; the SSA type stays logical. `init` says where its first value comes from: `file` (the
    model's weights), `zeros`, `kaiming_uniform` (U(-1/sqrt(n), 1/sqrt(n)), n the last dimension,
    which is torch's kaiming_uniform_(a=sqrt(5))), `normal` (`std`), `rope_cos` and `rope_sin`
    (`inv_freq`, `scale`; row p holds f(p * inv_freq) * scale).
    `no_decay` keeps weight decay off it. `key` is its name in a checkpoint where that differs.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<StrAttr>:$sym_visibility,
                       TypeAttrOf<FT_Tensor>:$type, FT_RoleAttr:$role, AnyAttr:$storage,
                       StrAttr:$init, OptionalAttr<DictionaryAttr>:$init_args,
                       OptionalAttr<StrAttr>:$key, UnitAttr:$no_decay);
  let assemblyFormat = [{
    $sym_name `:` $type `role` `(` custom<Word>($role) `)` `storage` `(` custom<Storage>($storage) `)`
    `init` `(` $init ($init_args^)? `)` (`key` `(` $key^ `)`)? (`no_decay` $no_decay^)? attr-dict
  }];
  let builders = [
    OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::RankedTensorType":$type,
                   "::ftc::ft::Role":$role, "::mlir::Type":$storageElement,
                   "::llvm::StringRef":$init,
                   CArg<"::mlir::DictionaryAttr", "{}">:$initArgs)>
  ];
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType());
    }
    /// Bytes that the parameter takes as stored.
    int64_t getStorageBytes();
  }];
  let hasVerifier = 1;
}

def FT_ReadOp : FT_ValueOp<"read", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a parameter at entry";
  let description = [{
    Pure: the value at entry of the function, also behind a commit. It is the dequantized stored
    value where the storage is lossy.
  }];
  let arguments = (ins FlatSymbolRefAttr:$parameter);
  let results = (outs FT_Tensor:$result);
  let assemblyFormat = "$parameter `:` type($result) attr-dict";
}

def FT_CommitOp : FT_Op<"commit", [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
                                   MemoryEffects<[MemWrite]>]> {
  let summary = "The value of a parameter after the step";
  let description = [{At most once per symbol and function, before the return.}];
  let arguments = (ins FlatSymbolRefAttr:$parameter, FT_Tensor:$value);
  let assemblyFormat = "$parameter `,` $value `:` type($value) attr-dict";
}

def FT_RunValueOp : FT_ValueOp<"run_value"> {
  let summary = "A scalar of the run";
  let arguments = (ins FT_RunType:$run, FT_RunFieldAttr:$field);
  let results = (outs FT_Scalar:$result);
  let assemblyFormat = "$run `[` custom<Word>($field) `]` `:` type($result) attr-dict";
}

def FT_BoundaryOp : FT_Op<"boundary", [MemoryEffects<[MemWrite]>]> {
  let summary = "Where forward ends and backward begins";
  let description = [{
    A mark without operands. What is written before it and read behind it counts as a saved
    activation in the report.
  }];
  let assemblyFormat = "attr-dict";
}

def FT_AdapterOp : FT_Op<"adapter"> {
  let summary = "An adapter to be attached to a site";
  let description = [{
    One resolved target of an adapter spec: which method, at which site, with which numbers.
    `ft-attach-adapters` replaces it by parameters and a bypass. `prefix` is put before the site in
    checkpoint keys.
  }];
  let arguments = (ins StrAttr:$method, StrAttr:$site, StrAttr:$prefix,
                       DictionaryAttr:$config);
  let assemblyFormat = "$method `site` `(` $site `)` `prefix` `(` $prefix `)` $config attr-dict";
}

// No AllTypesMatch: it infers the result from a fixed operand number, which `taps` shifts.
def FT_BypassOp : FT_Op<"bypass", [IsolatedFromAbove, RecursiveMemoryEffects,
                                   SingleBlock, RecursivelySpeculatable]> {
  let summary = "An adapter as a network beside the backbone";
  let description = [{
    Taps values of the backbone, computes one value in its region (which reads its own parameters
    by symbol), and combines it with the value that it joins. Every PEFT method is such a region.
  }];
  let arguments = (ins StrAttr:$method, StrAttr:$site, Variadic<FT_Tensor>:$taps,
                       FT_Tensor:$joined, FT_JoinKindAttr:$join);
  let results = (outs FT_Tensor:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $method `site` `(` $site `)` (`taps` `(` $taps^ `:` type($taps) `)`)?
    `joins` `(` $joined `:` custom<JoinedType>(type($joined), type($result)) `)` `by` custom<Word>($join)
    attr-dict-with-keyword $body
  }];
  let hasVerifier = 1;
}

def FT_KernelOp : FT_Op<"kernel", [IsolatedFromAbove, RecursiveMemoryEffects,
                                   SingleBlock, RecursivelySpeculatable]> {
  let summary = "Ops that run as one kernel";
  let description = [{
    An isolated region of ft ops that one kernel of `family` computes: the operands go in, the
    yielded values come out, nothing else touches memory. Evaluated by running the region.
  }];
  let arguments = (ins FT_KernelFamilyAttr:$family, StrAttr:$site,
                       Variadic<AnyType>:$inputs);
  let results = (outs Variadic<FT_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def FT_YieldOp : FT_Op<"yield", [Pure, Terminator, ReturnLike,
                                 ParentOneOf<["BypassOp", "KernelOp"]>]> {
  let summary = "The value of a bypass, or the results of a kernel";
  let arguments = (ins Variadic<FT_Tensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif
