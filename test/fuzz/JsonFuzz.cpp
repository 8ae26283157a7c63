//===- JsonFuzz.cpp - the JSON reader ---------------------------------------===//
// What is taken must be written and read again as the same value.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "ftc/Support/Json.h"

using namespace ftc;

void fuzz::readInput(std::string_view input) {
  Result<json::Value> value = json::parse(input, "input.json");
  if (!value)
    return checkError(value.error(), "input.json");
  // Two values and a text are more than the limit of one large input is for.
  if (input.size() > size_t{1} << 20)
    return;
  for (unsigned indent : {0u, 2u}) {
    std::string text = json::dump(*value, indent);
    Result<json::Value> again = json::parse(text, "again.json");
    require(bool(again), "what was written is not read", text);
    require(*again == *value, "what was written is read as another value", text);
  }
}
