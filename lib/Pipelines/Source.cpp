//===- Source.cpp - where a compilation starts ----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Source.h"

#include "ftc/Frontend/Twin.h"
#include "ftc/Package/Writer.h"
#include "ftc/Pipelines/AdapterFile.h"
#include "ftc/Pipelines/RunPasses.h"
#include "ftc/Pipelines/ValidatePasses.h"
#include "ftc/Support/Hash.h"
#include "ftc/Support/LrScheduler.h"
#include "ftc/Support/Yaml.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ftc;

//===-- Diagnostics -------------------------------------------------------===//

/// A location as a user knows it: a file position of a dump, or a site.
static std::string placeOf(Location location) {
  if (auto file = dyn_cast<FileLineColLoc>(location))
    return place(file.getFilename().str(), file.getLine(), file.getColumn());
  if (auto name = dyn_cast<NameLoc>(location))
    return name.getName().str();
  if (auto fused = dyn_cast<FusedLoc>(location); fused && !fused.getLocations().empty())
    return placeOf(fused.getLocations().front());
  return "";
}

/// One line that a person reads: MLIR's texts may hold printed operations.
static std::string lineOf(const Diagnostic &diagnostic) {
  constexpr size_t longest = 400;
  std::string text = diagnostic.str();
  for (char &c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
      c = ' ';
  if (text.size() > longest)
    text = text.substr(0, longest) + "...";
  return text;
}

DiagnosticCollector::DiagnosticCollector(MLIRContext *context)
    : handler(context, [this](Diagnostic &diagnostic) {
        // Told by ftc in its own words.
        if (StringRef(diagnostic.str()).starts_with(kReproducerDiagnostic))
          return success();
        std::string text = lineOf(diagnostic);
        std::string where = placeOf(diagnostic.getLocation());
        if (diagnostic.getSeverity() == DiagnosticSeverity::Error) {
          Error &error = errors.emplace_back(makeError(where, text));
          for (Diagnostic &note : diagnostic.getNotes())
            error.note(lineOf(note));
        } else if (diagnostic.getSeverity() == DiagnosticSeverity::Warning) {
          warnings.push_back(where.empty() ? text : where + ": " + text);
        }
        return success();
      }) {}

Error DiagnosticCollector::takeError(const std::string &otherwise) {
  if (errors.empty())
    return makeError("ftc compile", otherwise);
  Error first = std::move(errors.front());
  constexpr size_t most = 10;
  for (size_t i = 1; i < errors.size() && i < most; ++i)
    first.note(errors[i].str());
  if (errors.size() > most)
    first.note("and " + std::to_string(errors.size() - most) + " more");
  errors.clear();
  return first;
}

void DiagnosticCollector::printWarnings() {
  for (const std::string &warning : warnings)
    llvm::errs() << formatWarning(warning);
  warnings.clear();
}

//===-- Text of IR --------------------------------------------------------===//

std::string ftc::unreadable(StringRef text) {
  constexpr unsigned deepest = 128;
  constexpr size_t longestAffine = 1024, longestNumber = 256;
  if (text.starts_with("ML\xefR"))
    return "is MLIR bytecode; expected the text that ftc and ft-opt print";
  unsigned depth = 0, depthAtAffine = 0;
  size_t affine = StringRef::npos, digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    digits = llvm::isDigit(c) ? digits + 1 : 0;
    if (digits > longestNumber)
      return "a number has more than " + std::to_string(longestNumber) + " digits";
    if (affine != StringRef::npos && i - affine > longestAffine)
      return "an affine expression has more than " + std::to_string(longestAffine) + " characters";
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i)
        i += text[i] == '\\';
    } else if (c == '/' && i + 1 < text.size() && text[i + 1] == '/') {
      i = text.find('\n', i);
      if (i == StringRef::npos)
        break;
    } else if (c == '(' || c == '[' || c == '{' || c == '<') {
      StringRef before = c == '<' ? text.substr(0, i).rtrim() : StringRef();
      if (affine == StringRef::npos &&
          (before.ends_with("affine_map") || before.ends_with("affine_set"))) {
        affine = i;
        depthAtAffine = depth;
      }
      if (++depth > deepest)
        return "brackets nest deeper than " + std::to_string(deepest) +
               "; expected IR that ftc printed";
    } else if (c == ')' || c == ']' || c == '}' ||
               (c == '>' && (i == 0 || text[i - 1] != '-') && text.substr(i + 1, 1) != "=")) {
      depth -= depth > 0;
      if (depth <= depthAtAffine)
        affine = StringRef::npos;
    }
  }
  return "";
}

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

//===-- Dumps -------------------------------------------------------------===//

Result<OwningOpRef<ModuleOp>> ftc::readDump(MLIRContext &context, const std::string &path,
                                            DiagnosticCollector &diagnostics) {
  Result<std::string> text = readFile(path, uint64_t{1} << 30);
  if (!text)
    return text.takeError();
  if (std::string why = unreadable(*text); !why.empty())
    return makeError(path, why);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(*text, ParserConfig(&context), path);
  if (!module)
    return diagnostics.takeError("the IR could not be parsed");
  return module;
}
