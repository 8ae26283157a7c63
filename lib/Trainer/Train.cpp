//===- Train.cpp - ftc train -----------------------------------------------===//
// Reads and checks everything that a run is made of, in the order in which it is told.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainingRun.h"

#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/MappedFile.h"

namespace ftc::trainer {

namespace {

void printWarnings(std::vector<std::string> &warnings) {
  for (const std::string &warning : warnings)
    std::fputs(formatWarning(warning).c_str(), stderr);
  warnings.clear();
}

/// The newest whole checkpoint; nothing where the run begins with its first step.
Result<std::optional<int64_t>> checkpointToResume(const TrainOptions &options,
                                                  const RunDirectory &directory) {
  if (!options.resume)
    return std::optional<int64_t>();
  std::vector<std::string> skipped;
  Result<std::optional<int64_t>> newest = directory.newestWhole(&skipped);
  for (const std::string &reason : skipped)
    std::fputs(
        formatWarning("this checkpoint is not whole, and an older one is taken: " + reason).c_str(),
        stderr);
  if (newest && !*newest)
    std::printf("%s has no checkpoint: the run begins with its first step\n",
                options.output.c_str());
  return newest;
}

Result<std::string> fileHash(const std::string &path) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  return hash128(file->data(), file->size()).hex();
}

} // namespace

Status runTrain(const TrainOptions &options, int *stoppedBy) {
  int ignored = 0;
  stoppedBy = stoppedBy ? stoppedBy : &ignored;
  *stoppedBy = 0;
  Result<RunDirectory> directory = RunDirectory::open(options.output, options.resume);
  if (!directory)
    return directory.takeError();
  Result<std::optional<int64_t>> checkpoint = checkpointToResume(options, *directory);
  if (!checkpoint)
    return checkpoint.takeError();

  Result<Package> package = Package::load(options.package);
  if (!package)
    return package.takeError();
  RunIdentity identity;
  Result<std::string> packageHash = fileHash(options.package);
  if (!packageHash)
    return packageHash.takeError();
  identity.package = *std::move(packageHash);
  std::vector<std::string> warnings;
  Result<TrainConfig> config = resolveConfig(*package, options, &warnings);
  printWarnings(warnings);
  if (!config)
    return config.takeError();
  identity.config = config->toValue();
  Result<Dataset> data = Dataset::load(options.data, datasetLimits(*package));
  if (!data)
    return data.takeError();
  identity.data = data->identity().hex();
  std::optional<Evaluator> evaluator;
  if (!options.evalData.empty()) {
    Result<Dataset> evalData = Dataset::load(options.evalData, datasetLimits(*package));
    if (!evalData)
      return evalData.takeError();
    evaluator.emplace(std::move(*evalData), *package);
  }

  StepSource source(data->lengths(), packingLimits(*package),
                    static_cast<uint64_t>(config->effectiveDataSeed()),
                    config->gradientAccumulationSteps);
  Result<TrainingPlan> plan = makePlan(*config, source, evaluator.has_value(), &warnings);
  printWarnings(warnings);
  if (!plan)
    return plan.takeError();
  identity.totalSteps = plan->totalSteps;
  identity.threads = effectiveThreads(options.threads);
  Result<Schedule> schedule = Schedule::create(*config, plan->totalSteps);
  if (!schedule)
    return schedule.takeError();
  // A checkpoint has the adapter that the run began with, trained.
  Result<Instance> instance =
      startInstance(*package, {options.weights, *checkpoint ? "" : options.adapterWeights,
                               options.threads, static_cast<uint64_t>(config->seed)});
  if (!instance)
    return instance.takeError();
  Result<json::Value> choices = json::parse(instance->choices(), "the runtime's choices");
  if (!choices)
    return choices.takeError();
  identity.choices = *std::move(choices);
  Result<BaseChecksums> base = BaseChecksums::of(*package, *instance);
  if (!base)
    return base.takeError();
  identity.weights = base->identity();

  TrainingRun run({options, *package, std::move(*config), std::move(*data), std::move(source),
                   *plan, *schedule, std::move(*instance), std::move(evaluator),
                   std::move(*directory), std::move(*base), std::move(identity)});
  if (*checkpoint)
    if (Status s = run.resume(**checkpoint); !s)
      return s;
  return run.run(stoppedBy);
}

} // namespace ftc::trainer
