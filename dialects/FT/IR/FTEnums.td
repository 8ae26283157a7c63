//===- FTEnums.td - enumerations of the ft dialect ------------*- tablegen -*-===//
// Roles of state, ways a bypass joins, fields of !ft.run, kernel families, operand indexing.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_DIALECTS_FT_ENUMS_TD
#define FTC_DIALECTS_FT_ENUMS_TD

include "mlir/IR/EnumAttr.td"
include "dialects/FT/IR/FTDialect.td"

class FT_Enum<string name, string summary, list<I32EnumCase> cases>
    : I32Enum<name, summary, cases> {
  let cppNamespace = "::ftc::ft";
}
class FT_EnumAttr<EnumInfo info, string mnemonic> : EnumAttr<FT_Dialect, info, mnemonic> {
  let assemblyFormat = "$value";
}

// What a tensor that outlives a step is for. The report's categories follow from it (docs/memory).
def FT_Role : FT_Enum<"Role", "what a tensor that outlives a step is for", [
  I32EnumCase<"base", 0>,         // frozen weight: a mapped file or the caller's memory
  I32EnumCase<"trainable", 1>,    // f32 master of what is trained
  I32EnumCase<"moment1", 2>,      // AdamW's first moment
  I32EnumCase<"moment2", 3>,      // AdamW's second moment
  I32EnumCase<"accumulator", 4>,  // gradient sums over the micro-batches of a step
  I32EnumCase<"table", 5>         // constants made at load: RoPE's cosines and sines
]>;
def FT_RoleAttr : FT_EnumAttr<FT_Role, "role">;

def FT_JoinKind : FT_Enum<"JoinKind", "how a bypass is combined with the value it joins", [
  I32EnumCase<"add", 0>, I32EnumCase<"multiply", 1>, I32EnumCase<"replace", 2>
]>;
def FT_JoinKindAttr : FT_EnumAttr<FT_JoinKind, "join">;

// The order is the layout of the run buffer in a package: append only.
def FT_RunField : FT_Enum<"RunField", "a scalar that changes between steps", [
  // The complements of AdamW's betas, taken in double: 1 - 0.999 in f32 would be off by 1e-5.
  I32EnumCase<"learning_rate", 0>, I32EnumCase<"one_minus_beta1", 1>,
  I32EnumCase<"one_minus_beta2", 2>, I32EnumCase<"epsilon", 3>, I32EnumCase<"weight_decay", 4>,
  I32EnumCase<"bias_correction1", 5>,       // 1 - beta1^t
  I32EnumCase<"bias_correction2_sqrt", 6>,  // sqrt(1 - beta2^t)
  I32EnumCase<"max_grad_norm", 7>,          // +inf where clipping is off
  I32EnumCase<"inv_items", 8>               // 1 / predicted tokens of the accumulated batch
]>;
def FT_RunFieldAttr : FT_EnumAttr<FT_RunField, "run_field">;

def FT_KernelFamily : FT_Enum<"KernelFamily", "the shape of a kernel's loops", [
  I32EnumCase<"map", 0>,                    // out[i] = f(in[i]...)
  I32EnumCase<"row_reduce", 1>,             // reductions along a row, then a map that may use them
  I32EnumCase<"col_reduce", 2>,             // out[j] = sum over rows
  I32EnumCase<"gemm", 3>,                   // a matrix product, optionally added to a value
  I32EnumCase<"rope", 4>,
  I32EnumCase<"embedding", 5>,
  I32EnumCase<"embedding_grad", 6>,
  I32EnumCase<"attention", 7>,
  I32EnumCase<"attention_delta", 8>,
  I32EnumCase<"attention_grad_query", 9>,
  I32EnumCase<"attention_grad_key_value", 10>,
  I32EnumCase<"linear_cross_entropy", 11>,
  I32EnumCase<"global_norm", 12>
]>;
def FT_KernelFamilyAttr : FT_EnumAttr<FT_KernelFamily, "family">;

// How an operand of an elementwise or reducing op is read for element (row, column).
def FT_Indexing : FT_Enum<"Indexing", "how an operand is read for one element", [
  I32EnumCase<"element", 0>,  // [row, column]
  I32EnumCase<"row", 1>,      // [row]
  I32EnumCase<"column", 2>,   // [column]
  I32EnumCase<"scalar", 3>    // []
]>;

#endif
