//===- Schedule.cpp - learning rates by step -------------------------------===//
// The formulas of the header.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Schedule.h"
#include "ftc/Mutants.h"

#include <algorithm>
#include <cmath>

namespace ftc::trainer {

Result<Schedule> Schedule::create(const TrainConfig &config, int64_t totalSteps) {
  struct Name {
    const char *name;
    Kind kind;
  };
  static constexpr Name names[] = {{"linear", Kind::Linear},
                                   {"cosine", Kind::Cosine},
                                   {"constant", Kind::Constant},
                                   {"constant_with_warmup", Kind::ConstantWithWarmup}};
  Schedule schedule;
  schedule.base = config.learningRate;
  schedule.total = totalSteps;
  schedule.warmup = config.warmupStepsFor(totalSteps);
  for (const Name &known : names) {
    if (config.lrSchedulerType != known.name)
      continue;
    schedule.kind = known.kind;
    return schedule;
  }
  return makeError(config.whereOf("lr_scheduler_type"),
                   "'lr_scheduler_type' " + quoted(config.lrSchedulerType) +
                       " is not a schedule that ftc has (linear, cosine, constant, "
                       "constant_with_warmup)");
}

double Schedule::factor(int64_t updatesDone) const {
  if (kind == Kind::Constant)
    return 1;
  auto atLeastOne = [](int64_t n) { return static_cast<double>(std::max<int64_t>(1, n)); };
  updatesDone = FTC_MUTATE("schedule-off-by-one", updatesDone, updatesDone + 1);
  if (updatesDone < warmup)
    return static_cast<double>(updatesDone) / atLeastOne(warmup);
  if (kind == Kind::ConstantWithWarmup)
    return 1;
  double length = atLeastOne(total - warmup);
  if (kind == Kind::Linear)
    return std::max(0.0, static_cast<double>(total - updatesDone) / length);
  double progress = static_cast<double>(updatesDone - warmup) / length;
  constexpr double pi = 3.14159265358979323846;
  return std::max(0.0, 0.5 * (1 + std::cos(pi * progress)));
}

} // namespace ftc::trainer
