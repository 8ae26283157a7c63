//===- BuildBackward.cpp - ft-build-backward ------------------------------===//
// Entry points from the forward step: complete reverse graph, accumulation, clipping, AdamW.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/Report.h"
#include "ftc/Mutants.h"
#include "ftc/Transforms/Passes.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

#include <map>

namespace ftc::ft {
#define GEN_PASS_DEF_BUILDBACKWARD
#include "ftc/Transforms/Passes.h.inc"
} // namespace ftc::ft

using namespace mlir;
using namespace ftc;
using namespace ftc::ft;

namespace {
/// A trainable parameter and the state beside it.
struct Trainable {
  ParameterOp parameter, accumulator, moment1, moment2;
};

/// Gradients of one function's parameters, in the order in which the reverse sweep met them.
using Contributions = llvm::MapVector<StringAttr, SmallVector<Value>>;

/// Builds the reverse of everything in front of `loss` behind it. Where a value has several readers
/// their gradients are added as they come, so each addition has one product as its right operand.
class ReverseBuilder {
public:
  ReverseBuilder(OpBuilder &builder, Block &block) : builder(builder), block(block) {}

  /// How many gradients each op's rule has built, by the op's name.
  std::map<std::string, int64_t> rules;

  Contributions build(Value loss) {
    SmallVector<Operation *> forward;
    for (Operation &op : block)
      forward.push_back(&op);
    BoundaryOp::create(builder, loss.getLoc());
    Value seed =
        ConstantOp::create(builder, loss.getLoc(), loss.getType(), builder.getF64FloatAttr(1.0));
    gradients[loss] = seed;
    for (Operation *op : llvm::reverse(forward))
      visit(op);
    return std::move(contributions);
  }

private:
  void visit(Operation *op) {
    SmallVector<Value> resultGrads;
    bool reached = false;
    for (Value result : op->getResults()) {
      resultGrads.push_back(gradients.lookup(result));
      reached |= resultGrads.back() != nullptr;
    }
    auto differentiable = dyn_cast<DifferentiableOpInterface>(op);
    if (!reached || !differentiable)
      return;
    SmallVector<Value> operandGrads;
    differentiable.buildGradient(builder, resultGrads, operandGrads);
    assert(operandGrads.size() == op->getNumOperands() && "one gradient per operand");
    for (auto [operand, grad] : llvm::zip(op->getOperands(), operandGrads)) {
      if (!grad)
        continue;
      ++rules[op->getName().stripDialect().str()];
      // A parameter's contributions stay apart: they go into its accumulator one by one.
      if (auto read = operand.getDefiningOp<ReadOp>()) {
        contributions[read.getParameterAttr().getAttr()].push_back(grad);
        continue;
      }
      Value &sum = gradients[operand];
      sum = FTC_MUTATE("missing-residual-gradient", sum, Value())
                ? AddOp::create(builder, op->getLoc(), sum.getType(), sum, grad).getResult()
                : grad;
    }
  }

  OpBuilder &builder;
  Block &block;
  llvm::DenseMap<Value, Value> gradients;
  Contributions contributions;
};

struct BuildBackwardPass : ft::impl::BuildBackwardBase<BuildBackwardPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto forward = module.lookupSymbol<func::FuncOp>("forward");
    if (!forward || forward.isExternal() || !forward.getBody().hasOneBlock()) {
      module.emitError("needs a function @forward of one block; is this a forward step?");
      return signalPassFailure();
    }
    auto result = dyn_cast<func::ReturnOp>(forward.getBody().front().getTerminator());
    if (!result || result.getNumOperands() != 1 || forward.getNumArguments() != 4 ||
        !isa<RunType>(forward.getArgumentTypes()[3])) {
      forward.emitOpError("must take ids, labels, segments and run, and return the loss");
      return signalPassFailure();
    }
    declareState(module);
    if (trainables.empty()) {
      module.emitError("has no trainable parameter; attach an adapter, or give parameters "
                       "role(trainable)");
      return signalPassFailure();
    }

    if (failed(buildStep(forward, "train_step", /*accumulate=*/true, /*update=*/true)) ||
        failed(buildStep(forward, "accumulate", /*accumulate=*/true, /*update=*/false)) ||
        failed(buildStep(forward, "gradients", /*accumulate=*/false, /*update=*/false)))
      return signalPassFailure();
    buildUpdate(forward);
    clone(forward, "evaluate");
    forward.erase();

    int64_t elements = 0;
    for (Trainable &trainable : trainables)
      elements += trainable.parameter.getTensorType().getNumElements();
    Observer observer("ft-build-backward");
    observer.count("trainable_tensors", trainables.size());
    observer.count("trainable_elements", elements);
    int64_t gradients = 0;
    for (const auto &[rule, count] : rules) {
      observer.count("gradients." + rule, count);
      gradients += count;
    }
    observer.remark(
        llvm::formatv("{0} trainable tensors, {1} elements", trainables.size(), elements));
    observer.remark(llvm::formatv("{0} gradients by the rules of {1} kinds of ops; accumulators "
                                  "and moments take {2}",
                                  gradients, rules.size(), formatBytes(int64_t(3) * 4 * elements)));
    observer.commit(module);
  }

  /// Accumulators and moments behind each trainable parameter, named after it.
  void declareState(ModuleOp module) {
    for (ParameterOp parameter : llvm::make_early_inc_range(module.getOps<ParameterOp>())) {
      if (parameter.getRole() != Role::trainable)
        continue;
      OpBuilder builder(parameter);
      builder.setInsertionPointAfter(parameter);
      auto declare = [&](StringRef suffix, Role role) {
        return ParameterOp::create(builder, parameter.getLoc(),
                                   (parameter.getSymName() + suffix).str(),
                                   parameter.getTensorType(), role, builder.getF32Type(), "zeros");
      };
      Trainable &trainable = trainables.emplace_back();
      trainable.parameter = parameter;
      trainable.accumulator = declare(".grad", Role::accumulator);
      trainable.moment1 = declare(".exp_avg", Role::moment1);
      trainable.moment2 = declare(".exp_avg_sq", Role::moment2);
    }
  }

  static func::FuncOp clone(func::FuncOp forward, StringRef name) {
    auto copy = cast<func::FuncOp>(forward->clone());
    copy.setSymName(name);
    copy.setPublic();
    OpBuilder(forward).insert(copy);
    return copy;
  }

  static Value read(OpBuilder &builder, ParameterOp parameter) {
    return ReadOp::create(builder, parameter.getLoc(), parameter.getTensorType(),
                          parameter.getSymName());
  }
  static void commit(OpBuilder &builder, ParameterOp parameter, Value value) {
    CommitOp::create(builder, parameter.getLoc(), parameter.getSymName(), value);
  }

  LogicalResult buildStep(func::FuncOp forward, StringRef name, bool accumulate, bool update) {
    func::FuncOp step = clone(forward, name);
    Block &block = step.getBody().front();
    auto result = cast<func::ReturnOp>(block.getTerminator());
    OpBuilder builder(result);
    Value loss = result.getOperand(0);
    ReverseBuilder reverse(builder, block);
    Contributions contributions = reverse.build(loss);
    rules = std::move(reverse.rules); // the same for each step

    SmallVector<Value> grads;
    for (Trainable &trainable : trainables) {
      ParameterOp parameter = trainable.parameter;
      ArrayRef<Value> terms = contributions[parameter.getSymNameAttr()];
      if (terms.empty()) {
        parameter.emitOpError("is trainable, but no path leads from it to the loss");
        return failure();
      }
      Value sum;
      if (FTC_MUTATE("accumulator-overwritten", accumulate, false)) {
        builder.setInsertionPointToStart(&block);
        sum = read(builder, trainable.accumulator);
      }
      for (Value term : terms) {
        if (!sum) {
          sum = term;
          continue;
        }
        // Where the later of the two is made, so that a product can be added up in place.
        Operation *later = sum.getDefiningOp()->isBeforeInBlock(term.getDefiningOp())
                               ? term.getDefiningOp()
                               : sum.getDefiningOp();
        builder.setInsertionPointAfter(later);
        sum = AddOp::create(builder, parameter.getLoc(), sum.getType(), sum, term);
      }
      builder.setInsertionPoint(result);
      grads.push_back(sum);
    }
    if (update) {
      Value norm = buildOptimizer(builder, step.getArgument(3), grads);
      result.getOperandsMutable().append(norm);
      step.setFunctionType(
          builder.getFunctionType(step.getArgumentTypes(), result.getOperandTypes()));
    } else {
      for (auto [trainable, grad] : llvm::zip(trainables, grads))
        commit(builder, trainable.accumulator, grad);
    }
    return success();
  }

  /// The optimizer alone, from the accumulators.
  void buildUpdate(func::FuncOp forward) {
    OpBuilder builder(forward);
    auto update =
        func::FuncOp::create(builder, forward.getLoc(), "update",
                             builder.getFunctionType({forward.getArgumentTypes()[3]}, {}));
    builder.setInsertionPointToStart(update.addEntryBlock());
    SmallVector<Value> grads;
    for (Trainable &trainable : trainables)
      grads.push_back(read(builder, trainable.accumulator));
    SmallVector<Value> results;
    if (!grads.empty())
      results.push_back(buildOptimizer(builder, update.getArgument(0), grads));
    func::ReturnOp::create(builder, forward.getLoc(), results);
    update.setFunctionType(
        builder.getFunctionType(update.getArgumentTypes(), ValueRange(results).getTypes()));
  }

  /// Clipping and AdamW over all trainables, accumulators back to zero. Returns the norm.
  Value buildOptimizer(OpBuilder &builder, Value run, ArrayRef<Value> grads) {
    Location loc = builder.getUnknownLoc();
    auto scalar = RankedTensorType::get({}, builder.getF32Type());
    Value norm = GlobalNormOp::create(builder, loc, scalar, grads);
    auto field = [&](RunField which) -> Value {
      return RunValueOp::create(builder, loc, scalar, run, which);
    };
    Value clip = ClipScaleOp::create(builder, loc, scalar, norm, field(RunField::max_grad_norm));
    Value lr = field(RunField::learning_rate), alpha1 = field(RunField::one_minus_beta1),
          alpha2 = field(RunField::one_minus_beta2), epsilon = field(RunField::epsilon),
          decay = field(RunField::weight_decay), bc1 = field(RunField::bias_correction1),
          bc2 = field(RunField::bias_correction2_sqrt);
    for (auto [trainable, grad] : llvm::zip(trainables, grads)) {
      Location at = trainable.parameter.getLoc();
      Type type = grad.getType();
      auto adamw =
          AdamWOp::create(builder, at, type, type, type, read(builder, trainable.parameter), grad,
                          read(builder, trainable.moment1), read(builder, trainable.moment2), clip,
                          lr, alpha1, alpha2, epsilon, decay, bc1, bc2,
                          FTC_MUTATE("everything-decays", trainable.parameter.getNoDecay(), false)
                              ? UnitAttr()
                              : builder.getUnitAttr());
      commit(builder, trainable.parameter, adamw.getNewParam());
      commit(builder, trainable.moment1, adamw.getNewMoment1());
      commit(builder, trainable.moment2, adamw.getNewMoment2());
      Value zero = ConstantOp::create(builder, at, type, builder.getF64FloatAttr(0.0));
      commit(builder, trainable.accumulator, zero);
    }
    return norm;
  }

  SmallVector<Trainable> trainables;
  std::map<std::string, int64_t> rules; ///< gradients of a step by the op whose rule built them
};
} // namespace
