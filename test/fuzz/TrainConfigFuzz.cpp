//===- TrainConfigFuzz.cpp - the training configuration ---------------------===//
// What is taken must print as the same configuration; the first line is a --set, too.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "ftc/Support/TrainConfig.h"
#include "ftc/Support/Yaml.h"

using namespace ftc;
using fuzz::require;

static void checkSame(const TrainConfig &config, const json::Value &written) {
  Result<TrainConfig> again = TrainConfig::fromValue(written, "again.yaml", nullptr);
  require(bool(again), "what was written is not read", json::dump(written));
  require(again->toValue() == config.toValue(), "what was written is another configuration",
          json::dump(written));
}

static void checkSet(std::string_view assignment) {
  TrainConfig config;
  std::vector<std::string> warnings;
  if (Status s = applySet(config, assignment, &warnings); !s)
    fuzz::checkError(s.error(), "--set");
}

void fuzz::readInput(std::string_view input) {
  checkSet(input.substr(0, input.find('\n')));
  Result<json::Value> value = parseYaml(input, "train.yaml");
  if (!value)
    return checkError(value.error(), "train.yaml");
  std::vector<std::string> warnings;
  Result<TrainConfig> config = TrainConfig::fromValue(*value, "train.yaml", &warnings);
  for (const std::string &warning : warnings)
    checkWarning(warning, "train.yaml");
  if (!config)
    return checkError(config.error(), "train.yaml");
  checkSame(*config, config->toValue());
  std::string text = config->printResolved();
  Result<json::Value> printed = parseYaml(text, "printed.yaml");
  require(bool(printed), "what was printed is not YAML", text);
  checkSame(*config, *printed);
}
