//===- LrScheduler.h - what lr_scheduler_kwargs says -----------------------===//
// The keywords of transformers' learning rate schedules, read and checked.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_LRSCHEDULER_H
#define FTC_SUPPORT_LRSCHEDULER_H

#include "ftc/Support/TrainConfig.h"

namespace ftc {

/// How a schedule's rate rises or falls (`warmup_type` and `decay_type` of warmup_stable_decay).
enum class LrRamp : uint8_t { Linear, Cosine, OneMinusSqrt };

/// The keywords of one schedule with their defaults (transformers/optimization.py). Those that the
/// schedule does not take keep a value that nothing reads.
struct LrSchedulerOptions {
  double numCycles = 0.5;
  double lrEnd = 1e-7;
  double power = 1;
  std::optional<int64_t> timescale;
  double minLrRate = 0; ///< min_lr_rate, min_lr / learning_rate, or min_lr_ratio
  std::optional<double> warmupLrRate;
  int64_t decaySteps = 0;
  std::optional<int64_t> stableSteps;
  LrRamp warmupRamp = LrRamp::Linear;
  LrRamp decayRamp = LrRamp::Cosine;
};

/// Reads `lr_scheduler_kwargs` for the schedule `lr_scheduler_type`. Fails on a keyword that the
/// schedule does not take, on a value out of range, on a keyword that is missing, and where the
/// rate that a schedule ends on is not below `learning_rate`.
Result<LrSchedulerOptions> lrSchedulerOptions(const TrainConfig &config);

} // namespace ftc

#endif // FTC_SUPPORT_LRSCHEDULER_H
