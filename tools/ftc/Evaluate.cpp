//===- Evaluate.cpp - the flags of ftc evaluate ----------------------------===//
// What `ftc evaluate` takes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Commands.h"

#include "ftc/Trainer/Commands.h"

#include <memory>

namespace ftc::cli {

Command evaluateCommand() {
  auto options = std::make_shared<trainer::EvaluateOptions>();
  Command command("evaluate", "print the loss of a batch or of a data set");
  command.synopsis = "PKG --weights DIR (--batch B.safetensors | --data FILE) [OPTION...]";
  command.about =
      "Computes the mean loss over all predicted tokens of a batch file or of a JSONL file, "
      "without "
      "training, and prints {\"loss\": nats a token, \"tokens\": predicted tokens}. The files are "
      "those of 'ftc gradients' and 'ftc train'.";
  command.example = "ftc evaluate lora.ftp --weights llama/ --adapter-weights trained/ \\\n"
                    "      --data held-out.jsonl";
  command.positional("PKG", &options->package, "the package that 'ftc compile' wrote");
  command
      .option("--weights", "DIR", &options->weights, "the model: model.safetensors or its shards")
      .required = true;
  command.option("--batch", "FILE", &options->batch, "one batch, safetensors");
  command.option("--data", "FILE", &options->data, "a data set, JSONL");
  command.option("--adapter-weights", "DIR", &options->adapterWeights,
                 "the adapter's weights (default: its initial state, by the package's seed)");
  command.integer(
      "--threads", 0, 256,
      [options](int64_t threads) { options->threads = static_cast<int>(threads); },
      "threads to compute with (default: 0, all processors that may be used)");
  command.check = [options]() -> std::optional<std::string> {
    if (options->batch.empty() == options->data.empty())
      return "give either --batch or --data";
    return std::nullopt;
  };
  command.run = [options] { return exitStatus(trainer::runEvaluate(*options)); };
  return command;
}

} // namespace ftc::cli
