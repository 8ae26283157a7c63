//===- Progress.h - what a run shows while it runs -------------------------===//
// A live line on a terminal, plain lines elsewhere, and the metrics file.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_PROGRESS_H
#define FTC_TRAINER_PROGRESS_H

#include "ftc/Support/Error.h"

#include <chrono>
#include <cstdio>

namespace ftc::trainer {

/// One optimizer step, as it is shown.
struct StepReport {
  int64_t step = 0;
  int64_t totalSteps = 0;
  int64_t tokens = 0;
  double loss = 0;
  double gradNorm = 0;
  double learningRate = 0;
  double tokensPerSecond = 0;
  double stepSeconds = 0;
  double secondsLeft = 0;
  double epoch = 0;         ///< epochs done, a fraction within one
  double mfu = 0;           ///< share of the machine's measured peak; 0: not known
  uint64_t memoryBytes = 0; ///< of the device that the step runs on; 0: not known
};

/// `step 120/5000 | loss 0.6069 | lr 9.1e-05 | grad norm 0.42 | 7,299 tok/s | mem 20.8 GiB | 8m31s
/// left`
std::string formatStep(const StepReport &report);

/// Bytes of this process in memory now; 0 where the system does not say.
uint64_t residentBytes();

/// Writes to `out`. On a terminal one line is kept up to date, at most ten times a second;
/// elsewhere only what is logged is written.
class Progress {
public:
  Progress(FILE *out, bool terminal) : out(out), terminal(terminal) {}
  ~Progress() { finish(); }
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// Every step; `logged` when the step is one to be logged.
  void step(const StepReport &report, bool logged);
  /// A line of its own.
  void line(const std::string &text);
  /// Ends the live line. Called before anything else is printed.
  void finish();

private:
  FILE *out;
  bool terminal;
  std::chrono::steady_clock::time_point lastShown{};
  std::string shown;
};

/// `--metrics`: one JSON object a line, each written out at once.
class MetricsFile {
public:
  /// Begins the file anew or, for a run that goes on, keeps what it says of the first `keptSteps`
  /// steps.
  static Result<MetricsFile> create(const std::string &path, int64_t keptSteps = 0);
  static MetricsFile none() { return MetricsFile(); }
  MetricsFile(MetricsFile &&other) noexcept;
  MetricsFile &operator=(MetricsFile &&other) noexcept;
  ~MetricsFile();

  Status step(const StepReport &report);
  Status evaluation(int64_t step, double loss, int64_t tokens);

private:
  MetricsFile() = default;
  Status write(const std::string &text);

  std::string name;
  FILE *file = nullptr;
};

} // namespace ftc::trainer

#endif // FTC_TRAINER_PROGRESS_H
