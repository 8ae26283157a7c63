//===- Passes.td - passes over the ft dialect -----------------*- tablegen -*-===//
// One entry, one file in lib/Transforms, one lit test in test/Transforms.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_TRANSFORMS_PASSES_TD
#define FTC_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def AttachAdapters : Pass<"ft-attach-adapters", "mlir::ModuleOp"> {
  let summary = "Attach every ft.adapter to its site as a bypass network";
  let description = [{
    Replaces each `ft.adapter` by its parameters and an `ft.bypass` behind the op with its site. The
    joined value's other uses become uses of the bypass. A site that no `ft.linear` has, or that two
    have, is an error, as is an unknown method.
  }];
  let dependentDialects = ["ftc::ft::FTDialect"];
}

def LowerBypasses : Pass<"ft-lower-bypasses", "mlir::ModuleOp"> {
  let summary = "Inline bypass networks into the functions that hold them";
  let description = [{
    The region's ops move before the bypass; `by add` becomes `ft.add` of the joined and the yielded
    value, `by multiply` `ft.mul`, `by replace` the yielded value alone. A tap that is yielded as it
    is, and bypasses on bypasses, are no errors.
  }];
  let dependentDialects = ["ftc::ft::FTDialect"];
}

def BuildBackward : Pass<"ft-build-backward", "mlir::ModuleOp"> {
  let summary = "Make the entry points, with the complete backward and the optimizer";
  let description = [{
    From `@forward`, which returns the loss, makes `train_step`, `accumulate`, `gradients`, `update`
    and `evaluate`, and the accumulators and moments of every trainable parameter. The reverse graph
    is complete: every differentiable op builds all its gradients through its gradient interface,
    frozen weights included. A trainable parameter without a path to the loss is an error.
  }];
  let dependentDialects = ["ftc::ft::FTDialect", "mlir::func::FuncDialect"];
}

def PruneGraph : Pass<"ft-prune-graph", "mlir::ModuleOp"> {
  let summary = "Keep what a commit or a returned value needs";
  let description = [{
    Demand starts at commits and returned values and spreads to everything that a demanded op reads;
    what is not demanded is erased. Gradients of frozen weights, what only they used, the backward
    below the lowest trainable tensor, and forward work above the last value used all go by this one
    rule. Reports how many weight gradients went and how many bytes of forward values the backward
    no longer reads. Nothing is an error: what cannot be pruned stays.
  }];
  let options = [Option<"off", "off", "bool", "false",
                        "Leave the graph as it is, with a report that says so">];
  let dependentDialects = ["ftc::ft::FTDialect"];
}

def LowerPrecision : Pass<"ft-lower-precision", "mlir::ModuleOp"> {
  let summary = "Compute token-indexed values in a narrower dtype";
  let description = [{
    With the compute dtype bf16, every token-indexed value becomes bf16: what the embedding makes, and
    what an op makes row by row of such values. Gradients of weights, statistics, the loss and the
    optimizer keep their types. Each trained weight of a product gets a shadow in the compute dtype,
    which products read and which is committed with its master; a frozen weight is read as stored if it
    is stored in that dtype, else cast for each use. `ft.cast` stands where an op would mix types. The
    compute dtype is the option's, or else the module's (`ft.compute`, from `bf16: true`); with f32
    nothing changes. Another dtype, and a symbol that has the name of a shadow, are errors.
  }];
  let options = [Option<"computeDType", "compute-dtype", "std::string", "\"\"",
                        "f32 or bf16; otherwise what the module says">];
  let dependentDialects = ["ftc::ft::FTDialect"];
}

def Rematerialize : Pass<"ft-rematerialize", "mlir::ModuleOp"> {
  let summary = "Rebuild forward values for the backward instead of keeping them";
  let description = [{
    Without a limit, every forward value that the backward reads and that one pass over memory rebuilds
    from kept values is rebuilt, where that keeps fewer bytes: normed inputs, activations and their
    products, the embedding's rows. No product and no attention is run again. With `saved-bytes`, these are,
    too: the cheapest choice (by FLOP, or by traffic as FLOP) that keeps at most so many bytes, or else the
    fewest. Both are cuts of one graph, found exactly (`ftc/Analysis/SavedValues.h`); between two cuts,
    regions change over from the first on, and the report has a bound of what an optimum would cost.

    A region is `segments` blocks between *bottlenecks*, values that everything behind them goes through.
    Copies stand where the backward first reads them; a weight's gradient that reads one waits for the
    pass over what the copy reads. What the loss reads is kept. Fewer than one segment is an error.
  }];
  let options = [Option<"off", "off", "bool", "false",
                        "Leave the graph as it is, with a report that says so">,
                 Option<"savedBytes", "saved-bytes", "int64_t", "-1",
                        "Keep at most so many bytes for each backward; -1: repeat no product">,
                 Option<"segments", "segments", "int64_t", "2",
                        "Blocks of a region; a transformer's layer has two">,
                 Option<"flopsPerByte", "flops-per-byte", "int64_t", "200",
                        "Floating-point operations in the time in which a byte is moved">];
  let dependentDialects = ["ftc::ft::FTDialect"];
}

def FormKernels : Pass<"ft-form-kernels", "mlir::ModuleOp"> {
  let summary = "Group ops into kernels";
  let description = [{
    Every value op moves into an `ft.kernel`. Elementwise chains are one `map`; a norm takes in the
    elementwise ops that make its input and those that use its result; a product takes in the
    addition behind it; the gradients of attention with respect to keys and values are one kernel;
    so is cross-entropy with its gradients. Ops are grouped by the interfaces that they implement,
    whatever their dialect. An op that nobody reads has a kernel too: to remove it is another pass's
    work. A function of several blocks is left alone, which is no error here.
  }];
  let options = [Option<"fusion", "fusion", "bool", "true",
                        "Group ops; without it each op has a kernel of its own">];
  let dependentDialects = ["ftc::ft::FTDialect"];
}

def VerifyPhase : Pass<"ft-verify-phase", "mlir::ModuleOp"> {
  let summary = "Check what a phase promises, and report every offender";
  let description = [{
    `forward`: one `@forward` from tokens to a scalar loss. `bypasses`: besides, no adapter is left.
    `lowered`: besides, no bypass is left. `backward`: entry points only. `precision`: besides, where
    the module has a compute dtype, hidden states are in it and each product's factors are in one
    dtype. `kernels`: besides, every value op is inside a kernel. Every op that is left behind is an
    error of its own, and an unknown phase is one.
  }];
  let options = [Option<"phase", "phase", "std::string", "\"forward\"", "Which phase has ended">];
  let dependentDialects = ["ftc::ft::FTDialect"];
}

#endif
