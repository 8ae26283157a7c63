//===- AdapterTargets.cpp - which modules an adapter attaches to -----------===//
// PEFT's matching rules over the module tree, and messages for what matches nothing.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ConfigReading.h"
#include "ParameterTargets.h"
#include "ftc/Frontend/AdapterConfig.h"
#include "ftc/Frontend/ModelLayout.h"
#include "ftc/Frontend/Pattern.h"
#include "ftc/Mutants.h"

#include <algorithm>
#include <optional>

namespace ftc {

namespace {

bool matchesEntry(std::string_view path, std::string_view entry) {
  if (path == entry)
    return true;
  return path.size() > entry.size() && path[path.size() - entry.size() - 1] == '.' &&
         path.substr(path.size() - entry.size()) == entry;
}

std::string_view lastComponent(std::string_view path) {
  size_t dot = path.rfind('.');
  return dot == path.npos ? path : path.substr(dot + 1);
}

/// The last components of the linear layers' paths, each once, in module order.
std::vector<std::string_view> linearNames(const std::vector<ModuleSpec> &modules) {
  std::vector<std::string_view> names;
  for (const ModuleSpec &module : modules)
    if (module.kind == ModuleKind::Linear)
      if (std::string_view name = lastComponent(module.path);
          std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  return names;
}

/// Numbers of layers that `layers_to_transform` may mean: a component of digits, not the first two
/// and not the last (PEFT's `.*?\.[^.]*\.(\d+)\.`), with what stands before it.
struct LayerNumber {
  int64_t number;
  std::string_view before;
};

std::vector<LayerNumber> numbersIn(std::string_view path) {
  std::vector<LayerNumber> numbers;
  for (size_t begin = 0, dot; (dot = path.find('.', begin)) != path.npos; begin = dot + 1) {
    std::string_view part = path.substr(begin, dot - begin);
    if (part.empty() || part.size() > 9 || begin == 0 ||
        !std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; }))
      continue;
    int64_t number = 0;
    for (char c : part)
      number = number * 10 + (c - '0');
    numbers.push_back({number, path.substr(0, begin - 1)});
  }
  return numbers;
}

/// One expression of the config, compiled.
struct Rule {
  Pattern pattern;
  double value;
  bool used = false;
};

class TargetResolver {
public:
  TargetResolver(const ModelConfig &model, const AdapterConfig &adapter)
      : model(model), adapter(adapter), modules(modelModules(model)), chosen(modules.size()),
        excluded(modules.size()), layerUsed(adapter.layersToTransform.size()) {}

  Result<std::vector<ResolvedTarget>> resolve() {
    if (Status s = compileRules(); !s)
      return s.takeError();
    if (Status s = exclude(); !s)
      return s.takeError();
    if (Status s = chooseTargets(); !s)
      return s.takeError();
    if (failures.empty())
      reportUnusedLayers();
    if (failures.empty())
      parameters = detail::matchParameters(adapter, modules, chosen, excluded, failures);
    if (!failures.empty())
      return joined();
    std::vector<ResolvedTarget> targets;
    auto parameter = parameters.begin();
    for (size_t i = 0; i < modules.size(); ++i) {
      if (chosen[i])
        targets.push_back(target(modules[i]));
      for (; parameter != parameters.end() && parameter->module == i; ++parameter)
        targets.push_back(target(*parameter));
    }
    reportUnusedRules(ranks, adapter.rankPattern, "rank_pattern");
    reportUnusedRules(alphas, adapter.alphaPattern, "alpha_pattern");
    if (!failures.empty())
      return joined();
    return targets;
  }

private:
  //===-- Rank and scaling ------------------------------------------------===//

  static Status compile(const std::vector<PatternEntry> &entries, std::vector<Rule> &rules) {
    for (const PatternEntry &entry : entries) {
      if (Result<Pattern> own = Pattern::compile(entry.expression, entry.where); !own)
        return own.takeError();
      Result<Pattern> pattern = Pattern::compile("(.*\\.)?(" + entry.expression + ")", entry.where);
      if (!pattern)
        return pattern.takeError();
      rules.push_back({std::move(*pattern), entry.value});
    }
    return Status::ok();
  }

  Status compileRules() {
    if (Status s = compile(adapter.rankPattern, ranks); !s)
      return s;
    if (Status s = compile(adapter.alphaPattern, alphas); !s)
      return s;
    for (const std::string &text : adapter.layersPattern) {
      Result<Pattern> pattern =
          Pattern::compile("(?:.*\\.)?(?:" + text + ")", adapter.layersPatternPlace);
      if (!pattern)
        return pattern.takeError();
      layerPatterns.push_back(std::move(*pattern));
    }
    return Status::ok();
  }

  /// The value of the first rule that matches. Others that match count as used: which of two rules
  /// decides is told by their order.
  static double decide(std::vector<Rule> &rules, std::string_view path, double otherwise) {
    std::optional<double> value;
    for (Rule &rule : rules)
      if (rule.pattern.fullMatch(path)) {
        rule.used = true;
        value = FTC_MUTATE("rank-pattern-last", value.value_or(rule.value), rule.value);
      }
    return value.value_or(otherwise);
  }

  /// What the rules say of a path, of a module or of a parameter.
  ResolvedTarget targetAt(const std::string &path, SiteKind kind) {
    ResolvedTarget target;
    target.site = path;
    target.r = static_cast<int64_t>(decide(ranks, path, static_cast<double>(adapter.r)));
    target.scaling = adapter.scaling(decide(alphas, path, adapter.loraAlpha), target.r);
    target.init = adapter.init;
    target.kind = kind;
    if (adapter.init == LoraInit::Orthogonal && kind != SiteKind::Embedding && target.r % 2 != 0 &&
        failures.empty())
      failures.push_back(makeError(
          adapter.initPlace, "'init_lora_weights' is orthogonal, which needs an even "
                             "rank, but " +
                                 quoted(path, 200) + " has rank " + std::to_string(target.r)));
    return target;
  }

  ResolvedTarget target(const ModuleSpec &module) {
    SiteKind kind = module.kind == ModuleKind::Embedding ? SiteKind::Embedding
                    : module.kind == ModuleKind::Head    ? SiteKind::Head
                                                         : SiteKind::Linear;
    ResolvedTarget target = targetAt(module.path, kind);
    // Ids cannot be dropped, and PEFT drops nothing behind them.
    target.dropout = kind == SiteKind::Embedding ? 0 : adapter.loraDropout;
    target.bias = adapter.loraBias;
    target.dora = adapter.useDora;
    return target;
  }

  /// Rules see a parameter's own path.
  ResolvedTarget target(const detail::ParameterTarget &parameter) {
    const std::string &module = modules[parameter.module].path;
    ResolvedTarget target = targetAt(module + '.' + parameter.name, parameter.kind);
    if (parameter.kind != SiteKind::Experts)
      target.site = module;
    target.keyPath = parameter.keyPath;
    return target;
  }

  void reportUnusedRules(const std::vector<Rule> &rules, const std::vector<PatternEntry> &entries,
                         const char *field) {
    for (size_t i = 0; i < rules.size(); ++i)
      if (!rules[i].used)
        failures.push_back(makeError(entries[i].where,
                                     quoted(field) + " entry " +
                                         quoted(entries[i].expression, 200) + " matches no target" +
                                         didYouMean(entries[i].expression, chosenNames())));
  }

  std::vector<std::string_view> chosenNames() const {
    std::vector<std::string_view> names;
    for (size_t i = 0; i < modules.size(); ++i)
      if (chosen[i])
        names.push_back(lastComponent(modules[i].path));
    for (const detail::ParameterTarget &parameter : parameters)
      names.push_back(parameter.name);
    return names;
  }

  //===-- Exclusions and layers -------------------------------------------===//

  Status exclude() {
    for (size_t e = 0; e < adapter.excludes.size(); ++e) {
      const std::string &entry = adapter.excludes[e], &where = adapter.excludePlaces[e];
      std::optional<Pattern> pattern;
      if (adapter.excludeKind == TargetKind::Regex) {
        Result<Pattern> compiled = Pattern::compile(entry, where);
        if (!compiled)
          return compiled.takeError();
        pattern = std::move(*compiled);
      }
      bool any = false;
      for (size_t i = 0; i < modules.size(); ++i)
        if (pattern ? pattern->fullMatch(modules[i].path) : matchesEntry(modules[i].path, entry))
          excluded[i] = any = true;
      if (!any)
        failures.push_back(makeError(where, "'exclude_modules' " +
                                                std::string(pattern ? "expression " : "entry ") +
                                                quoted(entry, 200) + " matches no module" +
                                                didYouMean(entry, linearNames(modules))));
    }
    // No adapter where a module is trained whole, nor within it.
    for (size_t e = 0; e < adapter.modulesToSave.size(); ++e) {
      Result<Pattern> pattern = Pattern::compile("(.*\\.)?" + adapter.modulesToSave[e] + "(\\..*)?",
                                                 adapter.modulesToSavePlaces[e]);
      if (!pattern)
        return pattern.takeError();
      for (size_t i = 0; i < modules.size(); ++i)
        excluded[i] = excluded[i] || pattern->fullMatch(modules[i].path);
    }
    return Status::ok();
  }

  /// Whether a module matched by the end of its path is in one of the layers asked for.
  bool isInLayers(std::string_view path) {
    if (adapter.layersToTransform.empty())
      return true;
    std::optional<int64_t> layer;
    std::vector<LayerNumber> numbers = numbersIn(path);
    if (layerPatterns.empty()) {
      for (const LayerNumber &number : numbers)
        if (!layer && number.before.find('.') != path.npos)
          layer = number.number;
    }
    for (const Pattern &pattern : layerPatterns)
      for (const LayerNumber &number : numbers)
        if (!layer && pattern.fullMatch(number.before))
          layer = number.number;
    bool found = false;
    for (size_t i = 0; layer && i < adapter.layersToTransform.size(); ++i)
      if (adapter.layersToTransform[i] == *layer)
        layerUsed[i] = found = true;
    return found;
  }

  void reportUnusedLayers() {
    for (size_t i = 0; i < layerUsed.size(); ++i)
      if (!layerUsed[i])
        failures.push_back(makeError(adapter.layersToTransformPlaces[i],
                                     "'layers_to_transform' names layer " +
                                         std::to_string(adapter.layersToTransform[i]) +
                                         ", which has no target; the model has layers 0 to " +
                                         std::to_string(model.layers - 1)));
  }

  //===-- Targets ---------------------------------------------------------===//

  Status chooseTargets() {
    switch (adapter.targetKind) {
    case TargetKind::AllLinear:
      for (size_t i = 0; i < modules.size(); ++i)
        chosen[i] = modules[i].kind == ModuleKind::Linear && !excluded[i];
      if (std::find(chosen.begin(), chosen.end(), true) == chosen.end())
        failures.push_back(makeError(adapter.targetPlaces.front(),
                                     "'target_modules' is all-linear, but every linear layer is "
                                     "left out by 'exclude_modules' or 'modules_to_save'"));
      return Status::ok();
    case TargetKind::Default:
      if (model.family->defaultTargets.empty() && !adapter.targetParameters.empty())
        return Status::ok();
      if (model.family->defaultTargets.empty())
        return makeError(adapter.path,
                         "'target_modules' is null, but PEFT has no default targets for models of "
                         "type " +
                             quoted(model.family->modelType) + "; name modules; " + linearHint());
      for (std::string_view entry : model.family->defaultTargets)
        chooseEntry(entry, adapter.path);
      return Status::ok();
    case TargetKind::List:
      for (size_t i = 0; i < adapter.targets.size(); ++i)
        chooseEntry(adapter.targets[i], adapter.targetPlaces[i]);
      if (adapter.targetsExpanded && adapter.targetParameters.empty() && failures.empty() &&
          std::find(chosen.begin(), chosen.end(), true) == chosen.end())
        failures.push_back(makeError(adapter.path,
                                     "'target_modules' matches only modules that "
                                     "'exclude_modules' or 'modules_to_save' leaves out"));
      return Status::ok();
    case TargetKind::Regex:
      return chooseByPattern();
    }
    return Status::ok();
  }

  /// Marks a module, or records why it cannot be adapted (once per kind of module, for each match
  /// of one entry may be in every layer). False after a failure.
  bool choose(size_t index, const std::string &where, const std::string &subject) {
    const ModuleSpec &module = modules[index];
    bool whole = module.kind == ModuleKind::Embedding || module.kind == ModuleKind::Head;
    std::string what = subject + " matches " + quoted(module.path, 200);
    if (module.kind == ModuleKind::Embedding && adapter.loraBias) // which PEFT has none for
      what += ", for which 'lora_bias' is not supported; set it to false, or leave out the module";
    else if (whole || module.kind == ModuleKind::Linear)
      return chosen[index] = true;
    else
      what += ", which is no linear layer; " + linearHint();
    failures.push_back(makeError(where, what));
    return false;
  }

  std::string linearHint() const {
    return "the linear layers are " + detail::list(linearNames(modules));
  }

  void chooseEntry(std::string_view entry, const std::string &where) {
    std::string subject = "'target_modules' entry " + quoted(entry, 200);
    bool any = false, anyExcluded = false, anyOutside = false;
    for (size_t i = 0; i < modules.size(); ++i) {
      if (!matchesEntry(modules[i].path, entry))
        continue;
      if (excluded[i]) {
        anyExcluded = true;
        continue;
      }
      // PEFT asks for the layer only where the end of a path is named, not all of it.
      if (modules[i].path != entry && !isInLayers(modules[i].path)) {
        anyOutside = true;
        continue;
      }
      any = true;
      if (!choose(i, where, subject))
        return;
    }
    if (any)
      return;
    if (anyExcluded && adapter.targetsExpanded)
      return;
    if (anyExcluded || anyOutside) {
      failures.push_back(makeError(
          where, subject + (anyOutside ? " matches modules in none of the layers of "
                                         "'layers_to_transform'"
                                       : " matches only modules that 'exclude_modules' or "
                                         "'modules_to_save' leaves out")));
      return;
    }
    std::string suggestion;
    if (entry.find('.') == entry.npos) {
      suggestion = didYouMean(entry, linearNames(modules));
    } else {
      std::vector<std::string_view> paths;
      for (const ModuleSpec &module : modules)
        if (module.kind == ModuleKind::Linear)
          paths.push_back(module.path);
      suggestion = didYouMean(entry, paths);
    }
    failures.push_back(
        makeError(where, subject + " matches no module" +
                             (suggestion.empty() ? "; " + linearHint() : suggestion)));
  }

  Status chooseByPattern() {
    const std::string &text = adapter.targets.front(), &where = adapter.targetPlaces.front();
    Result<Pattern> pattern = Pattern::compile(text, where);
    if (!pattern)
      return pattern.takeError();
    std::string subject = "'target_modules' expression " + quoted(text, 200);
    bool any = false, anyExcluded = false;
    for (size_t i = 0; i < modules.size(); ++i) {
      if (!pattern->fullMatch(modules[i].path))
        continue;
      if (excluded[i]) {
        anyExcluded = true;
        continue;
      }
      any = true;
      if (!choose(i, where, subject))
        return Status::ok();
    }
    if (any)
      return Status::ok();
    if (anyExcluded) {
      failures.push_back(makeError(where, subject +
                                              " matches only modules that 'exclude_modules' or "
                                              "'modules_to_save' leaves out"));
      return Status::ok();
    }
    Error error = makeError(
        where, subject + " matches no module; it must match a whole module path, such as " +
                   quoted(exampleOf(), 200));
    for (std::string_view name : linearNames(modules))
      if (name == text)
        error.note("to name the end of a path, write a list: [" + quoted(text) + "]");
    failures.push_back(std::move(error));
    return Status::ok();
  }

  std::string_view exampleOf() const {
    for (const ModuleSpec &module : modules)
      if (module.kind == ModuleKind::Linear)
        return module.path;
    return "";
  }

  /// The first failure, the others as its notes.
  Error joined() {
    Error error = std::move(failures.front());
    for (size_t i = 1; i < failures.size(); ++i)
      error.note(failures[i].str());
    return error;
  }

  const ModelConfig &model;
  const AdapterConfig &adapter;
  std::vector<ModuleSpec> modules;
  std::vector<bool> chosen, excluded, layerUsed;
  std::vector<detail::ParameterTarget> parameters;
  std::vector<Rule> ranks, alphas;
  std::vector<Pattern> layerPatterns;
  std::vector<Error> failures;
};

} // namespace

Result<std::vector<ResolvedTarget>> resolveTargets(const ModelConfig &model,
                                                   const AdapterConfig &adapter) {
  return TargetResolver(model, adapter).resolve();
}

} // namespace ftc
