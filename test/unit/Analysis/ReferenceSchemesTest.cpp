//===- ReferenceSchemesTest.cpp - reference points by formula --------------===//
// Bytes per token and layer of docs/memory-curve.md, from the forward steps of real configs.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/ReferenceSchemes.h"

#include "dialects/FT/IR/FT.h"
#include "ftc/Frontend/ForwardBuilder.h"
#include "ftc/Transforms/Passes.h"
#include "test/unit/Frontend/TestFiles.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace ftc;
using namespace ftc::test;

namespace {

/// A model's sizes in the letters of the formulas.
struct Sizes {
  int64_t h, q, kv, f, heads, layers, vocabulary, r = 16;
};

/// A step's forward with its adapters inlined, and the points of it.
class Forward {
public:
  Forward(const std::string &model, const std::string &adapter, int64_t tokens = 8192,
          bool bf16 = true, bool eagerAttention = false) {
    Result<ModelConfig> config = readModelConfig(model, nullptr);
    if (!config) {
      ADD_FAILURE() << config.error().str();
      return;
    }
    AdapterSpec spec;
    if (!adapter.empty()) {
      Result<AdapterConfig> lora = readAdapterConfig(adapter);
      if (!lora) {
        ADD_FAILURE() << lora.error().str();
        return;
      }
      spec.lora = *lora;
    }
    TrainConfig train;
    train.perDeviceTrainBatchSize = 1;
    train.maxLength = tokens;
    train.bf16 = bf16;
    sizes = {config->hiddenSize, config->queryWidth(), config->keyWidth(), config->intermediateSize,
             config->heads,      config->layers,       config->vocabSize};
    Result<OwningOpRef<ModuleOp>> built = buildForward(context, *config, spec, train, nullptr);
    if (!built) {
      ADD_FAILURE() << built.error().str();
      return;
    }
    module = std::move(*built);
    if (eagerAttention)
      (*module)->setAttr("ft.attn_implementation", StringAttr::get(&context, "eager"));
    PassManager manager(&context, ModuleOp::getOperationName());
    manager.addPass(ft::createAttachAdapters());
    manager.addPass(ft::createLowerBypasses());
    EXPECT_TRUE(succeeded(manager.run(*module)));
    points = referencePoints(*module);
    // Cleanup changes nothing.
    PassManager cleanup(&context, ModuleOp::getOperationName());
    cleanup.addPass(createCanonicalizerPass());
    cleanup.addPass(createCSEPass());
    EXPECT_TRUE(succeeded(cleanup.run(*module)));
    for (const ReferencePoint &point : referencePoints(*module))
      EXPECT_EQ((*this)[point.name].savedBytes, point.savedBytes) << point.name;
  }

  const ReferencePoint &operator[](const std::string &name) const {
    for (const ReferencePoint &point : points)
      if (point.name == name)
        return point;
    ADD_FAILURE() << "no point is named " << name;
    static const ReferencePoint none;
    return none;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::vector<ReferencePoint> points;
  Sizes sizes{};
};

std::string model(const std::string &name) { return FTC_TEST_DIR "/models/" + name; }

/// An adapter on the modules whose paths the expression matches.
std::string lora(const TempFolder &folder, const std::string &expression) {
  return folder.write("adapter_config.json",
                      R"({"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 16, "lora_alpha": 32,
                        "target_modules": ")" +
                          expression + "\"}");
}

constexpr const char *kEager = "PEFT eager", *kNarrow = "PEFT eager, narrow adapters",
                     *kCheckpointing = "PEFT with checkpointing",
                     *kUnsloth = "Unsloth without checkpointing",
                     *kNothing = "FlexLLM, nothing pruned", *kPruned = "FlexLLM, pruned",
                     *kRebuilt = "FlexLLM, pruned and rematerialized",
                     *kOurs = "ftc's rule, no product repeated";

/// Bytes outside of the layers.
int64_t outside(const ReferencePoint &point) { return point.bytesOfLayer(-1); }

class RealModels : public ::testing::TestWithParam<const char *> {};

} // namespace

TEST_P(RealModels, AdaptedEverywhereTheFormulasHold) {
  constexpr int64_t tokens = 8192;
  Forward step(model(GetParam()), model("lora-all-linear"), tokens);
  auto [h, q, kv, f, heads, layers, vocabulary, r] = step.sizes;
  const std::pair<const char *, int64_t> perToken[] = {
      // The 8 are two rstd, which the published formulas of the first three leave out.
      {kEager, 28 * h + 8 * q + 4 * kv + 10 * f + 4 * heads + 28 * r + 8},
      {kNarrow, 12 * h + 4 * q + 4 * kv + 8 * f + 4 * heads + 14 * r + 8},
      {kUnsloth, 8 * h + 4 * q + 4 * kv + 4 * f + 4 * heads + 8},
      {kOurs, 4 * h + 4 * q + 4 * kv + 4 * f + 4 * heads + 8 + 14 * r},
      {kCheckpointing, 2 * h},
  };
  for (auto [name, bytes] : perToken) {
    SCOPED_TRACE(name);
    const ReferencePoint &point = step[name];
    for (int64_t layer = 1; layer < layers; ++layer)
      ASSERT_EQ(point.bytesOfLayer(layer), tokens * bytes) << "layer " << layer;
    int64_t sum = 0;
    for (int64_t layer = -1; layer < layers; ++layer)
      sum += point.bytesOfLayer(layer);
    EXPECT_EQ(point.savedBytes, sum);
  }
}

INSTANTIATE_TEST_SUITE_P(Published, RealModels,
                         ::testing::Values("SmolLM2-135M", "Llama-3.2-1B", "TinyLlama-1.1B",
                                           "Llama-3.1-8B", "Llama-3.1-70B", "Qwen2.5-7B",
                                           "Mistral-7B-v0.3"));

// kB per token and layer, as a reader sees them.
TEST(ReferenceSchemes, NumbersOfLlama8B) {
  Forward step(model("Llama-3.1-8B"), model("lora-all-linear"));
  auto perToken = [&](const char *name) { return step[name].bytesOfLayer(7) / 8192; };
  EXPECT_EQ(perToken(kEager), 295496);
  EXPECT_EQ(perToken(kNarrow), 184680);
  EXPECT_EQ(perToken(kUnsloth), 110728);
  EXPECT_EQ(perToken(kOurs), 94568);
  EXPECT_EQ(perToken(kCheckpointing), 8192);
}

// The first layer reads an embedding that is frozen, and only the head is behind the last.
TEST(ReferenceSchemes, OutsideOfTheLayers) {
  constexpr int64_t tokens = 8192;
  Forward step(model("Llama-3.1-8B"), model("lora-all-linear"), tokens);
  auto [h, q, kv, f, heads, layers, vocabulary, r] = step.sizes;
  int64_t headDim = q / heads, tables = 2 * headDim * 2, finalNorm = 4 * h + 4;
  EXPECT_EQ(outside(step[kEager]), tokens * (tables + finalNorm + 4 * vocabulary));
  EXPECT_EQ(outside(step[kNarrow]), tokens * (tables + finalNorm + 4 * vocabulary));
  EXPECT_EQ(outside(step[kCheckpointing]), tokens * (tables + finalNorm + 4 * vocabulary));
  EXPECT_EQ(step[kCheckpointing].bytesOfLayer(0), tokens * 2 * h);
  EXPECT_EQ(outside(step[kUnsloth]), tokens * (2 * h + 4 + 2 * vocabulary + 4));
  EXPECT_EQ(outside(step[kOurs]), tokens * (2 * h + 4 + 2 * h));
  int64_t layer = 4 * h + 4 * q + 4 * kv + 4 * f + 4 * heads + 8 + 14 * r;
  // No gradient goes through the first norm; its result is made from the ids.
  EXPECT_EQ(step[kOurs].bytesOfLayer(0), tokens * (layer - 2 * h - 4));
  EXPECT_EQ(step[kEager].bytesOfLayer(1) - step[kEager].bytesOfLayer(0), tokens * (4 * h + 4));
}

TEST(ReferenceSchemes, CheckpointingRunsTheLayersAgain) {
  constexpr int64_t tokens = 8192;
  Forward step(model("Llama-3.1-8B"), model("lora-all-linear"), tokens);
  auto [h, q, kv, f, heads, layers, vocabulary, r] = step.sizes;
  EXPECT_EQ(step[kCheckpointing].rebuiltBytes, step[kEager].bytesOfLayer(1));
  int64_t weights = layers * (2 * h * q + 2 * h * kv + 3 * h * f);
  int64_t adapters = 41943040;
  int64_t products = tokens * (2 * weights + 2 * tokens * q * layers + 2 * adapters);
  EXPECT_GE(step[kCheckpointing].extraFlops, products);
  EXPECT_LE(step[kCheckpointing].extraFlops, products + products / 1000);
  EXPECT_EQ(step[kEager].extraFlops, 0);
  // The thin products alone, and the gated product.
  int64_t thin = 2 * r * (2 * h + h + q + 2 * h + f) * layers;
  EXPECT_GE(step[kUnsloth].extraFlops, tokens * thin);
  EXPECT_LE(step[kUnsloth].extraFlops, tokens * (thin + 8 * f * layers));
  EXPECT_LE(step[kOurs].extraFlops, tokens * layers * (2 * 4 * h + 8 * f));
  EXPECT_GT(step[kOurs].extraFlops, tokens * layers * (4 * h + 2 * f));
}

TEST(ReferenceSchemes, NarrowerAdaptersKeepLess) {
  constexpr int64_t tokens = 1024;
  TempFolder folder;
  Forward some(model("Llama-3.1-8B"), model("lora-qv"), tokens);
  auto [h, q, kv, f, heads, layers, vocabulary, r] = some.sizes;
  int64_t base = 4 * h + 4 * q + 4 * kv + 4 * f + 4 * heads + 8;
  for (int64_t layer = 1; layer < layers; ++layer)
    ASSERT_EQ(some[kOurs].bytesOfLayer(layer), tokens * (base + 4 * r));
  EXPECT_EQ(some[kOurs].bytesOfLayer(0), tokens * (base + 4 * r - 2 * h - 4));
  // q and v each cast the normed input.
  EXPECT_EQ(some[kEager].bytesOfLayer(1),
            tokens * (16 * h + 4 * q + 4 * kv + 6 * f + 4 * heads + 8 + 8 * r));

  Forward last(model("Llama-3.1-8B"), lora(folder, ".*layers[.](28|29|30|31)[.].*_proj"), tokens);
  for (int64_t layer = -1; layer < 28; ++layer)
    for (const char *name : {kOurs, kEager, kNarrow, kUnsloth, kPruned, kRebuilt})
      ASSERT_EQ(last[name].bytesOfLayer(layer), layer < 0 ? outside(last[name]) : 0) << name;
  // The normed input itself in the lowest: nothing else of it is read.
  EXPECT_EQ(last[kOurs].bytesOfLayer(28), tokens * (base + 14 * r - 4));
  for (int64_t layer = 29; layer < 32; ++layer)
    EXPECT_EQ(last[kOurs].bytesOfLayer(layer), tokens * (base + 14 * r));
  EXPECT_EQ(last[kOurs].savedBytes, tokens * 394656);
  EXPECT_EQ(some[kOurs].savedBytes, tokens * 3029248);
}

// What the lowest adapted projection is decides what its layer keeps: docs/memory-curve.md.
TEST(ReferenceSchemes, LowestAdaptedLayer) {
  constexpr int64_t tokens = 1024;
  TempFolder folder;
  auto lowest = [&](const char *target) {
    Forward step(model("Llama-3.1-8B"), lora(folder, std::string(".*layers[.]31[.].*[.]") + target),
                 tokens);
    for (int64_t layer = 0; layer < 31; ++layer)
      EXPECT_EQ(step[kOurs].bytesOfLayer(layer), 0);
    return step[kOurs].bytesOfLayer(31) / tokens;
  };
  auto [h, q, kv, f, heads, layers, vocabulary, r] =
      Forward(model("Llama-3.1-8B"), model("lora-qv"), tokens).sizes;
  int64_t mlp = 2 * h + 4 + 4 * f;
  EXPECT_EQ(lowest("down_proj"), 2 * f + 2 * r);
  EXPECT_EQ(lowest("up_proj"), 2 * h + 2 * f + 2 * r); // silu, and the normed input
  EXPECT_EQ(lowest("gate_proj"), 2 * h + 4 * f + 2 * r);
  EXPECT_EQ(lowest("o_proj"), mlp + 2 * q + 2 * r);
  EXPECT_EQ(lowest("v_proj"), mlp + 2 * h + 2 * q + 2 * kv + 4 * heads + 2 * r);
  EXPECT_EQ(lowest("q_proj"), mlp + 2 * h + 4 * q + 4 * kv + 4 * heads + 2 * r);
}

/// The model of the paper's ablation: 64 full heads, an ffn of four times the width, attention op
/// by op.
const char *kMultiHead = R"({"model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 4,
  "num_attention_heads": 64, "num_key_value_heads": 64, "intermediate_size": 32768,
  "vocab_size": 128, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
  "max_position_embeddings": 4096})";

TEST(ReferenceSchemes, FlexLLMsAblation) {
  constexpr int64_t tokens = 1024, unit = tokens * 8192 * 2, thin = tokens * 16 * 2;
  TempFolder folder;
  Forward step(folder.write("config.json", kMultiHead), lora(folder, ".*[.]down_proj"), tokens,
               true, true);
  for (int64_t layer = 1; layer < 4; ++layer) {
    EXPECT_EQ(step[kNothing].bytesOfLayer(layer), 63 * unit + thin);
    EXPECT_EQ(step[kPruned].bytesOfLayer(layer), 16 * unit + thin);
    EXPECT_EQ(step[kRebuilt].bytesOfLayer(layer), 12 * unit + thin);
    // Ours keeps keys and values, of which it has no other copy, and three statistics.
    EXPECT_EQ(step[kOurs].bytesOfLayer(layer), 14 * unit + thin + tokens * (4 * 64 + 8));
  }
  EXPECT_EQ(step[kNothing].bytesOfLayer(0), 63 * unit + thin);
  // Nothing below the first down_proj is trained.
  EXPECT_EQ(step[kPruned].bytesOfLayer(0), 4 * unit + thin);
  EXPECT_EQ(step[kRebuilt].bytesOfLayer(0), 4 * unit + thin);
}

TEST(ReferenceSchemes, AttentionOpByOpKeepsItsWeightsTwice) {
  constexpr int64_t tokens = 512;
  Forward fused(model("Llama-3.2-1B"), model("lora-all-linear"), tokens);
  Forward eager(model("Llama-3.2-1B"), model("lora-all-linear"), tokens, true, true);
  auto [h, q, kv, f, heads, layers, vocabulary, r] = eager.sizes;
  // The softmax in f32 and in bf16, repeated heads; no log-sum-exp, and of the output what o_proj's
  // adapter has cast.
  int64_t more = 6 * heads * tokens + 4 * q - 4 * kv - 4 * heads;
  EXPECT_EQ(eager[kEager].bytesOfLayer(3) - fused[kEager].bytesOfLayer(3), tokens * (more - 2 * q));
  EXPECT_EQ(eager[kNarrow].bytesOfLayer(3) - fused[kNarrow].bytesOfLayer(3), tokens * more);
}

// In f32 nothing is cast, so that a norm and an adapter share what they keep.
TEST(ReferenceSchemes, InSinglePrecision) {
  constexpr int64_t tokens = 512;
  Forward step(model("SmolLM2-135M"), model("lora-all-linear"), tokens, false);
  auto [h, q, kv, f, heads, layers, vocabulary, r] = step.sizes;
  EXPECT_EQ(step.points.size(), 7u); // no narrow adapters
  EXPECT_EQ(step[kEager].bytesOfLayer(3),
            tokens * (16 * h + 8 * q + 8 * kv + 16 * f + 4 * heads + 28 * r + 8));
  EXPECT_EQ(step[kOurs].bytesOfLayer(3),
            tokens * (8 * h + 8 * q + 8 * kv + 8 * f + 4 * heads + 28 * r + 8));
}

// Trained weights keep what they multiply, and norms what they scale.
TEST(ReferenceSchemes, WithoutAnAdapter) {
  constexpr int64_t tokens = 512;
  Forward step(model("SmolLM2-135M"), "", tokens);
  auto [h, q, kv, f, heads, layers, vocabulary, r] = step.sizes;
  EXPECT_EQ(step[kEager].bytesOfLayer(3),
            tokens * (16 * h + 4 * q + 4 * kv + 8 * f + 4 * heads + 8));
  EXPECT_EQ(step[kOurs].bytesOfLayer(3), tokens * (4 * h + 4 * q + 4 * kv + 4 * f + 4 * heads + 8));
}

/// The first three layers of a published model, with a small vocabulary.
std::string threeLayers(const TempFolder &folder, const std::string &name) {
  Result<json::Value> config = json::parseFile(model(name) + "/config.json");
  EXPECT_TRUE(static_cast<bool>(config)) << config.error().str();
  json::Value changed = json::Value::object();
  for (const json::Member &member : config->members())
    changed.set(member.key, member.value);
  changed.set("num_hidden_layers", json::Value(int64_t(3)));
  changed.set("vocab_size", json::Value(int64_t(512)));
  return folder.write("config.json", json::dump(changed, 2));
}

// What tools/bench/saved_tensors measured: torch 2.15.0, transformers 5.23.0, peft 0.21.2.
TEST(ReferenceSchemes, AutogradKeepsWhatTheRulesSay) {
  constexpr int64_t tokens = 128, count = 4; // cross-entropy keeps the number of rows
  struct {
    const char *model, *adapter;
    bool bf16, eagerAttention;
    int64_t wide, narrow;
  } cases[] = {
      {"SmolLM2-135M", "lora-all-linear", true, false, 14639620, 8950276},
      {"SmolLM2-135M", "lora-all-linear", true, true, 17427460, 12180484},
      {"SmolLM2-135M", "lora-all-linear", false, false, 15852036, 0},
      {"SmolLM2-135M", "lora-qv", true, false, 8618500, 7266820},
      {"SmolLM2-135M", "", true, false, 10339332, 0},
      {"Llama-3.2-1B", "lora-all-linear", true, false, 61074436, 38968324},
  };
  for (const auto &one : cases) {
    SCOPED_TRACE(std::string(one.model) + " " + one.adapter);
    std::string adapter = *one.adapter ? model(one.adapter) : "";
    TempFolder folder;
    Forward step(threeLayers(folder, one.model), adapter, tokens, one.bf16, one.eagerAttention);
    EXPECT_EQ(step[kEager].savedBytes, one.wide - count);
    if (one.narrow > 0)
      EXPECT_EQ(step[kNarrow].savedBytes, one.narrow - count);
  }
}

TEST(ReferenceSchemes, NothingToLookAt) {
  MLIRContext context;
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  EXPECT_TRUE(referencePoints(*module).empty());
}
