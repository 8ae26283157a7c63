//===- ModelConfigFuzz.cpp - a model's config.json --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "ftc/Frontend/ModelConfig.h"

using namespace ftc;

void fuzz::readInput(std::string_view input) {
  static ScratchFile scratch("config.json");
  std::vector<std::string> warnings;
  Result<ModelConfig> model = readModelConfig(scratch.write(input), &warnings);
  for (const std::string &warning : warnings)
    checkWarning(warning, scratch.path());
  if (!model)
    return checkError(model.error(), scratch.path());
  require(model->family && model->text == input, "a model that is not the file's");
  require(model->layers > 0 && model->kindOf.size() == static_cast<size_t>(model->layers),
          "layers without a kind");
  for (unsigned kind : model->kindOf)
    require(kind < model->kinds.size(), "a layer of a kind that is none");
}
