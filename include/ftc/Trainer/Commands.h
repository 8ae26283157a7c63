//===- Commands.h - train, gradients, evaluate, output summaries -----------===//
// The commands of ftc that need no compiler, behind their flags.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_COMMANDS_H
#define FTC_TRAINER_COMMANDS_H

#include "ftc/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ftc::trainer {

// Each prints its result to stdout and warnings to stderr, and returns an Error or nothing.

struct TrainOptions {
  std::string package;
  std::string weights;
  std::string adapterWeights; ///< empty: the initial adapter
  std::string data;
  std::string evalData; ///< empty: none
  std::string output;
  std::string trainFile;         ///< --train: a configuration file over the package's
  std::vector<std::string> sets; ///< --set: `key=value`, over the file
  std::optional<int64_t> maxSteps;
  std::string metrics; ///< empty: metrics.jsonl in `output`
  int threads = 0;
  bool resume = false;
  bool plot = false; ///< draw the loss curve where stdout is no terminal, too
};
/// `stoppedBy`, where given: the signal after which a checkpoint was saved and the run left, else
/// 0.
Status runTrain(const TrainOptions &options, int *stoppedBy = nullptr);

struct GradientsOptions {
  std::string package;
  std::string weights;
  std::string adapterWeights;
  std::string batch;
  std::string output;
  int threads = 0;
};
Status runGradients(const GradientsOptions &options);

struct EvaluateOptions {
  std::string package;
  std::string weights;
  std::string adapterWeights;
  std::string batch; ///< this or `data`
  std::string data;
  int threads = 0;
};
Status runEvaluate(const EvaluateOptions &options);

/// Sums up an output directory of `ftc train`, as a table with the loss curve or as JSON.
Status runInspectOutput(const std::string &directory, bool asJson);

struct PlotRunsOptions {
  std::vector<std::string> outputs; ///< output directories or metrics files
  std::vector<std::string> metrics; ///< for the outputs in their order, instead of their own
  std::string svg;                  ///< empty: charts on stdout
};
/// Draws the curves of runs: charts of characters, or one SVG file.
Status runPlot(const PlotRunsOptions &options);

} // namespace ftc::trainer

#endif // FTC_TRAINER_COMMANDS_H
