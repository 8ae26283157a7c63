//===- Schedule.h - learning rates by step ---------------------------------===//
// The schedules of transformers' get_scheduler that ftc has.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_SCHEDULE_H
#define FTC_TRAINER_SCHEDULE_H

#include "ftc/Support/TrainConfig.h"

namespace ftc::trainer {

/// A learning rate schedule over `totalSteps` optimizer steps, `warmup` of them rising linearly
/// from 0. With u the updates done before, w the warmup and n the total
/// (transformers/optimization.py):
///
///   warmup (all but constant)  u < w:  u / max(1, w)
///   linear                     max(0, (n - u) / max(1, n - w))
///   cosine                     max(0, (1 + cos(pi (u - w) / max(1, n - w))) / 2)
///   constant, constant_with_warmup     1
class Schedule {
public:
  /// Fails on a name that is none of the above.
  static Result<Schedule> create(const TrainConfig &config, int64_t totalSteps);

  /// The factor of the update that `updatesDone` others precede.
  double factor(int64_t updatesDone) const;
  /// The learning rate of optimizer step `step`, counted from 1.
  double learningRate(int64_t step) const { return base * factor(step - 1); }
  int64_t warmupSteps() const { return warmup; }

private:
  enum class Kind { Linear, Cosine, Constant, ConstantWithWarmup };
  Schedule() = default;

  Kind kind = Kind::Linear;
  double base = 0;
  int64_t warmup = 0;
  int64_t total = 0;
};

} // namespace ftc::trainer

#endif // FTC_TRAINER_SCHEDULE_H
