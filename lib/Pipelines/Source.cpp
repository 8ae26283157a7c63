//===- Source.cpp - where a compilation starts ----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Source.h"

#include "ftc/Frontend/Twin.h"
#include "ftc/Package/Writer.h"
#include "ftc/Pipelines/AdapterFile.h"
#include "ftc/Pipelines/ValidatePasses.h"
#include "ftc/Support/Hash.h"
#include "ftc/Support/LrScheduler.h"
#include "ftc/Support/Yaml.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ftc;

//===-- Configs -----------------------------------------------------------===//

static std::string hashOf(const std::string &text) { return hash128(text).hex(); }

/// Runs a small program of the same kind around every pass.
static Status validateTwin(MLIRContext &context, const Twin &twin, const CompileOptions &options,
                           CompileReport &report, bool &crashed) {
  report.lap("reading");
  std::vector<std::string> warnings; // those of the program itself, which have been printed
  Result<OwningOpRef<ModuleOp>> module =
      buildForward(context, twin.model, twin.adapter, twin.train, &warnings);
  if (!module)
    return module.takeError();
  unsigned checked = 0;
  PipelineOptions pipeline; // the whole one
  pipeline.target = options.target;
  PassRun run = validatePasses(**module, pipeline, reproducerPath(options.output), checked);
  crashed = run.crashed;
  if (crashed)
    module->release();
  if (!run.status)
    return std::move(run.status);
  report.lap("validation");
  report.validated(checked);
  return Status::ok();
}

Result<OwningOpRef<ModuleOp>> ftc::readConfigs(MLIRContext &context, const CompileOptions &options,
                                               CompileReport &report, bool &crashed) {
  // Before an error, too: the key that a warning names may be its reason.
  std::vector<std::string> warnings;
  auto printWarnings = [&] {
    for (const std::string &warning : warnings)
      llvm::errs() << formatWarning(warning);
    warnings.clear();
  };
  llvm::scope_exit atReturn(printWarnings);
  Result<ModelConfig> model = readModelConfig(options.model, &warnings);
  if (!model)
    return model.takeError();
  Result<AdapterSpec> read = readAdapter(context, options.adapter);
  if (!read)
    return read.takeError();
  AdapterSpec adapter = std::move(*read);
  std::string adapterText, savedName = "adapter_config.json", savedConfig;
  std::vector<ResolvedTarget> targets;
  if (!adapter.trainsModel()) {
    Result<std::string> text = readFile(adapter.other ? adapter.other->path : adapter.lora->path);
    if (!text)
      return text.takeError();
    adapterText = *text;
  }
  if (adapter.other)
    std::tie(savedName, savedConfig) = savedMethodFile(*model, *adapter.other);
  else if (adapter.lora)
    savedConfig = savedAdapterConfig(*model, *adapter.lora);
  TrainConfig train;
  std::string trainText;
  if (!options.train.empty()) {
    Result<std::string> text = readFile(options.train);
    if (!text)
      return text.takeError();
    trainText = *text;
    Result<json::Value> value = loadConfigFile(options.train);
    if (!value)
      return value.takeError();
    Result<TrainConfig> config = TrainConfig::fromValue(*value, options.train, &warnings);
    if (!config)
      return config.takeError();
    train = std::move(*config);
    if (Result<LrSchedulerOptions> schedule = lrSchedulerOptions(train); !schedule)
      return schedule.takeError();
  }
  if (options.memoryBudget != 0)
    train.memoryBudget.bytes = static_cast<uint64_t>(options.memoryBudget);

  Result<OwningOpRef<ModuleOp>> built = buildForward(context, *model, adapter, train, &warnings);
  if (!built)
    return built.takeError();
  if (adapter.lora) {
    Result<ModelConfig> layers = withReplicatedLayers(*model, *adapter.lora);
    if (!layers)
      return layers.takeError();
    Result<AdapterConfig> taken = withExpertTargets(*layers, *adapter.lora);
    if (!taken)
      return taken.takeError();
    Result<std::vector<ResolvedTarget>> resolved = resolveTargets(*layers, *taken);
    if (!resolved)
      return resolved.takeError();
    targets = std::move(*resolved);
  }
  printWarnings();
  report.describe(*model, adapter, targets, train);
  if (options.validatePasses)
    if (Status status =
            validateTwin(context, makeTwin(*model, adapter, train), options, report, crashed);
        !status)
      return status.takeError();

  Builder b(&context);
  auto string = [&](StringRef name, const std::string &text) {
    return b.getNamedAttr(name, b.getStringAttr(text));
  };
  SmallVector<Attribute> files;
  auto file = [&](StringRef name, const std::string &text) {
    files.push_back(b.getArrayAttr({b.getStringAttr(name), b.getStringAttr(text)}));
  };
  SmallVector<StringRef> leftAlone;
  if (adapter.trainsModel()) {
    file("config.json", model->text);
    leftAlone.append(model->family->leftAlone.begin(), model->family->leftAlone.end());
  } else {
    file(savedName, savedConfig);
  }
  (**built)->setAttr(
      kPackageAttr,
      b.getDictionaryAttr(
          {string("model_hash", hashOf(model->text)), string("adapter_hash", hashOf(adapterText)),
           string("train_hash", hashOf(trainText)),
           string("train_config", json::dump(train.toValue())),
           b.getNamedAttr("vocab", b.getI64IntegerAttr(model->vocabSize)),
           b.getNamedAttr("writes_model", b.getI64IntegerAttr(adapter.trainsModel())),
           b.getNamedAttr("left_alone", b.getStrArrayAttr(leftAlone)),
           b.getNamedAttr("files", b.getArrayAttr(files))}));
  return built;
}
