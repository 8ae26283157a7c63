//===- JsonlFuzz.cpp - training data ----------------------------------------===//
// The lines of a file; the sums over its sequences must be those that it reports.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "ftc/Trainer/Dataset.h"

using namespace ftc;

void fuzz::readInput(std::string_view input) {
  static ScratchFile scratch("data.jsonl");
  trainer::DatasetLimits limits;
  limits.vocab = 300;
  limits.maxLength = 16;
  // One of both by the input, so that it says all.
  limits.predictsFirst = input.size() % 2 != 0;
  Result<trainer::Dataset> data = trainer::Dataset::load(scratch.write(input), limits);
  if (!data)
    return checkError(data.error(), scratch.path());
  int64_t tokens = 0;
  std::vector<int64_t> lengths = data->lengths();
  require(!lengths.empty() && lengths.size() == data->size(), "lengths are not of its sequences");
  for (int64_t length : lengths) {
    require(length >= 1 && length <= limits.maxLength, "a sequence of a length that is none");
    tokens += length;
  }
  require(tokens == data->tokens(), "the tokens do not add up");
  require(data->predictedTokens() >= static_cast<int64_t>(data->size()) &&
              data->predictedTokens() <= tokens,
          "a sequence without a predicted token");
}
