//===- YamlFuzz.cpp - the YAML reader ---------------------------------------===//
// What is taken must be written as JSON, which is YAML, and read again as the same value.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "ftc/Support/Yaml.h"

using namespace ftc;

void fuzz::readInput(std::string_view input) {
  Result<json::Value> value = parseYaml(input, "input.yaml");
  if (!value)
    return checkError(value.error(), "input.yaml");
  // Two values and a text are more than the limit of one large input is for.
  if (input.size() > size_t{1} << 20)
    return;
  std::string text = json::dump(*value);
  Result<json::Value> again = json::parse(text, "again.json");
  require(bool(again), "what was written is not read", text);
  require(*again == *value, "what was written is read as another value", text);
}
