//===- Validity.cpp - choices that agree ----------------------------------===//
// What has no meaning beside other choices, or would be refused, gets its simplest value.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Program.h"

#include "llvm/ADT/STLExtras.h"

using namespace ftc;
using namespace ftc::test;

static void simplify(Program &program, std::initializer_list<int64_t Program::*> members) {
  const Program simplest;
  for (int64_t Program::*member : members)
    program.*member = simplest.*member;
}

/// Adapters on parameters have few options. All linear layers are such in models with experts,
/// where an expression is for all layers.
static void makeParametersValid(Program &program) {
  using P = Program;
  std::string targets = wordOf(program, &P::targets);
  if (!familyOf(program).experts) {
    simplify(program, {&P::parameters});
    return;
  }
  if (targets == "regex")
    program.targetLayer = 2;
  if (!program.parameters && targets != "all-linear")
    return;
  if (program.dora) {
    simplify(program, {&P::parameters});
    if (targets == "all-linear")
      program.targets = 0;
    return;
  }
  simplify(program, {&P::loraBias, &P::dropout});
  if (program.initLora == 3)
    program.initLora = 0;
}

/// Options of LoRA that PEFT or ftc does not take together.
static void makeOptionsValid(Program &program) {
  using P = Program;
  if (program.initLora == 3)
    program.r += program.r % 2; // rows of an orthogonal matrix, in pairs
  if (program.dora || program.initLora > 1)
    simplify(program, {&P::loraBias});
  makeParametersValid(program);
  if (program.targets != 0)
    simplify(program, {&P::ends});
  else if (program.loraBias)
    program.ends &= 2;
  // One module is adapted, saved, or trained by rows.
  if (program.ends)
    simplify(program, {&P::saved, &P::tokenRows});
  // A layer norm has a bias, which is trained under one name.
  if (program.saved == 1 && familyOf(program).norm == NormKind::Layer)
    simplify(program, {&P::bias});
  if (program.saved > 1)
    simplify(program, {&P::tokenRows});
  // Layers of several kinds are not replicated.
  const Family &family = *findFamily(textOf(rowOf(&P::family), program.family));
  if (family.window != WindowRule::None && family.window != WindowRule::All)
    simplify(program, {&P::replicated});
  // Layers that share weights do not train them.
  if (program.replicated) {
    simplify(program, {&P::bias});
    if (program.saved == 1)
      program.saved = 0;
  }
}

/// Near a tie a rounding has a token choose another expert, and what follows has nothing in common.
/// Check.cpp looks for weights without ties, which few tokens have.
constexpr int64_t kMostChoosingBf16 = 16;

static void restrictExperts(const Family &family, Program &program) {
  using P = Program;
  if (!family.experts) {
    simplify(program,
             {&P::experts, &P::chosen, &P::normalizedChoice, &P::balanced, &P::denseLayers});
    return;
  }
  if (family.experts->normalizedKey.empty())
    simplify(program, {&P::normalizedChoice});
  if (!family.experts->denseLayers || program.layers == 1)
    simplify(program, {&P::denseLayers});
  program.chosen = std::min(program.chosen, program.experts);
  int64_t tokens = program.tokens();
  if (program.adapter == 0 && hasVirtualTokens(program))
    tokens += 2 * program.rows * program.virtualTokens; // about
  if (program.bf16 && tokens * program.layers > kMostChoosingBf16)
    program.chosen = program.experts;
  // All experts are used alike: without labels gradients are what roundings leave of zero.
  if (program.balanced && program.chosen == program.experts && program.second == 2)
    program.second = 0;
  if (program.targets == 5) // of LoRA PEFT has none
    program.targets = 0;
}

/// Takes away what the family's config cannot say, and targets that have other names there.
static void restrictTo(const Family &family, Program &program) {
  using P = Program;
  if (family.residualKey.empty())
    simplify(program, {&P::otherResidual});
  if (!family.isRotary())
    simplify(program, {&P::rope, &P::ropeTheta, &P::spelling});
  // A norm that subtracts the mean has a direction less.
  if (family.norm == NormKind::Layer)
    program.hidden = std::max<int64_t>(program.hidden, 8);
  if (family.keys.headDim.empty()) {
    simplify(program, {&P::groups, &P::kvHeadsKey, &P::headDimKey, &P::window});
    program.headDim = std::min(program.headDim, program.hidden / 2 * 2);
    program.kvHeads = std::min(program.kvHeads, program.hidden / program.headDim);
    program.hidden = program.heads() * program.headDim;
    while (program.hidden < 8)
      program.hidden = program.heads() * (program.headDim += 2);
  }
  auto restrictMask = [&](int64_t &mask, int64_t bits) { mask = mask & bits ? mask & bits : 1; };
  int64_t own = (int64_t(1) << projectionsOf(family).size()) - 1;
  restrictMask(program.targetMask, own);
  // Routers and experts are trained with the others, but targets as parameters.
  restrictMask(program.trainableMask, own | 0x780 | (family.experts ? 0x70 : 0));
  if (family.layers != "model.layers")
    simplify(program, {&P::replicated});
  if (family.defaultTargets.empty() && program.targets == 5)
    program.targets = 4;
  restrictExperts(family, program);
}

/// Methods besides LoRA have few of its options.
static void restrictToMethod(Program &program) {
  using P = Program;
  // Bottleneck adapters stand between a block and the residual stream; a norm there has them
  // refused.
  if (wordOf(program, &P::method) == "bottleneck" && !familyOf(program).mlpPostNorm.empty())
    program.method = 0;
  std::string method = wordOf(program, &P::method);
  if (method != "lora")
    simplify(program, {&P::rslora, &P::dropout, &P::dora, &P::loraBias, &P::bias, &P::patterns,
                       &P::ends, &P::saved, &P::tokenRows, &P::replicated, &P::excluded,
                       &P::onlyLayers, &P::layersPattern, &P::parameters});
  if (method != "lora")
    program.initLora = std::min<int64_t>(program.initLora, 1);
  bool isVirtual = hasVirtualTokens(program);
  if (method == "ia3" || method == "bottleneck" || isVirtual)
    simplify(program, {&P::r});
  if (method == "ia3" || method == "vera" || method == "template" || isVirtual)
    simplify(program, {&P::alpha});
  if (!isVirtual)
    simplify(program, {&P::virtualTokens});
  else // absent it is one a row: virtual tokens cost as much as others
    program.maxSegments = 1;
  if (method == "prompt_tuning")
    simplify(program, {&P::initLora});
  if (method != "ia3")
    simplify(program, {&P::feedforward});
  else if (program.targets != 0 && program.feedforward > 1) // which are among the targets
    program.feedforward = 1;
  else if (program.feedforward == 0 &&
           llvm::is_contained({"phi3", "gemma3", "qwen3_moe"}, familyOf(program).modelType))
    program.feedforward = 1; // PEFT has none
  if (method != "bottleneck")
    simplify(program, {&P::bottleneck, &P::taps, &P::bottleneckActivation, &P::reduction});
  else if (familyOf(program).experts)
    program.bottleneck = 1; // in attention, not behind experts
  if (method == "bottleneck" || isVirtual)
    simplify(program, {&P::targets, &P::targetMask});
  if (method == "template")
    simplify(program, {&P::targets});
  else
    simplify(program, {&P::templateKind});
  // It reads the weight, [out, in].
  if (familyOf(program).conv1D && wordOf(program, &P::templateKind) == "masked")
    simplify(program, {&P::templateKind});
  bool isShared = wordOf(program, &P::templateKind) == "shared";
  if (method == "template" && !isShared && wordOf(program, &P::templateKind) != "lora_xs")
    simplify(program, {&P::initLora});
}

/// Targets to leave out, where others are left.
static void restrictChosenLayers(Program &program) {
  using P = Program;
  std::string how = wordOf(program, &P::targets), excluded = wordOf(program, &P::excluded);
  // Ends are in no layer, and a path is taken in any.
  if (program.ends || (how != "list" && how != "suffix" && how != "default"))
    simplify(program, {&P::onlyLayers});
  if (!program.onlyLayers)
    simplify(program, {&P::layersPattern});
  bool inAllLayers = how != "path" && !(how == "regex" && program.targetLayer != 2);
  if (excluded == "path" && (program.layers == 1 || !inAllLayers || program.onlyLayers))
    simplify(program, {&P::excluded});
  // Of a list every name must match something.
  if (program.excluded > 1 && how != "all-linear")
    simplify(program, {&P::excluded});
  // Patterns are for the first target.
  if (program.excluded > 1)
    simplify(program, {&P::patterns});
}

void ftc::test::makeValid(Program &program) {
  using P = Program;
  for (const Choice &choice : choices())
    if (choice.when == (program.onCuda() ? Drawn::onCpu : Drawn::onCuda))
      simplify(program, {choice.member});
  program.headDim += program.headDim % 2; // rotary positions turn pairs
  // YaRN takes the logarithm of the base, dynamic positions divide by two columns less.
  if (textOf(rowOf(&P::rope), program.rope) == "yarn" && program.ropeTheta == 3)
    program.ropeTheta = 0;
  if (textOf(rowOf(&P::rope), program.rope) == "dynamic")
    program.headDim = std::max<int64_t>(program.headDim, 4);
  const Family &family = *findFamily(textOf(rowOf(&P::family), program.family));
  if (family.headDim != 0)
    program.headDimKey = 0;
  if (program.headDimKey && program.bf16 && program.heads() * program.headDim < 4)
    program.headDim = 4;
  if (program.headDimKey)
    program.hidden = program.heads() * program.headDim;
  // The gradient of a norm over one column is what rounding leaves, over two it has one direction.
  // A kernel that adds and normalizes takes the sum before it is rounded, and what it stores for
  // the backward behind: an error of one cause, which no plain program makes.
  if (program.bf16)
    program.hidden = std::max<int64_t>(program.hidden, 4);
  if (program.groups > 1)
    program.kvHeadsKey = 0;
  restrictTo(family, program);
  // Dynamic positions need four columns.
  if (wordOf(program, &P::rope) == "dynamic" && rotaryColumns(program) < 4)
    program.rope = 0;
  if (!program.rope)
    simplify(program, {&P::ropeOriginal});
  if (family.window == WindowRule::None)
    simplify(program, {&P::window});
  // Layers are chosen where a window is.
  if (program.window < 2 || family.window == WindowRule::All || family.window == WindowRule::None)
    simplify(program, {&P::windowLayers});
  if (family.scoreCapKey.empty())
    simplify(program, {&P::scoreCap, &P::queryScalar});
  if (family.logitCapKey.empty())
    simplify(program, {&P::logitCap});
  auto byKey = [](BiasRule rule) { return rule == BiasRule::ByKey || rule == BiasRule::ByKeyOn; };
  if (!byKey(family.qkvBias))
    simplify(program, {&P::attentionBias});
  if (!byKey(family.mlpBias))
    simplify(program, {&P::mlpBias});
  else if (family.mlpBiasKey == family.attentionBiasKey)
    program.mlpBias = program.attentionBias;

  if (program.adapter == 0) {
    simplify(program, {&P::trainable, &P::trainableMask});
    restrictToMethod(program);
    if (program.targets >= 4)
      simplify(program, {&P::targetMask});
    if (program.targets != 2 && program.targets != 3 && wordOf(program, &P::method) != "bottleneck")
      simplify(program, {&P::targetLayer});
    if (program.layers == 1 && program.targetLayer == 1)
      program.targetLayer = 0;
    makeOptionsValid(program);
    restrictChosenLayers(program);
  } else {
    simplify(program, {&P::method,
                       &P::feedforward,
                       &P::bottleneck,
                       &P::taps,
                       &P::bottleneckActivation,
                       &P::reduction,
                       &P::r,
                       &P::alpha,
                       &P::rslora,
                       &P::initLora,
                       &P::dropout,
                       &P::dora,
                       &P::loraBias,
                       &P::bias,
                       &P::patterns,
                       &P::ends,
                       &P::saved,
                       &P::tokenRows,
                       &P::replicated,
                       &P::targets,
                       &P::targetMask,
                       &P::targetLayer,
                       &P::excluded,
                       &P::onlyLayers,
                       &P::layersPattern,
                       &P::parameters,
                       &P::virtualTokens,
                       &P::templateKind});
    if (!program.attentionBias && !program.mlpBias && family.norm != NormKind::Layer &&
        family.qkvBias != BiasRule::Always)
      program.trainableMask &= ~(1 << 9);
    if (program.tied)
      program.trainableMask &= ~(1 << 10);
    if (!program.trainable || program.trainableMask == 0)
      simplify(program, {&P::trainable, &P::trainableMask});
  }

  // Without a memory Adam divides by the gradient itself. Where that is next to nothing, so is what
  // any precision knows of the step; the larger epsilon bounds it, but not for what bf16 leaves of
  // a sum that cancels.
  if (program.bf16 && textOf(rowOf(&P::beta2), program.beta2) == "0")
    program.beta2 = 1;
  if (textOf(rowOf(&P::beta2), program.beta2) == "0")
    program.epsilon = 1;

  bool inRows = program.layout >= 2 && program.layout <= 4;
  // Something must be predicted.
  if (program.length == 1 && (inRows || program.rows == 1))
    program.length = 2;
  if (inRows)
    program.dead = 0;
  program.dead = std::min(program.dead, program.tokens() - 2);
  if (program.layout >= 4)
    program.segments = 0;
  if (program.tokens() - program.dead < 4 && program.segments == 1)
    program.segments = 0;
}
