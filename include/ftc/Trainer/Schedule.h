//===- Schedule.h - learning rates by step ---------------------------------===//
// The schedules of transformers' get_scheduler that are functions of the step alone.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_SCHEDULE_H
#define FTC_TRAINER_SCHEDULE_H

#include "ftc/Support/LrScheduler.h"

namespace ftc::trainer {

/// A learning rate schedule over `totalSteps` optimizer steps, `warmup` of them rising linearly
/// from 0. With u the updates done before, w the warmup, n the total, p = (u - w) / max(1, n - w),
/// and c, m, r... keywords of `lr_scheduler_kwargs` (transformers/optimization.py, whose order of
/// operations this keeps, so that rates are equal to the bit):
///
///   warmup (all but constant)  u < w:  u / max(1, w)
///   linear                     max(0, (n - u) / max(1, n - w))
///   cosine                     max(0, (1 + cos(2 pi c p)) / 2), c = num_cycles
///   cosine_with_restarts       max(0, (1 + cos(pi (c p mod 1))) / 2)
///   cosine_with_min_lr         max(0, (1 - m) (1 + cos(2 pi c p)) / 2 + m), m = min_lr_rate
///   cosine_warmup_with_min_lr  the same with p = (u - w + 1) / max(1, n - w); warmup (u + 1) / w,
///                              or from r = warmup_lr_rate: r + (1 - r) u / max(1, w - 1)
///   polynomial                 ((rate - e) (1 - p)^power + e) / rate, e = lr_end
///   inverse_sqrt               1 / sqrt((u + t - w) / t), t = timescale (w; 10000 without warmup)
///   warmup_stable_decay        m + (1 - m) ramp over w steps, 1, m + (1 - m) ramp over
///                              num_decay_steps, m; a ramp is linear, cosine or 1 - sqrt
///   constant, constant_with_warmup     1
class Schedule {
public:
  /// Fails on a name that is none of the above and on keywords that the schedule does not take.
  static Result<Schedule> create(const TrainConfig &config, int64_t totalSteps);

  /// The factor of the update that `updatesDone` others precede.
  double factor(int64_t updatesDone) const;
  /// The learning rate of optimizer step `step`, counted from 1.
  double learningRate(int64_t step) const { return base * factor(step - 1); }
  int64_t warmupSteps() const { return warmup; }

private:
  enum class Kind {
    Linear,
    Cosine,
    CosineWithRestarts,
    CosineWithMinLr,
    CosineWarmupWithMinLr,
    Polynomial,
    InverseSqrt,
    WarmupStableDecay,
    Constant,
    ConstantWithWarmup
  };
  Schedule() = default;

  double cosineWarmupWithMinLr(double u) const;
  double polynomial(int64_t u) const;
  double inverseSqrt(int64_t u) const;
  double warmupStableDecay(int64_t u) const;

  Kind kind = Kind::Linear;
  LrSchedulerOptions options;
  double base = 0;
  int64_t warmup = 0;
  int64_t total = 0;
};

} // namespace ftc::trainer

#endif // FTC_TRAINER_SCHEDULE_H
