//===- ReferenceForward.cpp - a forward step as schemes see it ------------===//
// One sweep over the forward; what can be made again without a product.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ReferenceForward.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace ftc;
using namespace ftc::ft;

/// The number behind `layers` in a module path, else -1.
static int64_t layerOfSite(StringRef site, StringRef &rest) {
  SmallVector<StringRef> parts;
  site.split(parts, '.');
  int64_t number = -1;
  for (size_t i = 0; i + 1 < parts.size(); ++i)
    if (parts[i] == "layers" && !parts[i + 1].getAsInteger(10, number)) {
      rest = site.drop_front(parts[i + 1].end() - site.begin());
      rest.consume_front(".");
      return number;
    }
  rest = site;
  return -1;
}

ReferenceForward::ReferenceForward(ModuleOp module, func::FuncOp function)
    : body(&function.getBody().front()) {
  auto number = [&](StringRef name) {
    auto attribute = module->getAttrOfType<IntegerAttr>(name);
    return attribute ? attribute.getInt() : 0;
  };
  tokenCount = number(kTokensAttr);
  rowLength = number("ft.max_length");
  if (rowLength <= 0)
    rowLength = tokenCount;
  if (auto compute = module->getAttrOfType<TypeAttr>(kComputeAttr);
      compute && compute.getValue().isIntOrFloat())
    bytesPerNumber = compute.getValue().getIntOrFloatBitWidth() / 8;
  auto attention = module->getAttrOfType<StringAttr>("ft.attn_implementation");
  eager = attention && attention.getValue() == "eager";

  llvm::StringSet<> trainable;
  for (auto parameter : module.getOps<ParameterOp>())
    if (parameter.getRole() == Role::trainable)
      trainable.insert(parameter.getSymName());
  for (Operation &op : *body) {
    auto read = dyn_cast<ReadOp>(op);
    bool needs = read ? trainable.contains(read.getParameter())
                      : llvm::any_of(op.getOperands(), [&](Value v) { return needsGradient(v); });
    if (needs)
      needing.insert(op.result_begin(), op.result_end());
    if (read)
      adapters |= isAdapterWeight(read);
  }
  assignLayers();
}

// An op without a site (an addition) is of the last layer that its operands are of.
void ReferenceForward::assignLayers() {
  for (Operation &op : *body) {
    StringRef rest;
    int64_t layer = layerOfSite(getSite(&op), rest);
    if (getSite(&op).empty())
      for (Value operand : op.getOperands())
        if (Operation *maker = operand.getDefiningOp())
          layer = std::max(layer, layerOf(maker));
    layers[&op] = layer;
  }
}

bool ReferenceForward::isActivation(Value value) const {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType()) && type.getRank() > 0 &&
         type.getDimSize(0) == tokenCount && !value.getDefiningOp<ReadOp>();
}

bool ReferenceForward::isAdapterWeight(Value weight) {
  auto read = weight.getDefiningOp<ReadOp>();
  return read && read.getParameter().starts_with("base_model.");
}

std::string ReferenceForward::nameOf(Operation *op) {
  StringRef rest;
  layerOfSite(getSite(op), rest);
  return (rest.empty() ? op->getName().stripDialect() : rest).str();
}

void KeptTensors::value(Value value, int64_t width) {
  if (!index.try_emplace(value, entries.size()).second)
    return;
  // Statistics of rows are second results and stay in f32.
  Operation *op = value.getDefiningOp();
  bool statistics = op && cast<OpResult>(value).getResultNumber() > 0;
  bool named = op && !getSite(op).empty() && forward.layerOf(op) == forward.layerOf(keeper);
  std::string what = ReferenceForward::nameOf(named ? op : keeper);
  if (!named)
    what += ".input";
  else if (statistics)
    what += isa<AttentionOp>(op) ? ".logsumexp" : ".rstd";
  int64_t elements = cast<RankedTensorType>(value.getType()).getNumElements();
  int64_t layer = forward.layerOf(keeper);
  entries.push_back({value, {what, layer, elements * (statistics ? 4 : width)}});
}

void KeptTensors::made(StringRef what, int64_t bytes) {
  std::string name = ReferenceForward::nameOf(keeper) + "." + what.str();
  entries.push_back({Value(), {name, forward.layerOf(keeper), bytes}});
}

void KeptTensors::table(Value table, int64_t bytes) {
  auto read = table.getDefiningOp<ReadOp>();
  entries.push_back({Value(), {read ? read.getParameter().str() : "table", -1, bytes}});
}

void KeptTensors::drop(Value value) {
  auto found = index.find(value);
  if (found == index.end())
    return;
  entries[found->second].value = Value();
  entries[found->second].tensor.bytes = 0;
  index.erase(found);
}

std::vector<Value> KeptTensors::values() const {
  std::vector<Value> values;
  for (const Entry &entry : entries)
    if (entry.value)
      values.push_back(entry.value);
  return values;
}

std::vector<KeptTensor> KeptTensors::take() {
  std::vector<KeptTensor> tensors;
  for (Entry &entry : entries)
    if (entry.tensor.bytes > 0)
      tensors.push_back(std::move(entry.tensor));
  return tensors;
}

int64_t ftc::flopsOf(Operation *op) {
  auto costed = dyn_cast<CostOpInterface>(op);
  return costed ? costed.getCost().flops : 0;
}

//===-- Rebuilding --------------------------------------------------------===//

namespace {
/// Which values can be made again without a product; a value's answer depends on those above it
/// alone, so that dropping one never spoils another.
class Rebuilding {
public:
  Rebuilding(const ReferenceForward &forward, const KeptTensors &kept)
      : forward(forward), kept(kept) {
    for (Operation &op : forward.block())
      for (Value result : op.getResults())
        if (decide(result))
          rebuildable.insert(result);
  }

  bool isRebuildable(Value value) const { return rebuildable.contains(value); }

  /// FLOP of making the value again, ops that were counted before apart.
  int64_t flops(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op || !isRebuildable(value) || !counted.insert(op).second)
      return 0;
    int64_t sum = flopsOf(op);
    for (Value operand : op->getOperands())
      sum += flops(operand);
    return sum;
  }

private:
  static bool isProduct(Operation *op) {
    return isa<LinearOp, MatmulOp, AttentionOp, LinearCrossEntropyOp>(op);
  }
  bool decide(Value value) const {
    Operation *op = value.getDefiningOp();
    if (isProduct(op) || (isa<RMSNormOp>(op) && cast<OpResult>(value).getResultNumber() == 1))
      return false;
    return llvm::all_of(op->getOperands(), [&](Value operand) {
      return !forward.isActivation(operand) || kept.has(operand) || isRebuildable(operand);
    });
  }

  const ReferenceForward &forward;
  const KeptTensors &kept;
  llvm::DenseSet<Value> rebuildable;
  llvm::DenseSet<Operation *> counted;
};
} // namespace

int64_t ftc::dropRebuildable(const ReferenceForward &forward, KeptTensors &kept) {
  Rebuilding rebuilding(forward, kept);
  int64_t flops = 0;
  for (Value value : kept.values())
    if (rebuilding.isRebuildable(value)) {
      flops += rebuilding.flops(value);
      kept.drop(value);
    }
  return flops;
}
