//===- KernelTable.cpp - kernels shared by launches -----------------------===//
// Equal kernels are one symbol; scalar regions are written once.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelTable.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ftc;

FlatSymbolRefAttr KernelTable::get(const KernelSpec &spec, Location loc) {
  std::string key;
  llvm::raw_string_ostream os(key);
  os << launch::stringifyFamily(spec.family) << '|' << spec.body << '|';
  for (launch::ArgAttr arg : spec.args)
    os << arg << ',';
  if (spec.params)
    os << spec.params;
  FlatSymbolRefAttr &symbol = bySpec[key];
  if (symbol)
    return symbol;

  unsigned taken = names[spec.name]++;
  std::string name = taken ? spec.name + "_" + std::to_string(taken) : spec.name;
  SmallVector<Attribute> args(spec.args.begin(), spec.args.end());
  auto kernel =
      launch::KernelOp::create(builder, loc, name, /*sym_visibility=*/StringAttr(), spec.family,
                               builder.getArrayAttr(args), spec.params, spec.regions);
  if (spec.fill)
    spec.fill(kernel);
  symbol = FlatSymbolRefAttr::get(builder.getContext(), name);
  return symbol;
}

std::string ftc::describeBody(ft::KernelOp kernel) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::DenseMap<Value, unsigned> numbers;
  auto number = [&](Value value) { numbers.try_emplace(value, numbers.size()); };
  llvm::for_each(kernel.getBody().getArguments(), number);
  for (Operation &op : kernel.getBody().front()) {
    os << op.getName().stripDialect() << '(';
    for (Value operand : op.getOperands())
      os << numbers.lookup(operand) << ' ';
    for (NamedAttribute attribute : op.getAttrs())
      if (attribute.getName() != "site")
        os << attribute.getName().getValue() << '=' << attribute.getValue() << ' ';
    for (Value result : op.getResults()) {
      // The shape is the arguments' to say: a flat map is the same for every length.
      os << cast<RankedTensorType>(result.getType()).getElementType() << ' ';
      number(result);
    }
    os << ')';
  }
  return text;
}

Operation *ftc::findReduction(ft::KernelOp kernel) {
  for (Operation &op : kernel.getBody().front())
    if (isa<ft::RowReductionOpInterface, ft::ColumnReductionOpInterface>(op))
      return &op;
  return nullptr;
}

namespace {
/// Writes one scalar region: values of the ft.kernel as scalars, built on demand.
class RegionWriter {
public:
  RegionWriter(launch::KernelOp target, unsigned region, ArrayRef<StreamArg> args)
      : builder(target.getContext()), loc(target.getLoc()), args(args) {
    block = &target.getBodies()[region].front();
    if (block->empty())
      builder.setInsertionPointToEnd(block);
  }

  /// A block argument for every argument that is read and that `wanted` takes.
  void takeArguments(llvm::function_ref<bool(const StreamArg &)> wanted) {
    for (const StreamArg &arg : args)
      if (arg.input && wanted(arg))
        inputs.push_back({arg.input, arg.indexing, addArgument()});
  }

  Value addArgument() { return block->addArgument(builder.getF32Type(), loc); }

  /// The scalar of an operand as its op reads it; null for arguments that the region has not.
  Value scalar(Value value, ft::Indexing indexing) {
    if (isa<BlockArgument>(value)) {
      for (const Input &input : inputs)
        if (input.value == value && input.indexing == indexing)
          return input.scalar;
      return Value();
    }
    if (Value known = scalars.lookup(value))
      return known;
    auto op = cast<ft::ElementwiseOpInterface>(value.getDefiningOp());
    SmallVector<Value> operands, results;
    for (auto [index, operand] : llvm::enumerate(op->getOperands()))
      operands.push_back(scalar(operand, op.getOperandIndexing(index)));
    op.buildScalar(builder, loc, operands, results);
    for (auto [result, built] : llvm::zip(op->getResults(), results))
      scalars[result] = built;
    return scalars.lookup(value);
  }

  template <typename Op> SmallVector<Value> operandsOf(Op op) {
    SmallVector<Value> operands;
    for (auto [index, operand] : llvm::enumerate(op->getOperands()))
      operands.push_back(scalar(operand, op.getOperandIndexing(index)));
    return operands;
  }

  void define(Value value, Value scalar) { scalars[value] = scalar; }
  void yield(ValueRange values) { launch::YieldOp::create(builder, loc, values); }

  /// Yields what the kernel's written arguments get, in their order.
  void yieldOutputs(ft::KernelOp source) {
    auto results = cast<ft::YieldOp>(source.getBody().front().getTerminator()).getValues();
    SmallVector<Value> values;
    for (const StreamArg &arg : args)
      if (arg.output >= 0)
        values.push_back(scalar(results[arg.output], ft::Indexing::element));
    yield(values);
  }

  OpBuilder builder;
  Location loc;

private:
  struct Input {
    Value value;
    ft::Indexing indexing;
    Value scalar;
  };
  Block *block;
  ArrayRef<StreamArg> args;
  SmallVector<Input> inputs;
  llvm::DenseMap<Value, Value> scalars;
};
} // namespace

static void fillRows(launch::KernelOp target, ft::KernelOp source, ArrayRef<StreamArg> args) {
  auto reduction = cast<ft::RowReductionOpInterface>(findReduction(source));
  auto all = [](const StreamArg &) { return true; };
  auto byRow = [](const StreamArg &arg) {
    return arg.indexing == ft::Indexing::row || arg.indexing == ft::Indexing::scalar;
  };
  RegionWriter contributions(target, 0, args);
  contributions.takeArguments(all);
  SmallVector<Value> terms;
  reduction.buildContributions(contributions.builder, contributions.loc,
                               contributions.operandsOf(reduction), terms);
  contributions.yield(terms);

  RegionWriter finish(target, 1, args);
  finish.takeArguments(byRow);
  SmallVector<Value> sums, rowScalars, rowOperands;
  for (size_t i = 0; i < terms.size(); ++i)
    sums.push_back(finish.addArgument());
  for (auto [index, operand] : llvm::enumerate(reduction->getOperands())) {
    ft::Indexing indexing = reduction.getOperandIndexing(index);
    bool perRow = indexing == ft::Indexing::row || indexing == ft::Indexing::scalar;
    rowOperands.push_back(perRow ? finish.scalar(operand, indexing) : Value());
  }
  reduction.buildFinish(finish.builder, finish.loc, rowOperands, sums, rowScalars);
  finish.yield(rowScalars);

  RegionWriter elements(target, 2, args);
  elements.takeArguments(all);
  SmallVector<Value> given, results;
  for (size_t i = 0; i < rowScalars.size(); ++i)
    given.push_back(elements.addArgument());
  reduction.buildElements(elements.builder, elements.loc, elements.operandsOf(reduction), given,
                          results);
  for (auto [result, built] : llvm::zip(reduction->getResults(), results))
    elements.define(result, built);
  elements.yieldOutputs(source);
}

void ftc::fillRegions(launch::KernelOp target, ft::KernelOp source, ArrayRef<StreamArg> args) {
  for (Region &region : target.getBodies())
    region.emplaceBlock();
  if (target.getFamily() == launch::Family::row_reduce)
    return fillRows(target, source, args);
  RegionWriter writer(target, 0, args);
  if (target.getFamily() == launch::Family::map) {
    writer.takeArguments([](const StreamArg &) { return true; });
    return writer.yieldOutputs(source);
  }
  // A column sum starts from its output where that is read: the region only gives the term.
  writer.takeArguments([](const StreamArg &arg) { return arg.output < 0; });
  auto reduction = cast<ft::ColumnReductionOpInterface>(findReduction(source));
  writer.yield(reduction.buildTerm(writer.builder, writer.loc, writer.operandsOf(reduction)));
}
