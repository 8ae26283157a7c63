//===- Launch.td - ops of the launch dialect ------------------*- tablegen -*-===//
// State, kernels, entry points, buffers and launches.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_DIALECTS_LAUNCH_TD
#define FTC_DIALECTS_LAUNCH_TD

include "dialects/Launch/IR/LaunchDialect.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Launch_Op<string mnemonic, list<Trait> traits = []> : Op<Launch_Dialect, mnemonic, traits>;

def Launch_Buffer : ConfinedType<MemRefOf<[F32, BF16, F16, I32]>, [
    HasStaticShapePred,
    CPred<"::ftc::launch::isSized(::llvm::cast<::mlir::MemRefType>($_self))">],
  "buffer of 1 to 2^40 elements of f32, bf16, f16 or i32">;

def Launch_StateOp : Launch_Op<"state", [Symbol]> {
  let summary = "A tensor that outlives a step";
  let description = [{
    Base tensors (`role`) are bound: mapped files or the caller's memory. All others lie in the state
    region, which the runtime owns. `type` is the buffer as stored. `init` and `init_args` are those
    of `ft.parameter`; `key` is the name in a checkpoint.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<StrAttr>:$sym_visibility,
                       TypeAttrOf<Launch_Buffer>:$type, Launch_RoleAttr:$role, StrAttr:$init,
                       OptionalAttr<DictionaryAttr>:$init_args, StrAttr:$key);
  let assemblyFormat = [{
    $sym_name `:` $type `role` `(` custom<Word>($role) `)` `init` `(` $init ($init_args^)? `)` `key` `(` $key `)`
    attr-dict
  }];
  let extraClassDeclaration = [{
    ::mlir::MemRefType getBufferType() { return ::llvm::cast<::mlir::MemRefType>(getType()); }
  }];
}

def Launch_KernelOp : Launch_Op<"kernel", [Symbol, IsolatedFromAbove, NoTerminator]> {
  let summary = "Code that launches share";
  let description = [{
    A `family`, typed arguments (`args`) and scalar regions in `arith` and `math`; docs/kernels.md says
    what each family does with them. A dynamic leading dimension is the grid, so launches of different
    length share a kernel. An argument that is both read and written in place stands once, as
    `readwrite`; distinct arguments never overlap, unless both are only read.

    Regions by family: `map` has one (a scalar per read or readwrite argument in, a value per
    write or readwrite argument out); `row_reduce` has three (contributions: scalars in, terms out;
    finish: row and scalar arguments, then the sums in, row scalars out; elements: scalars, then row
    scalars in, a value per written argument out); `col_reduce` has one (scalars in, one term out);
    the others have none and are described by `params`.

    Regions of another number, with other arguments or yielding other values than that, ops in them
    that are not scalar ops of `arith` and `math`, and arguments whose shape does not fit their
    indexing are errors.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<StrAttr>:$sym_visibility,
                       Launch_FamilyAttr:$family,
                       TypedArrayAttrBase<Launch_ArgAttr, "kernel arguments">:$args,
                       OptionalAttr<DictionaryAttr>:$params);
  let regions = (region VariadicRegion<SizedRegion<1>>:$bodies);
  let assemblyFormat = [{
    $sym_name custom<Word>($family) $args (`params` $params^)? attr-dict-with-keyword $bodies
  }];
  let extraClassDeclaration = [{
    ::ftc::launch::ArgAttr getArg(unsigned index) {
      return ::llvm::cast<::ftc::launch::ArgAttr>(getArgs()[index]);
    }
    unsigned getNumArgs() { return getArgs().size(); }
    /// An integer, bool or float of `params`; the default where it is absent.
    int64_t getIntParam(::llvm::StringRef name, int64_t otherwise = 0);
    double getFloatParam(::llvm::StringRef name, double otherwise = 0.0);
  }];
  let hasVerifier = 1;
}

def Launch_YieldOp : Launch_Op<"yield", [Pure, Terminator, ReturnLike,
                                         ParentOneOf<["KernelOp"]>]> {
  let summary = "Values of a kernel's scalar region";
  let description = [{Ends a region of `launch.kernel`; how many values, the family says.}];
  let arguments = (ins Variadic<AnyFloat>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def Launch_EntryOp : Launch_Op<"entry", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "An entry point: buffers and launches in order";
  let description = [{
    `arena_bytes` is there once the arena is planned: what this entry point needs of it.
    `live_bytes` is the largest sum of bytes that are live at once, the planner's lower bound.

    In a planned entry point an alloc or input without an offset, at no multiple of 64, or that
    reaches over the arena's end is an error; in one without an arena an offset is. Only ops of this
    dialect may stand in it.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<StrAttr>:$sym_visibility,
                       OptionalAttr<I64Attr>:$arena_bytes, OptionalAttr<I64Attr>:$live_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name (`arena` `(` $arena_bytes^ `)`)? (`live` `(` $live_bytes^ `)`)?
    attr-dict-with-keyword $body
  }];
  let hasVerifier = 1;
}

class Launch_BufferOp<string mnemonic, list<Trait> traits = []>
    : Launch_Op<mnemonic, traits # [
        ParentOneOf<["EntryOp"]>,
        DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]>;

def Launch_AllocOp : Launch_BufferOp<"alloc", [MemoryEffects<[MemAlloc]>]> {
  let summary = "A buffer of the arena";
  let description = [{
    Live from the first launch that writes it to the last that touches it, through views too. `name`
    is what reports call it, `offset` its place in bytes once the arena is planned.
  }];
  let arguments = (ins StrAttr:$name, OptionalAttr<I64Attr>:$offset);
  let results = (outs Launch_Buffer:$result);
  let assemblyFormat = "$name (`at` `(` $offset^ `)`)? `:` type($result) attr-dict";
}

def Launch_InputOp : Launch_BufferOp<"input", [MemoryEffects<[MemAlloc]>]> {
  let summary = "A buffer of the arena that the runtime fills before the first launch";
  let description = [{
    `name` says which: `input_ids`, `loss_rows`, `targets`, `positions`, `segment_begin`,
    `segment_end` (`[T]` each, i32; a dead token t has begin t + 1 and end t) and `run` (f32, the
    fields of `!ft.run` in order). `loss_rows` lists all tokens, in order those that predict, then
    the others; `targets[i]` is what token `loss_rows[i]` is to predict, the label of the next token
    of its segment, or -100. `offset` as for `launch.alloc`; it is live from before the first launch.
  }];
  let arguments = (ins StrAttr:$name, OptionalAttr<I64Attr>:$offset);
  let results = (outs Launch_Buffer:$result);
  let assemblyFormat = "$name (`at` `(` $offset^ `)`)? `:` type($result) attr-dict";
}

def Launch_RefOp : Launch_BufferOp<"ref", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The buffer of a state tensor";
  let description = [{
    A name for `state` in an entry point. A symbol that is no `launch.state`, or one of another type,
    is an error.
  }];
  let arguments = (ins FlatSymbolRefAttr:$state);
  let results = (outs Launch_Buffer:$result);
  let assemblyFormat = "$state `:` type($result) attr-dict";
}

def Launch_ViewOp : Launch_BufferOp<"view", [Pure]> {
  let summary = "Part of a buffer, from an element offset on, under another shape";
  let description = [{
    `offset` counts elements of the source. No bytes move: lifetimes of the source count the view's
    readers. Another element type, buffers that are not contiguous, and elements outside the source
    are errors.
  }];
  let arguments = (ins Launch_Buffer:$source, I64Attr:$offset);
  let results = (outs Launch_Buffer:$result);
  let assemblyFormat = "$source `[` $offset `]` `:` type($source) `->` type($result) attr-dict";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Launch_LaunchOp : Launch_Op<"launch", [ParentOneOf<["EntryOp"]>,
                                           DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "One run of a kernel";
  let description = [{
    Runs `kernel` on the buffers, at `site`. `grid` is the number of items (rows, elements, tiles: the
    family says) that the runtime cuts over its threads. `flops` and `bytes` are what the work costs
    by the cost interface.

    With `batch` k above 1 it stands for k runs of a `map` or `row_reduce` kernel that depend on each other in
    nothing: the operands are k groups, one behind the other, and `grid` is the sum of the groups'.

    With `rows` R the launch is for the tokens that `loss_rows` lists from R on: as many as its grid,
    or, of a product, as A has rows as stored. From the last one that predicts on they may be left
    out, all of them (but the first of the list, so that what is written is never undefined), since
    what they would add is zero and what they would write nobody reads. The runtime knows their number
    when it fills the inputs. `flops` and `bytes` are those of all.

    Buffers that are not the kernel's arguments in number and type (but for a leading `?`), a grid that
    is not what they have, a batch of another family, and a batch below 1 are errors. So are `rows` of
    a family other than `gemm`, `embedding`, `scatter` and `cross_entropy`, of a batch, below 0, behind
    the end of the list, or in an entry point without the input `targets`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, StrAttr:$site, I64Attr:$grid,
                       I64Attr:$flops, I64Attr:$bytes, DefaultValuedAttr<I64Attr, "1">:$batch,
                       OptionalAttr<I64Attr>:$rows, Variadic<Launch_Buffer>:$operands);
  let assemblyFormat = [{
    $kernel `site` `(` $site `)` `grid` `(` $grid `)` (`batch` `(` $batch^ `)`)?
    (`rows` `(` $rows^ `)`)? `cost` `(` $flops `,` $bytes `)` `(` $operands `)` `:` type($operands) attr-dict
  }];
  let extraClassDeclaration = [{
    /// The operands of one run of the batch.
    ::mlir::OperandRange getGroup(int64_t index) {
      unsigned size = getOperands().size() / getBatch();
      return getOperands().slice(index * size, size);
    }
    /// The grid of one run of the batch.
    int64_t getGroupGrid(::ftc::launch::KernelOp kernel, int64_t index);
    /// How many listed tokens a launch with `rows` is for.
    int64_t getListedRows(::ftc::launch::KernelOp kernel);
  }];
}

def Launch_BoundaryOp : Launch_Op<"boundary", [ParentOneOf<["EntryOp"]>]> {
  let summary = "Where forward ends and backward begins";
  let description = [{What is written before it and read behind it is a saved activation.}];
  let assemblyFormat = "attr-dict";
}

def Launch_OutputOp : Launch_Op<"output", [ParentOneOf<["EntryOp"]>]> {
  let summary = "A buffer that the caller reads after the entry point has run";
  let description = [{`name` is `loss` or `grad_norm`. The buffer lives to the end.}];
  let arguments = (ins StrAttr:$name, Launch_Buffer:$buffer);
  let assemblyFormat = "$name `,` $buffer `:` type($buffer) attr-dict";
}

#endif
