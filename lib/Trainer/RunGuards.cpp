//===- RunGuards.cpp - what stops a run ------------------------------------===//
// Numbers that are not finite, gradients that do not come, weights that change.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainingRun.h"

#include "ftc/Trainer/Format.h"

namespace ftc::trainer {

/// Says what is left of a run that stops.
Error TrainingRun::stopped(Error error) const {
  if (savedStep > 0)
    return std::move(error).note("the last checkpoint is " +
                                 parts.directory.checkpointPath(savedStep));
  return std::move(error).note("nothing was saved to " + parts.options.output);
}

Error TrainingRun::predictsNothing(int64_t step, const OptimizerStep &work) const {
  std::string lines;
  int64_t count = 0;
  for (size_t b = 0; b < work.count; ++b)
    for (uint32_t index : work.batches[b].sequences)
      if (++count <= 8)
        lines += (lines.empty() ? "" : ", ") + std::to_string(parts.data.line(index));
  return makeError(parts.data.path(),
                   "step " + std::to_string(step) +
                       " predicts no token, so its loss has no mean; its lines are " + lines +
                       (count > 8 ? ", ..." : ""));
}

Error TrainingRun::notFinite(int64_t step, const char *what, double value) const {
  return stopped(makeError(parts.package.path(), "step " + std::to_string(step) + ": the " + what +
                                                     " is " + formatNumber(value, 6) +
                                                     "; training stopped"))
      .note("a lower learning_rate, warmup_steps, or max_grad_norm may help");
}

Status TrainingRun::checkGradients(int64_t step) {
  if (counters.gradientsSeen)
    return Status::ok();
  counters.stepsWithRate += parts.schedule.learningRate(step) > 0;
  if (counters.stepsWithRate < kStepsUntilGradients)
    return Status::ok();
  Result<std::vector<std::string>> missing = withoutGradient(parts.package, parts.instance);
  if (!missing)
    return missing.takeError();
  counters.gradientsSeen = missing->empty();
  if (counters.gradientsSeen)
    return Status::ok();
  constexpr size_t shown = 8;
  std::string names;
  for (size_t i = 0; i < std::min(shown, missing->size()); ++i)
    names += (i ? ", " : "") + quoted((*missing)[i], 200);
  if (missing->size() > shown)
    names += " and " + std::to_string(missing->size() - shown) + " more";
  return stopped(makeError(parts.package.path(),
                           "step " + std::to_string(step) + ": no gradient has reached " + names +
                               "; training would leave " + (missing->size() > 1 ? "them" : "it") +
                               " as before, and stopped"))
      .note("data in which a token is predicted from others, or an adapter without these, may "
            "help");
}

Status TrainingRun::checkBase() const {
  Result<BaseChecksums> now = BaseChecksums::of(parts.package, parts.instance);
  if (!now)
    return now.takeError();
  if (std::optional<std::string> name = parts.base.firstDifference(*now))
    return stopped(makeError(parts.options.weights,
                             "the frozen weight " + quoted(*name, 200) +
                                 " changed while it was trained on; leave the files alone and "
                                 "train again"));
  return Status::ok();
}

} // namespace ftc::trainer
