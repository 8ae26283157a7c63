//===- Gradients.cpp - the flags of ftc gradients --------------------------===//
// What `ftc gradients` takes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Commands.h"

#include "ftc/Trainer/Commands.h"

#include <memory>

namespace ftc::cli {

Command gradientsCommand() {
  auto options = std::make_shared<trainer::GradientsOptions>();
  Command command("gradients", "write the loss and all gradients of one batch");
  command.synopsis = "PKG --weights DIR --batch B.safetensors -o G.safetensors [OPTION...]";
  command.about =
      "Computes the loss of one batch and its gradient by every trainable tensor, and changes "
      "nothing: for comparing with another implementation. The batch file holds 'input_ids' and "
      "'labels' (int32 or int64, [batch, length] or packed [length]) and optionally "
      "'position_ids', 'cu_seqlens' and 'attention_mask'; labels are not shifted. The output holds "
      "'loss' and one float32 tensor for each trainable tensor, under its name in checkpoints.";
  command.example = "ftc gradients lora.ftp --weights llama/ --adapter-weights lora/ \\\n"
                    "      --batch batch.safetensors -o gradients.safetensors";
  command.positional("PKG", &options->package, "the package that 'ftc compile' wrote");
  command
      .option("--weights", "DIR", &options->weights, "the model: model.safetensors or its shards")
      .required = true;
  command.option("--batch", "FILE", &options->batch, "the batch, safetensors").required = true;
  command.option("-o,--output", "FILE", &options->output, "where the gradients go, safetensors")
      .required = true;
  command.option("--adapter-weights", "DIR", &options->adapterWeights,
                 "the adapter's weights (default: its initial state, by the package's seed)");
  command.integer(
      "--threads", 0, 256,
      [options](int64_t threads) { options->threads = static_cast<int>(threads); },
      "threads to compute with (default: 0, all processors that may be used)");
  command.run = [options] { return exitStatus(trainer::runGradients(*options)); };
  return command;
}

} // namespace ftc::cli
