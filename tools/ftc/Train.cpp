//===- Train.cpp - the flags of ftc train ----------------------------------===//
// What `ftc train` takes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Commands.h"

#include "ftc/Trainer/Commands.h"

#include <memory>

#include <malloc.h>

namespace ftc::cli {

Command trainCommand() {
  auto options = std::make_shared<trainer::TrainOptions>();
  Command command("train", "train with a package, and save what was trained");
  command.synopsis = "PKG --weights DIR --data FILE --output DIR [OPTION...]";
  command.about =
      "Trains on the sequences of a JSONL file and saves the result: a PEFT adapter, or for a "
      "package compiled with '--adapter none' a Hugging Face model. A line of the data is an "
      "object with 'input_ids' (and 'labels', -100 where there is no target) or with 'text', which "
      "is "
      "read as bytes with BOS 256 and EOS 257. Sequences are shuffled and packed into batches; "
      "longer ones than max_length are split. While it trains, a line shows step, loss, learning "
      "rate, gradient norm, tokens per second, mfu, memory and time left.";
  command.example = "ftc train lora.ftp --weights llama/ --data text.jsonl \\\n"
                    "      --output trained/ --max-steps 200";
  command.positional("PKG", &options->package, "the package that 'ftc compile' wrote");
  command
      .option("--weights", "DIR", &options->weights, "the model: model.safetensors or its shards")
      .required = true;
  command.option("--data", "FILE", &options->data, "training data, JSONL").required = true;
  command
      .option("--output", "DIR", &options->output,
              "where checkpoints and the result go; must be new or empty, but for --resume")
      .required = true;
  command.option("--eval-data", "FILE", &options->evalData,
                 "JSONL whose loss is measured at eval_steps and at the end");
  command.option("--adapter-weights", "DIR", &options->adapterWeights,
                 "start from this adapter (default: a new one, by seed)");
  command.option("--train", "T.yaml", &options->trainFile,
                 "training configuration over the package's; keys that are compiled in "
                 "must be equal");
  command.list("--set", "KEY=VALUE", &options->sets,
               "one key of the configuration, over --train; may be given again");
  command.integer(
      "--max-steps", 1, int64_t{1} << 24, [options](int64_t steps) { options->maxSteps = steps; },
      "optimizer steps to run, the schedule's horizon included (default: max_steps, "
      "else num_train_epochs)");
  command.option("--metrics", "FILE", &options->metrics,
                 "write one JSON object a step to this file (default: metrics.jsonl in --output)");
  command.integer(
      "--threads", 0, 256,
      [options](int64_t threads) { options->threads = static_cast<int>(threads); },
      "threads to compute with (default: 0, all processors that may be used)");
  command.flag("--plot", &options->plot,
               "draw the loss curve at the end where stdout is no terminal, too");
  command.flag("--resume", &options->resume,
               "go on from the newest whole checkpoint in --output; begin anew where there is "
               "none");
  command.run = [options]() -> Result<int> {
    int signal = 0;
    // Large buffers of a save go back to the system behind it, so that a long run's memory is flat:
    // without this, glibc keeps what the first saves took.
    ::mallopt(M_MMAP_THRESHOLD, 128 << 10);
    if (Status status = trainer::runTrain(*options, &signal); !status)
      return status.takeError();
    return signal ? 128 + signal : 0;
  };
  return command;
}

} // namespace ftc::cli
