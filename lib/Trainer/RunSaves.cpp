//===- RunSaves.cpp - what a run leaves ------------------------------------===//
// Checkpoints between steps, the result at the end, and the way back.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainingRun.h"

#include "ftc/Mutants.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Trainer/Manifest.h"
#include "ftc/Trainer/Save.h"

#include <filesystem>

namespace ftc::trainer {

namespace {

constexpr const char *kRecord = "trainer_state.json";

/// Whether a file of a checkpoint is one of a result, too.
bool isOfResult(const std::string &name) {
  return name != kManifestName && name != kStateTensors && name != kStateCounters &&
         name != kRecord;
}

/// Copies the files of a result out of a checkpoint, which must still be whole.
Status copyResult(const std::string &checkpoint, const std::string &directory) {
  if (Result<int64_t> step = verifyManifest(checkpoint); !step)
    return step.takeError();
  std::error_code code;
  for (std::filesystem::directory_iterator it(checkpoint, code), end; !code && it != end;
       it.increment(code)) {
    std::string name = it->path().filename().string();
    std::error_code failure;
    if (isOfResult(name))
      std::filesystem::copy_file(it->path(), joinPath(directory, name), failure);
    if (failure)
      return systemError(joinPath(directory, name), "cannot write", failure.value());
    if (isOfResult(name))
      if (Status s = syncFile(joinPath(directory, name)); !s)
        return s;
  }
  if (code)
    return systemError(checkpoint, "cannot read", code.value());
  return Status::ok();
}

} // namespace

Status TrainingRun::writeRecord(const std::string &directory) const {
  return writeFileAtomically(joinPath(directory, kRecord), json::dump(state.toValue(), 2) + '\n');
}

Status TrainingRun::save(int64_t step) {
  if (counters.bestStep == step) {
    counters.savedBest = step;
    state.bestModelCheckpoint =
        joinPath(parts.options.output, "checkpoint-" + std::to_string(step));
  }
  Status saved = parts.directory.saveCheckpoint(step, [&](const std::string &directory) -> Status {
    if (Status s = writeResult(parts.package, parts.instance, parts.options.weights, directory); !s)
      return s;
    if (Status s = writeRecord(directory); !s)
      return s;
    if (Status s = writeState(parts.package, parts.instance, directory); !s)
      return s;
    return writeCounters(counters, parts.identity, directory);
  });
  if (FTC_MUTATE("failed-save-ignored", !saved, false))
    return stopped(saved.takeError());
  savedStep = step;
  progress.line("step " + std::to_string(step) + '/' + std::to_string(parts.plan.totalSteps) +
                " | saved " + parts.directory.checkpointPath(step));
  return prune();
}

Status TrainingRun::prune() {
  if (!parts.config.saveTotalLimit || savedStep == 0)
    return Status::ok();
  return parts.directory.prune(*parts.config.saveTotalLimit, savedStep, counters.savedBest);
}

Status TrainingRun::saveIfDue(int64_t step, const OptimizerStep &work) {
  const TrainingPlan &plan = parts.plan;
  if (plan.saving.isDue(step, work) || (plan.savesBest && counters.bestStep == step) ||
      (plan.savesLast && step == plan.totalSteps))
    return save(step);
  return Status::ok();
}

Status TrainingRun::publish() {
  Status published = parts.directory.publish(kRecord, [&](const std::string &directory) -> Status {
    bool isBest = parts.config.loadBestModelAtEnd && counters.savedBest;
    Status s = isBest
                   ? copyResult(parts.directory.checkpointPath(*counters.savedBest), directory)
                   : writeResult(parts.package, parts.instance, parts.options.weights, directory);
    return s ? writeRecord(directory) : std::move(s);
  });
  return published ? Status::ok() : stopped(published.takeError());
}

Status TrainingRun::leave(int64_t step, int signal) {
  if (savedStep != step)
    if (Status s = save(step); !s)
      return s;
  progress.finish();
  std::printf("%s after step %lld; %s goes on with --resume\n", signalName(signal),
              static_cast<long long>(step), parts.directory.checkpointPath(step).c_str());
  return Status::ok();
}

Status TrainingRun::resume(int64_t step) {
  std::string checkpoint = parts.directory.checkpointPath(step);
  Result<SavedRun> saved = readCounters(checkpoint);
  if (!saved)
    return saved.takeError();
  std::string path = joinPath(checkpoint, kStateCounters);
  if (saved->counters.step != step)
    return makeError(path, "is of step " + std::to_string(saved->counters.step) + ", not " +
                               std::to_string(step));
  if (step > parts.plan.totalSteps)
    return makeError(checkpoint, "is beyond the last step, which is " +
                                     std::to_string(parts.plan.totalSteps) +
                                     "; raise max_steps or num_train_epochs");
  if (parts.identity.weights != saved->identity.weights)
    return makeError(parts.options.weights,
                     "has other frozen weights than those that " + checkpoint +
                         " was trained with; give the model directory that the run began with");
  for (const std::string &difference : parts.identity.differences(saved->identity))
    std::fputs(formatWarning(checkpoint +
                             ": the run goes on, but not as it would have without "
                             "the stop: " +
                             difference)
                   .c_str(),
               stderr);
  std::string record = joinPath(checkpoint, kRecord);
  Result<json::Value> value = json::parseFile(record);
  if (!value)
    return value.takeError();
  if (Status s = state.restore(*value, record); !s)
    return s;
  if (Status s = readState(parts.package, parts.instance, checkpoint); !s)
    return s;
  counters = saved->counters;
  if (counters.savedBest)
    if (Result<int64_t> best = verifyManifest(parts.directory.checkpointPath(*counters.savedBest));
        !best) {
      std::fputs(formatWarning("the best checkpoint is lost, and the best one from here on is "
                               "taken: " +
                               best.error().str())
                     .c_str(),
                 stderr);
      counters.bestLoss.reset();
      counters.bestStep.reset();
      counters.savedBest.reset();
    }
  parts.source.goTo(counters.epoch, FTC_MUTATE("data-from-the-start", counters.batchesDone, 0));
  savedStep = step;
  firstStep = step + 1;
  state.globalStep = step;
  state.epoch = parts.source.epochsDone();
  if (counters.savedBest)
    state.bestModelCheckpoint =
        joinPath(parts.options.output, "checkpoint-" + std::to_string(*counters.savedBest));
  if (parts.plan.tracksBest) {
    state.bestMetric = counters.bestLoss;
    state.bestGlobalStep = counters.bestStep;
  }
  return Status::ok();
}

} // namespace ftc::trainer
