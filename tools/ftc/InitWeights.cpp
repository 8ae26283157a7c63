//===- InitWeights.cpp - the flags of ftc init-weights ---------------------===//
// What `ftc init-weights` takes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Commands.h"

#if FTC_HAS_COMPILER
#include "ftc/Frontend/InitialWeights.h"
#endif

#include <cstdio>
#include <memory>

namespace ftc::cli {

namespace {

struct Flags {
  std::string model, output;
  int64_t seed = 0;
};

Status initWeights(const Flags &flags) {
#if FTC_HAS_COMPILER
  std::vector<std::string> warnings;
  Result<ModelConfig> config = readModelConfig(flags.model, &warnings);
  for (const std::string &warning : warnings)
    std::fputs(formatWarning(warning).c_str(), stderr);
  if (!config)
    return config.takeError();
  if (Status s = writeInitialWeights(*config, static_cast<uint64_t>(flags.seed), flags.output); !s)
    return s;
  std::printf("wrote random weights to %s\n", flags.output.c_str());
  return Status::ok();
#else
  return makeError("",
                   "this ftc was built without the compiler (FTC_BUILD_COMPILER=OFF), which reads "
                   "model configs; use an ftc that has it");
#endif
}

} // namespace

Command initWeightsCommand() {
  auto flags = std::make_shared<Flags>();
  Command command("init-weights", "write random weights for a model's config");
  command.synopsis = "--model M --seed N -o DIR";
  command.about =
      "Writes a Hugging Face model directory with the config and random weights, as transformers "
      "would initialize them: for trying things out without a download. The same seed gives the "
      "same bytes.";
  command.example = "ftc init-weights --model llama/config.json --seed 1 -o random/";
  command
      .option("--model", "M", &flags->model, "a Hugging Face model directory, or its config.json")
      .required = true;
  command
      .integer(
          "--seed", 0, INT64_MAX, [flags](int64_t seed) { flags->seed = seed; }, "the random seed")
      .required = true;
  command.option("-o,--output", "DIR", &flags->output, "where the model goes; must be new or empty")
      .required = true;
  command.run = [flags] { return exitStatus(initWeights(*flags)); };
  return command;
}

} // namespace ftc::cli
