//===- Lora.cpp - LoRA as a bypass network --------------------------------===//
// y + scaling * B(A x) (Hu et al. 2021; PEFT's LoraLayer). Config: r (i64), scaling (f64),
// init_b ("zeros", "kaiming_uniform" or "orthogonal"); init_a (the same, or "gaussian": normal with
// standard deviation 1 / r; kaiming_uniform where absent); bias, its init: y + scaling (B(A x) +
// b). Checkpoint keys: <prefix><site>.lora_{A,B}.weight, <prefix><site>.lora_B.bias.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
// With dropout (f64), x is dropped with that probability, drawn at <prefix><site>.lora_dropout.
// With dora (unit), Dora.h: y + scaling * B(A x) is scaled by columns, by g; or, where x' is left
// of x, (g - 1) W x' + g scaling B(A x') is added.
//===----------------------------------------------------------------------===//
#include "Dora.h"
#include "ftc/Mutants.h"
#include "ftc/Transforms/Adapters.h"

using namespace mlir;
using namespace ftc::ft;

FailureOr<Value> ftc::ft::runOfDropout(AdapterOp adapter, Operation *target) {
  auto dropout = adapter.getConfig().getAs<FloatAttr>("dropout");
  double rate = dropout ? dropout.getValueAsDouble() : 0;
  if (!(rate >= 0 && rate <= 1))
    return adapter.emitOpError("of method ")
           << adapter.getMethod() << " has dropout " << rate << "; expected 0 to 1";
  if (rate == 0)
    return Value();
  for (Value argument : target->getBlock()->getArguments())
    if (isa<RunType>(argument.getType()))
      return argument;
  return adapter.emitOpError("of method ")
         << adapter.getMethod() << " has dropout, but the function takes no run to draw with";
}

ParameterOp ftc::ft::loraFactor(OpBuilder &builder, Location loc, const std::string &name,
                                RankedTensorType type, StringRef init, int64_t rank, StringRef site,
                                bool isB) {
  NamedAttrList arguments;
  if (init == "gaussian") {
    arguments.set("std", builder.getF64FloatAttr(1.0 / static_cast<double>(rank)));
    init = "normal";
  } else if (init == "orthogonal") {
    arguments.set("group", builder.getStringAttr(site));
    if (isB)
      arguments.set("is_b", builder.getUnitAttr());
  }
  return ParameterOp::create(builder, loc, name, type, Role::trainable, builder.getF32Type(), init,
                             arguments.empty() ? DictionaryAttr()
                                               : arguments.getDictionary(builder.getContext()));
}

ParameterOp ftc::ft::biasOfB(OpBuilder &builder, Location loc, const std::string &name,
                             RankedTensorType type, StringRef init, int64_t rank) {
  NamedAttrList arguments;
  if (init == "kaiming_uniform")
    arguments.set("fan_in", builder.getI64IntegerAttr(rank));
  if (type.getRank() != 1)
    arguments.set("key_shape", builder.getDenseI64ArrayAttr(type.getNumElements()));
  auto bias = ParameterOp::create(
      builder, loc, name, type, Role::trainable, builder.getF32Type(), init,
      arguments.empty() ? DictionaryAttr() : arguments.getDictionary(builder.getContext()));
  bias.setNoDecayAttr(builder.getUnitAttr());
  return bias;
}

FailureOr<LoraConfig> ftc::ft::loraConfig(AdapterOp adapter) {
  auto rank = adapter.getConfig().getAs<IntegerAttr>("r");
  auto scaling = adapter.getConfig().getAs<FloatAttr>("scaling");
  auto initA = adapter.getConfig().getAs<StringAttr>("init_a");
  auto initB = adapter.getConfig().getAs<StringAttr>("init_b");
  if (rank && rank.getInt() > 0 && scaling && initB)
    return LoraConfig{rank.getInt(), scaling, initA ? initA.getValue() : "kaiming_uniform",
                      initB.getValue()};
  adapter.emitOpError("of method ")
      << adapter.getMethod() << " needs r > 0 (i64), scaling (f64) and init_b";
  return failure();
}

FailureOr<BypassOp> ftc::ft::attachLora(AdapterOp adapter, LinearOp target, OpBuilder &parameters,
                                        OpBuilder &builder) {
  FailureOr<LoraConfig> config = loraConfig(adapter);
  if (failed(config))
    return failure();
  auto [rank, scaling, initA, initB] = *config;
  FailureOr<Value> drawn = runOfDropout(adapter, target);
  if (failed(drawn))
    return failure();
  Value run = *drawn;
  auto dropout = adapter.getConfig().getAs<FloatAttr>("dropout");
  Location loc = adapter.getLoc();
  Type element = target.getWeight().getType().getElementType();
  auto initBias = adapter.getConfig().getAs<StringAttr>("bias");
  auto typeA = RankedTensorType::get({rank, target.getIn()}, element);
  auto typeB = RankedTensorType::get({target.getOut(), rank}, element);
  std::string site = adapter.getSite().str(), path = adapter.getPrefix().str() + site;
  auto a = loraFactor(parameters, loc, path + ".lora_A.weight", typeA, initA, rank, site, false);
  auto b = loraFactor(parameters, loc, path + ".lora_B.weight", typeB, initB, rank, site, true);
  ParameterOp bias;
  if (initBias)
    bias = biasOfB(parameters, loc, path + ".lora_B.bias",
                   RankedTensorType::get({target.getOut()}, element), initBias.getValue(), rank);

  FailureOr<ParameterOp> magnitude = ParameterOp();
  DoraLayout layout = target.getTransposed() ? DoraLayout::columns : DoraLayout::rows;
  bool dora = adapter.getConfig().contains("dora");
  if (dora)
    magnitude = makeMagnitude(adapter, target.getWeight(), layout, a, b, scaling.getValueAsDouble(),
                              parameters);
  if (failed(magnitude))
    return failure();

  SmallVector<Value> taps = {target.getInput()};
  if (run)
    taps.push_back(run);
  if (dora)
    taps.push_back(target.getWeight());
  if (dora && !run)
    taps.push_back(target.getResult());
  auto bypass =
      BypassOp::create(builder, loc, target.getType(), adapter.getMethod(), site, taps,
                       target.getResult(), dora && !run ? JoinKind::replace : JoinKind::add);
  OpBuilder body(builder.getContext());
  body.createBlock(&bypass.getBody(), {}, ValueRange(taps).getTypes(),
                   SmallVector<Location>(taps.size(), loc));
  Block::BlockArgListType arguments = bypass.getBody().getArguments();
  Value tap = arguments[0];
  if (run)
    tap = DropoutOp::create(body, loc, tap, arguments[1], dropout.getValueAsDouble(),
                            path + ".lora_dropout");
  Value readA = ReadOp::create(body, loc, typeA, a.getSymName());
  Value readB = ReadOp::create(body, loc, typeB, b.getSymName());
  Value down = LinearOp::create(body, loc, tap, readA, site + ".lora_A");
  Value up = LinearOp::create(body, loc, down, readB, site + ".lora_B");
  if (bias) {
    Value vector = ReadOp::create(body, loc, bias.getTensorType(), bias.getSymName());
    up = BiasAddOp::create(body, loc, up.getType(), up, vector);
  }
  Value scaled = ScaleOp::create(
      body, loc, up.getType(), up,
      body.getF64FloatAttr(FTC_MUTATE("dropped-scale", scaling.getValueAsDouble(), 1.0)));
  if (dora) {
    Value weight = arguments[run ? 2 : 1];
    DoraWeight lengths = buildDora(body, loc, *magnitude, weight, layout, readA, readB,
                                   scaling.getValueAsDouble(), site);
    Value scales = lengths.scales;
    auto scaleBy = [&](Value value, Value by) -> Value {
      return ScaleColumnsOp::create(body, loc, value, by, site + ".lora_magnitude_vector");
    };
    if (run) {
      Value base = LinearOp::create(body, loc, tap, weight, site, 1.0, target.getTransposed());
      Value minusOne = ConstantOp::create(body, loc, scales.getType(), body.getF64FloatAttr(-1.0));
      Value change = AddOp::create(body, loc, scales.getType(), scales, minusOne);
      scaled = AddOp::create(body, loc, scaled.getType(), scaleBy(base, change),
                             scaleBy(scaled, scales));
    } else {
      Value adapted = FTC_MUTATE(
          "dora-through-weight",
          AddOp::create(body, loc, scaled.getType(), arguments[2], scaled).getResult(),
          LinearOp::create(body, loc, tap, lengths.adapted, site, 1.0, target.getTransposed())
              .getResult());
      scaled = scaleBy(adapted, scales);
    }
  }
  YieldOp::create(body, loc, scaled);
  return bypass;
}
