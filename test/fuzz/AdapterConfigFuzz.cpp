//===- AdapterConfigFuzz.cpp - an adapter's adapter_config.json -------------===//
// Read, put on a small model, and written as it is saved.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "ftc/Frontend/AdapterConfig.h"
#include "ftc/Frontend/AdapterMethods.h"
#include "ftc/Support/Json.h"

using namespace ftc;
using fuzz::checkError;
using fuzz::require;

static const ModelConfig &smallModel() {
  static fuzz::ScratchFile scratch("config.json");
  static const Result<ModelConfig> model = readModelConfig(
      scratch.write(R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
          "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 96,
          "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
          "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": false})"),
      nullptr);
  require(bool(model), "no model");
  return *model;
}

static void checkSaved(const std::string &text) {
  Result<json::Value> saved = json::parse(text, "saved.json");
  require(bool(saved) && saved->isObject(), "what is saved is not JSON", text);
}

static void attach(const AdapterConfig &adapter, const std::string &path) {
  Result<ModelConfig> layers = withReplicatedLayers(smallModel(), adapter);
  if (!layers)
    return checkError(layers.error(), path);
  Result<AdapterConfig> taken = withExpertTargets(*layers, adapter);
  if (!taken)
    return checkError(taken.error(), path);
  Result<std::vector<ResolvedTarget>> targets = resolveTargets(*layers, *taken);
  if (!targets)
    return checkError(targets.error(), path);
  describe(*targets);
  checkSaved(savedAdapterConfig(*layers, *taken));
}

void fuzz::readInput(std::string_view input) {
  smallModel();
  static ScratchFile scratch("adapter_config.json");
  const std::string &path = scratch.write(input);
  Result<std::optional<MethodConfig>> method = readMethodConfig(path);
  if (!method)
    return checkError(method.error(), path);
  if (*method) {
    checkSaved(savedMethodFile(smallModel(), **method).second);
    return;
  }
  Result<AdapterConfig> lora = readAdapterConfig(path);
  if (!lora)
    return checkError(lora.error(), path);
  attach(*lora, path);
}
