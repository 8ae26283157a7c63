//===- Families.cpp - the model families that can be read ------------------===//
// One row a family; the blocks that they share stand in ForwardBuilder.cpp.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Frontend/ModelConfig.h"

namespace ftc {

static const std::vector<Family> &families() {
  static const std::vector<Family> table = [] {
    Family llama;
    llama.modelType = "llama";
    llama.architecture = "LlamaForCausalLM";
    llama.norm = NormKind::RMS;
    llama.activationKey = "hidden_act";
    llama.normEpsKey = "rms_norm_eps";
    llama.normEps = 1e-6;
    llama.ropeTheta = 10000.0;
    llama.tiedEmbeddings = false;
    llama.qkvBias = BiasRule::ByKey;
    llama.outputBias = BiasRule::ByKey;
    llama.mlpBias = BiasRule::ByKey;
    llama.attentionBiasKey = "attention_bias";
    llama.mlpBiasKey = "mlp_bias";
    llama.embedding = "model.embed_tokens";
    llama.layers = "model.layers";
    llama.finalNorm = "model.norm";
    llama.head = "lm_head";
    llama.attention = "self_attn";
    llama.mlp = "mlp";
    llama.attentionNorm = "input_layernorm";
    llama.mlpNorm = "post_attention_layernorm";
    llama.defaultTargets = {"q_proj", "v_proj"};
    return std::vector<Family>{llama};
  }();
  return table;
}

const Family *findFamily(std::string_view modelType) {
  for (const Family &family : families())
    if (family.modelType == modelType)
      return &family;
  return nullptr;
}

std::vector<std::string_view> familyNames() {
  std::vector<std::string_view> names;
  for (const Family &family : families())
    names.push_back(family.modelType);
  return names;
}

} // namespace ftc
