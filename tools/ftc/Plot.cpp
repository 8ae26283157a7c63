//===- Plot.cpp - the flags of ftc plot ------------------------------------===//
// What `ftc plot` takes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Commands.h"

#include "ftc/Trainer/Commands.h"

#include <memory>

namespace ftc::cli {

Command plotCommand() {
  constexpr size_t most = 8;
  auto options = std::make_shared<trainer::PlotRunsOptions>();
  Command command("plot", "draw the curves of training runs");
  command.synopsis = "OUT... [--svg FILE] [--metrics FILE]";
  command.about =
      "Draws loss, evaluation loss, learning rate and tokens per second over steps, of one run or "
      "of "
      "several for comparison (at most 8): in the terminal, or as an SVG file that needs nothing "
      "else. A run's curves come from its metrics.jsonl (one point a step) or else from its "
      "trainer_state.json or that of its newest checkpoint (one point a record). A run that is "
      "still going on can be drawn, too.";
  command.example = "ftc plot trained/ --svg curves.svg";
  Argument &outputs = command.list("OUT", "OUT", &options->outputs,
                                   "an output directory of 'ftc train', or a metrics file");
  outputs.required = true;
  command.option("--svg", "FILE", &options->svg, "write one SVG file instead");
  command.list("--metrics", "FILE", &options->metrics,
               "read this metrics file; may be given once for each OUT, in their order");
  command.check = [options]() -> std::optional<std::string> {
    if (options->outputs.size() > most)
      return "OUT is given " + std::to_string(options->outputs.size()) +
             " times; at most 8 is right";
    if (options->metrics.size() > options->outputs.size())
      return "--metrics is given " + std::to_string(options->metrics.size()) +
             " times; once for each OUT is right";
    return std::nullopt;
  };
  command.run = [options] { return exitStatus(trainer::runPlot(*options)); };
  return command;
}

} // namespace ftc::cli
