//===- Evaluate.cpp - ftc evaluate -----------------------------------------===//
// The loss of one batch file or of a data set, as JSON.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/BatchFile.h"
#include "ftc/Trainer/Commands.h"
#include "ftc/Trainer/Evaluation.h"

#include <cstdio>

namespace ftc::trainer {

namespace {

Result<Evaluation> evaluate(const EvaluateOptions &options) {
  Result<Package> package = Package::load(options.package);
  if (!package)
    return package.takeError();
  Result<TrainConfig> config = package->trainConfig();
  if (!config)
    return config.takeError();

  // Inputs are read before the weights: they fail sooner.
  std::optional<BatchFile> batch;
  std::optional<Evaluator> evaluator;
  if (!options.batch.empty()) {
    std::vector<std::string> warnings;
    Result<BatchFile> file = BatchFile::load(options.batch, &warnings);
    for (const std::string &warning : warnings)
      std::fputs(formatWarning(warning).c_str(), stderr);
    if (!file)
      return file.takeError();
    batch.emplace(std::move(*file));
  } else {
    Result<Dataset> data = Dataset::load(options.data, datasetLimits(*package));
    if (!data)
      return data.takeError();
    evaluator.emplace(std::move(*data), *package);
  }
  StartOptions start{options.weights, options.adapterWeights, options.threads,
                     static_cast<uint64_t>(config->seed)};
  Result<Instance> instance = startInstance(*package, start);
  if (!instance)
    return instance.takeError();
  if (batch)
    return evaluateBatch(*instance, batch->view(), *config, batch->path());
  return evaluator->run(*instance, *config);
}

} // namespace

Status runEvaluate(const EvaluateOptions &options) {
  Result<Evaluation> result = evaluate(options);
  if (!result)
    return result.takeError();
  json::Value value = json::Value::object();
  value.set("loss", result->loss).set("tokens", result->tokens);
  std::printf("%s\n", json::dump(value).c_str());
  return Status::ok();
}

} // namespace ftc::trainer
