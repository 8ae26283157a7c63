//===- main.cpp - ftc ------------------------------------------------------===//
// Compiles the training step of a fine-tuning run, and runs it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Commands.h"

#include "ftc/Support/TruncationHandler.h"

#include <csignal>

int main(int argc, char **argv) {
  ftc::installTruncationHandler();
  // A limit of the size of files (ulimit -f) is an error of the write.
  std::signal(SIGXFSZ, SIG_IGN);
  std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  ftc::cli::ProgramText program{
      "ftc", FTC_VERSION,
      "ftc compiles the training step of a fine-tuning run into native code: it reads the config "
      "of "
      "a Hugging Face model and of a PEFT adapter, writes one package, trains with it, and saves "
      "an adapter that PEFT loads. Nothing else is needed to train: no Python, no PyTorch.",
      "  ftc compile --model llama/ --adapter lora/ --train train.yaml -o lora.ftp\n"
      "  ftc train lora.ftp --weights llama/ --data text.jsonl --output trained/\n"};
  return ftc::cli::runCommandLine(program,
                                  {ftc::cli::compileCommand(argc > 0 ? argv[0] : "ftc"),
                                   ftc::cli::trainCommand(), ftc::cli::gradientsCommand(),
                                   ftc::cli::evaluateCommand(), ftc::cli::inspectCommand(),
                                   ftc::cli::plotCommand(), ftc::cli::initWeightsCommand()},
                                  words);
}
