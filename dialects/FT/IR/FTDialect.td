//===- FTDialect.td - the ft dialect --------------------------*- tablegen -*-===//
// The dialect definition; ops, types and interfaces stand in the files beside it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_DIALECTS_FT_DIALECT_TD
#define FTC_DIALECTS_FT_DIALECT_TD

include "mlir/IR/OpBase.td"

def FT_Dialect : Dialect {
  let name = "ft";
  let cppNamespace = "::ftc::ft";
  let summary = "What a fine-tuning step computes: pure SSA over ranked tensors";
  let description = [{
    The `ft` dialect says *what* is computed by one training step of an adapted language model, and
    nothing of where or when. Values are static builtin tensors; activations are `[T, width]`, where
    T is the number of tokens of a step. Tensors that outlive a step are module-level symbols
    (`ft.parameter`), read at entry (`ft.read`) and written before the return (`ft.commit`).

    Every value op has an executable meaning in double precision (`lib/Interpreter`), which is what
    its description says and nothing else. `site` on an op is the path of the module that it stands
    for (`model.layers.3.self_attn.q_proj`): reports, errors and SSA names say it, no result depends
    on it. Operands whose types an op does not allow, and shapes that do not fit, are errors of the
    verifier; they name the op and both shapes.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

#endif
