//===- FTInterfaces.td - what an ft op must be able to say ----*- tablegen -*-===//
// Gradient, evaluation, cost, sharding; scalar bodies of elementwise and reducing ops.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===-------------------------------------------------------------------------===//
#ifndef FTC_DIALECTS_FT_INTERFACES_TD
#define FTC_DIALECTS_FT_INTERFACES_TD

include "mlir/IR/OpBase.td"

def FT_DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::ftc::ft";
  let description = [{
    An op that builds its own vector-Jacobian product out of `ft` ops. The backward builder asks
    every op for the gradients of *all* its floating operands, frozen or not; pruning removes what
    nobody uses.
  }];
  let methods = [
    InterfaceMethod<[{
        Appends to `operandGrads` one value per operand: the gradient of the loss with respect to
        it, of the operand's type, or null where the operand is not differentiable (indices,
        tables, segments). `resultGrads` has one value per result, null where no gradient reaches
        the result; at least one is not null.
      }],
      "void", "buildGradient",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$resultGrads,
           "::llvm::SmallVectorImpl<::mlir::Value> &":$operandGrads)>
  ];
}

def FT_EvaluableOpInterface : OpInterface<"EvaluableOpInterface"> {
  let cppNamespace = "::ftc::ft";
  let description = [{
    An op with an executable meaning, from its definition and as simply as it can be written: in
    double precision, or rounded as a plain program in single precision rounds
    (EvaluationContext). The implementations are external models in lib/Interpreter.
  }];
  let methods = [
    InterfaceMethod<[{
        Computes the results from the operands. Indices travel as doubles too (exact below 2^53).
      }],
      "::llvm::LogicalResult", "evaluate",
      (ins "::ftc::ft::EvaluationContext &":$context,
           "::llvm::ArrayRef<::ftc::ft::HostValue>":$operands,
           "::llvm::SmallVectorImpl<::ftc::ft::HostValue> &":$results)>
  ];
}

def FT_CostOpInterface : OpInterface<"CostOpInterface"> {
  let cppNamespace = "::ftc::ft";
  let description = [{What one execution of an op costs.}];
  let methods = [
    InterfaceMethod<[{
        Floating-point operations (a multiply-add counts 2) and the bytes of logical operands and
        results, each read or written once. Attention counts the causal half of one segment of T
        tokens. Source of the formulas: docs/cost-model.md.
      }],
      "::ftc::ft::Cost", "getCost", (ins), [{}], [{
        return ::ftc::ft::elementwiseCost($_op.getOperation(), /*flopsPerElement=*/1);
      }]>
  ];
}

def FT_ShardingOpInterface : OpInterface<"ShardingOpInterface"> {
  let cppNamespace = "::ftc::ft";
  let description = [{
    How shards of operands become shards of results on one grid axis. Declared here so that ops
    can be written against it; the parallelization passes fill it.
  }];
  let methods = [
    InterfaceMethod<[{
        The state of result `index` on one grid axis when the operands are in the given states, or
        nothing where the op cannot run on such shards without communication.
      }],
      "::std::optional<::ftc::ft::ShardState>", "inferShardState",
      (ins "unsigned":$index, "::llvm::ArrayRef<::ftc::ft::ShardState>":$operands)>
  ];
}

def FT_ElementwiseOpInterface : OpInterface<"ElementwiseOpInterface"> {
  let cppNamespace = "::ftc::ft";
  let description = [{
    An op whose result elements depend on one element of each operand. It writes its scalar body in
    `arith` and `math`; kernels of family `map` are chains of such ops, and reducing kernels take
    them in before and behind the reduction.
  }];
  let methods = [
    InterfaceMethod<"How operand `index` is read for one element of the result.",
      "::ftc::ft::Indexing", "getOperandIndexing", (ins "unsigned":$index), [{}], [{
        return ::ftc::ft::indexingByType($_op->getOperand(index).getType(),
                                         $_op->getResult(0).getType());
      }]>,
    InterfaceMethod<"Builds the scalar body: one scalar per operand in, one per result out.",
      "void", "buildScalar",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ValueRange":$scalars, "::llvm::SmallVectorImpl<::mlir::Value> &":$results)>
  ];
}

def FT_RowReductionOpInterface : OpInterface<"RowReductionOpInterface"> {
  let cppNamespace = "::ftc::ft";
  let description = [{
    An op over rows: sums of contributions along a row, row scalars computed from the sums, and
    result elements computed from operand elements and row scalars. Results are `[T, n]` (one
    element each) or `[T]` (a row scalar).
  }];
  let methods = [
    InterfaceMethod<"How operand `index` is read for one element.",
      "::ftc::ft::Indexing", "getOperandIndexing", (ins "unsigned":$index)>,
    InterfaceMethod<"The terms that element contributes to the row's sums.",
      "void", "buildContributions",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ValueRange":$scalars, "::llvm::SmallVectorImpl<::mlir::Value> &":$terms)>,
    InterfaceMethod<[{
        Row scalars from the sums. `scalars` holds the operands that are read by row or are scalar,
        null for the others.
      }],
      "void", "buildFinish",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::ValueRange":$scalars,
           "::mlir::ValueRange":$sums, "::llvm::SmallVectorImpl<::mlir::Value> &":$rowScalars)>,
    InterfaceMethod<[{
        The op's results for one element; a result `[T]` is one of the row scalars.
      }],
      "void", "buildElements",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc, "::mlir::ValueRange":$scalars,
           "::mlir::ValueRange":$rowScalars, "::llvm::SmallVectorImpl<::mlir::Value> &":$results)>
  ];
}

def FT_ColumnReductionOpInterface : OpInterface<"ColumnReductionOpInterface"> {
  let cppNamespace = "::ftc::ft";
  let description = [{An op with one result `[n]`: the sum over rows of a term per element.}];
  let methods = [
    InterfaceMethod<"How operand `index` is read for one element.",
      "::ftc::ft::Indexing", "getOperandIndexing", (ins "unsigned":$index)>,
    InterfaceMethod<"The term of one element.",
      "::mlir::Value", "buildTerm",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ValueRange":$scalars)>
  ];
}

#endif
