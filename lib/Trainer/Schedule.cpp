//===- Schedule.cpp - learning rates by step -------------------------------===//
// The formulas of the header.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Schedule.h"
#include "ftc/Mutants.h"

#include <algorithm>
#include <cmath>

namespace ftc::trainer {

namespace {

constexpr double pi = 3.14159265358979323846;

double number(int64_t steps) { return static_cast<double>(steps); }
double atLeastOne(int64_t steps) { return number(std::max<int64_t>(1, steps)); }

/// `cycles` waves between 1 and 0, from 1.
double wave(double cycles, double progress) {
  return 0.5 * (1 + std::cos(pi * cycles * 2 * progress));
}

double between(double factor, double least) { return std::max(0.0, factor * (1 - least) + least); }

} // namespace

Result<Schedule> Schedule::create(const TrainConfig &config, int64_t totalSteps) {
  struct Name {
    const char *name;
    Kind kind;
  };
  static constexpr Name names[] = {{"linear", Kind::Linear},
                                   {"cosine", Kind::Cosine},
                                   {"cosine_with_restarts", Kind::CosineWithRestarts},
                                   {"cosine_with_min_lr", Kind::CosineWithMinLr},
                                   {"cosine_warmup_with_min_lr", Kind::CosineWarmupWithMinLr},
                                   {"polynomial", Kind::Polynomial},
                                   {"inverse_sqrt", Kind::InverseSqrt},
                                   {"warmup_stable_decay", Kind::WarmupStableDecay},
                                   {"constant", Kind::Constant},
                                   {"constant_with_warmup", Kind::ConstantWithWarmup}};
  Result<LrSchedulerOptions> options = lrSchedulerOptions(config);
  if (!options)
    return options.takeError();
  Schedule schedule;
  schedule.options = *options;
  schedule.base = config.learningRate;
  schedule.total = totalSteps;
  schedule.warmup = config.warmupStepsFor(totalSteps);
  std::string list;
  for (const Name &known : names) {
    list += (list.empty() ? "" : ", ") + std::string(known.name);
    if (config.lrSchedulerType != known.name)
      continue;
    schedule.kind = known.kind;
    return schedule;
  }
  return makeError(config.whereOf("lr_scheduler_type"),
                   "'lr_scheduler_type' " + quoted(config.lrSchedulerType) +
                       " is not a schedule that ftc has (" + list + ')');
}

double Schedule::factor(int64_t updatesDone) const {
  if (kind == Kind::Constant)
    return 1;
  const int64_t u = FTC_MUTATE("schedule-off-by-one", updatesDone, updatesDone + 1);
  if (kind == Kind::WarmupStableDecay)
    return warmupStableDecay(u);
  if (kind == Kind::CosineWarmupWithMinLr)
    return cosineWarmupWithMinLr(number(u));
  if (u < warmup)
    return number(u) / atLeastOne(warmup);
  const double length = atLeastOne(total - warmup);
  const double progress = number(u - warmup) / length;
  switch (kind) {
  case Kind::Linear:
    return std::max(0.0, number(total - u) / length);
  case Kind::Cosine:
    return std::max(0.0, wave(options.numCycles, progress));
  case Kind::CosineWithRestarts:
    return progress >= 1
               ? 0
               : std::max(0.0,
                          0.5 * (1 + std::cos(pi * std::fmod(options.numCycles * progress, 1))));
  case Kind::CosineWithMinLr:
    return between(wave(options.numCycles, progress), options.minLrRate);
  case Kind::Polynomial:
    return polynomial(u);
  case Kind::InverseSqrt:
    return inverseSqrt(u);
  default:
    return 1;
  }
}

double Schedule::cosineWarmupWithMinLr(double u) const {
  if (u < number(warmup)) {
    if (!options.warmupLrRate)
      return (u + 1) / atLeastOne(warmup);
    const double first = *options.warmupLrRate;
    return first + (1 - first) * u / atLeastOne(warmup - 1);
  }
  const double progress = (u - number(warmup) + 1) / atLeastOne(total - warmup);
  return between(wave(options.numCycles, progress), options.minLrRate);
}

double Schedule::polynomial(int64_t u) const {
  if (u > total)
    return options.lrEnd / base;
  const double left = 1 - number(u - warmup) / atLeastOne(total - warmup);
  return ((base - options.lrEnd) * std::pow(left, options.power) + options.lrEnd) / base;
}

double Schedule::inverseSqrt(int64_t u) const {
  const int64_t scale = options.timescale.value_or(warmup > 0 ? warmup : 10000);
  return 1 / std::sqrt(number(u + (scale - warmup)) / number(scale));
}

double Schedule::warmupStableDecay(int64_t u) const {
  const int64_t stable = options.stableSteps.value_or(total - warmup - options.decaySteps);
  if (u < warmup) {
    const double progress = number(u) / atLeastOne(warmup);
    switch (options.warmupRamp) {
    case LrRamp::Linear:
      return between(progress, options.minLrRate);
    case LrRamp::Cosine:
      return between(0.5 * (1 - std::cos(pi * progress)), options.minLrRate);
    case LrRamp::OneMinusSqrt:
      return between(1 - std::sqrt(1 - progress), options.minLrRate);
    }
  }
  if (u < warmup + stable)
    return 1;
  if (u >= warmup + stable + options.decaySteps)
    return options.minLrRate;
  const double progress = number(u - warmup - stable) / atLeastOne(options.decaySteps);
  switch (options.decayRamp) {
  case LrRamp::Linear:
    return between(1 - progress, options.minLrRate);
  case LrRamp::Cosine:
    return between(wave(options.numCycles, progress), options.minLrRate);
  case LrRamp::OneMinusSqrt:
    return between(1 - std::sqrt(progress), options.minLrRate);
  }
  return 1;
}

} // namespace ftc::trainer
