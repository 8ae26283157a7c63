//===- TrainConfigKeys.cpp - the supported keys ----------------------------===//
// The table of keys, and reading and writing by the kind of a member.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "TrainConfigTable.h"

#include "ftc/Mutants.h"

#include <cmath>

namespace ftc::detail {

namespace {

bool isWhole(double x) { return std::floor(x) == x; }
bool atLeastOne(double x) { return x >= 1; }
bool upToMillion(double x) { return x >= 1 && x <= 1048576; }
bool upTo16Million(double x) { return x >= 1 && x <= 16777216; }
bool segments(double x) { return x >= 0 && x <= 16777216; }
bool notNegative(double x) { return x >= 0; }
bool positive(double x) { return x > 0; }
bool decayRate(double x) { return x >= 0 && x < 1; }
bool share(double x) { return x >= 0 && x <= 1; }
bool stepsOrUnset(double x) { return x == -1 || x >= 1; }
bool warmup(double x) { return x >= 0 && (x < 1 || isWhole(x)); }
bool interval(double x) { return x > 0 && (x < 1 || isWhole(x)); }

const char kBatch[] = "an integer from 1 to 1048576";
const char kLength[] = "an integer from 1 to 16777216 (lengths are compiled in: null is none)";
const char kSeed[] = "an integer of at least 0";
const char kRate[] = "a number of at least 0 and below 1";
const char kNotNegative[] = "a number of at least 0";
const char kInterval[] = "a whole number of steps of at least 1, or a share of all steps below 1 "
                         "(to switch it off set the strategy to 'no')";
const char kFlag[] = "true or false";
const char kStrategies[] = "no steps epoch";

} // namespace

const std::vector<TrainConfigRow> &trainConfigRows() {
  using C = TrainConfig;
  static const std::vector<TrainConfigRow> rows = {
      {"per_device_train_batch_size", &C::perDeviceTrainBatchSize, When::Compile, kBatch,
       upToMillion},
      {"max_length", &C::maxLength, When::Compile, kLength, upTo16Million},
      {"max_segments", &C::maxSegments, When::Compile,
       "an integer from 0 (derived from batch and length) to 16777216", segments},
      {"bf16", &C::bf16, When::Compile, kFlag},
      {"optim", &C::optim, When::Compile, "an optimizer that ftc has", nullptr,
       "adamw_torch adamw_torch_fused"},
      {"gradient_checkpointing", &C::gradientCheckpointing, When::Compile, kFlag},
      {"attn_implementation", &C::attnImplementation, When::Compile, "an attention name or null",
       nullptr, "eager sdpa flash_attention_2 flash_attention_3 flex_attention"},
      {"loss", &C::loss, When::Compile, "a loss that ftc has", nullptr, "cross_entropy"},
      {"mesh", &C::mesh, When::Compile, "axes such as 'tp=2,dp=2', a mapping of them, or null"},
      {"memory_budget", &C::memoryBudget, When::Compile,
       "a size such as '24GiB', a number of bytes, or null"},
      {"trainable", &C::trainable, When::Compile,
       "a regular expression over parameter names, a list of them, or null"},
      {"quantization", &C::quantization, When::Compile,
       "a mapping with BitsAndBytesConfig's keys, or null"},
      {"learning_rate", &C::learningRate, When::Run, kNotNegative, notNegative},
      {"lr_scheduler_type", &C::lrSchedulerType, When::Run, "a schedule that ftc has", nullptr,
       "linear cosine constant constant_with_warmup cosine_with_restarts polynomial inverse_sqrt "
       "cosine_with_min_lr cosine_warmup_with_min_lr warmup_stable_decay"},
      {"lr_scheduler_kwargs", &C::lrSchedulerKwargs, When::Run,
       "a mapping of keywords of the schedule, or null"},
      {"warmup_steps", &C::warmupSteps, When::Run,
       "a whole number of steps, or a share of all steps below 1", warmup},
      {"warmup_ratio", &C::warmupRatio, When::Run, "a number from 0 to 1", share},
      {"weight_decay", &C::weightDecay,
       FTC_MUTATE("weight-decay-compiled-in", When::Run, When::Compile), kNotNegative, notNegative},
      {"adam_beta1", &C::adamBeta1, When::Run, kRate, decayRate},
      {"adam_beta2", &C::adamBeta2, When::Run, kRate, decayRate},
      {"adam_epsilon", &C::adamEpsilon, When::Run, "a number above 0", positive},
      {"max_grad_norm", &C::maxGradNorm, When::Run, "a number of at least 0 (0: no clipping)",
       notNegative},
      {"gradient_accumulation_steps", &C::gradientAccumulationSteps, When::Run, kBatch,
       upToMillion},
      {"seed", &C::seed, When::Run, kSeed, notNegative},
      {"data_seed", &C::dataSeed, When::Run, "an integer of at least 0, or null (the seed)",
       notNegative},
      {"max_steps", &C::maxSteps, When::Run,
       "an integer of at least 1, or -1 (num_train_epochs decides)", stepsOrUnset},
      {"num_train_epochs", &C::numTrainEpochs, When::Run, "a number above 0", positive},
      {"packing", &C::packing, When::Run, kFlag},
      {"logging_strategy", &C::loggingStrategy, When::Run, "a strategy", nullptr, kStrategies},
      {"logging_steps", &C::loggingSteps, When::Run, kInterval, interval},
      {"logging_first_step", &C::loggingFirstStep, When::Run, kFlag},
      {"save_strategy", &C::saveStrategy, When::Run, "a strategy", nullptr, "no steps epoch best"},
      {"save_steps", &C::saveSteps, When::Run, kInterval, interval},
      {"save_total_limit", &C::saveTotalLimit, When::Run,
       "an integer of at least 1, or null (keep all)", atLeastOne},
      {"eval_strategy", &C::evalStrategy, When::Run, "a strategy", nullptr, kStrategies},
      {"eval_steps", &C::evalSteps, When::Run, kInterval, interval},
      {"report_to", &C::reportTo, When::Run, "'tensorboard', 'all', 'none', or a list of names"},
      {"logging_dir", &C::loggingDir, When::Run, "the name of a directory, or null"},
      {"load_best_model_at_end", &C::loadBestModelAtEnd, When::Run, kFlag},
      {"metric_for_best_model", &C::metricForBestModel, When::Run,
       "the loss of --eval-data, which is the only metric, or null", nullptr, "loss eval_loss"},
  };
  return rows;
}

const TrainConfigRow *findTrainConfigRow(std::string_view name) {
  for (const TrainConfigRow &row : trainConfigRows())
    if (name == row.name)
      return &row;
  return nullptr;
}

namespace {

std::vector<std::string_view> splitWords(const char *words) {
  std::vector<std::string_view> list;
  std::string_view rest = words;
  while (!rest.empty()) {
    size_t space = rest.find(' ');
    list.push_back(rest.substr(0, space));
    rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
  }
  return list;
}

/// Reads by the kind of the member.
class FieldReader {
public:
  FieldReader(TrainConfig &config, const TrainConfigRow &row, const json::Value &value,
              const std::string &where)
      : config(config), row(row), value(value), where(where) {}

  Status operator()(bool TrainConfig::*field) {
    if (!value.isBool())
      return wrong();
    config.*field = *value.asBool();
    return Status::ok();
  }

  Status operator()(int64_t TrainConfig::*field) {
    std::optional<int64_t> number = value.asInt64();
    if (!number || !holds(static_cast<double>(*number)))
      return wrong();
    config.*field = *number;
    return Status::ok();
  }

  Status operator()(double TrainConfig::*field) {
    std::optional<double> number = value.asDouble();
    if (!number || !holds(*number))
      return wrong();
    config.*field = *number;
    return Status::ok();
  }

  Status operator()(StepCount TrainConfig::*field) {
    std::optional<double> number = value.asDouble();
    if (!number || !holds(*number) || *number > 1e15)
      return wrong();
    config.*field = StepCount{*number};
    return Status::ok();
  }

  Status operator()(std::optional<int64_t> TrainConfig::*field) {
    std::optional<int64_t> number = value.asInt64();
    if (!value.isNull() && (!number || !holds(static_cast<double>(*number))))
      return wrong();
    config.*field = number;
    return Status::ok();
  }

  Status operator()(std::optional<StepCount> TrainConfig::*field) {
    std::optional<double> number = value.asDouble();
    if (!value.isNull() && (!number || !holds(*number) || *number > 1e15))
      return wrong();
    config.*field = number ? std::optional<StepCount>(StepCount{*number}) : std::nullopt;
    return Status::ok();
  }

  Status operator()(std::string TrainConfig::*field) {
    // Only where nothing chosen is a state of its own does null stand for it.
    if (value.isNull() && (TrainConfig().*field).empty()) {
      (config.*field).clear();
      return Status::ok();
    }
    const std::string *text = value.asString();
    if (!row.words) {
      if (!text || text->empty())
        return wrong();
      config.*field = *text;
      return Status::ok();
    }
    std::vector<std::string_view> words = splitWords(row.words);
    for (std::string_view word : words)
      if (text && *text == word) {
        config.*field = *text;
        return Status::ok();
      }
    std::string list;
    for (std::string_view word : words)
      list += (list.empty() ? "" : ", ") + std::string(word);
    return makeError(where, quoted(row.name) + " must be " + row.expected + " (" + list +
                                "), got " + shown() + (text ? didYouMean(*text, words) : ""));
  }

  Status operator()(std::vector<std::string> TrainConfig::*field) {
    std::vector<std::string> list;
    if (const std::string *one = value.asString())
      list.push_back(*one);
    else if (!value.isNull() && !value.isArray())
      return wrong();
    for (const json::Value &element : value.elements()) {
      if (!element.isString())
        return wrong();
      list.push_back(*element.asString());
    }
    for (const std::string &text : list)
      if (text.empty())
        return makeError(where, quoted(row.name) + (field == &TrainConfig::trainable
                                                        ? " has an empty expression; write '.*' "
                                                          "for all parameters"
                                                        : " has an empty name; leave it out"));
    config.*field = std::move(list);
    return Status::ok();
  }

  Status operator()(Mesh TrainConfig::*field) {
    std::string text;
    if (const std::string *given = value.asString()) {
      text = *given;
    } else if (value.isObject()) {
      for (const json::Member &member : value.members())
        text += (text.empty() ? "" : ",") + member.key + '=' + json::dump(member.value);
    } else if (!value.isNull()) {
      return wrong();
    }
    Result<Mesh> mesh = parseMesh(text, where);
    if (!mesh)
      return mesh.takeError();
    config.*field = std::move(*mesh);
    return Status::ok();
  }

  Status operator()(ByteSize TrainConfig::*field) {
    if (value.isNull()) {
      config.*field = ByteSize{};
      return Status::ok();
    }
    const std::string *text = value.asString();
    if (!text && !value.isInteger())
      return wrong();
    Result<ByteSize> size = parseByteSize(text ? *text : json::dump(value), where);
    if (!size)
      return makeError(where, quoted(row.name) + ": " + size.error().message);
    config.*field = *size;
    return Status::ok();
  }

  Status operator()(json::Value TrainConfig::*field) {
    if (!value.isNull() && !value.isObject())
      return wrong();
    config.*field = value;
    return Status::ok();
  }

private:
  bool holds(double number) const { return !row.holds || row.holds(number); }

  std::string shown() const {
    if (const std::string *text = value.asString())
      return "the string " + quoted(*text, 40);
    if (value.isArray() || value.isObject())
      return json::describe(value.kind());
    return json::dump(value);
  }

  Status wrong() const {
    return makeError(where, quoted(row.name) + " must be " + row.expected + ", got " + shown());
  }

  TrainConfig &config;
  const TrainConfigRow &row;
  const json::Value &value;
  const std::string &where;
};

struct FieldWriter {
  const TrainConfig &config;

  json::Value operator()(bool TrainConfig::*field) const { return config.*field; }
  json::Value operator()(int64_t TrainConfig::*field) const { return config.*field; }
  json::Value operator()(double TrainConfig::*field) const { return config.*field; }
  json::Value operator()(StepCount TrainConfig::*field) const { return number(config.*field); }
  json::Value operator()(std::optional<int64_t> TrainConfig::*field) const {
    return config.*field ? json::Value(*(config.*field)) : json::Value();
  }
  json::Value operator()(std::optional<StepCount> TrainConfig::*field) const {
    return config.*field ? number(*(config.*field)) : json::Value();
  }
  json::Value operator()(std::string TrainConfig::*field) const {
    return (config.*field).empty() ? json::Value() : json::Value(config.*field);
  }
  json::Value operator()(std::vector<std::string> TrainConfig::*field) const {
    if ((config.*field).empty())
      return {};
    json::Value list = json::Value::array();
    for (const std::string &text : config.*field)
      list.push(text);
    return list;
  }
  json::Value operator()(Mesh TrainConfig::*field) const {
    return (config.*field).empty() ? json::Value() : json::Value(meshString(config.*field));
  }
  json::Value operator()(ByteSize TrainConfig::*field) const {
    return (config.*field).bytes ? json::Value((config.*field).bytes) : json::Value();
  }
  json::Value operator()(json::Value TrainConfig::*field) const { return config.*field; }

  /// A whole number of steps prints as an integer.
  static json::Value number(StepCount steps) {
    if (steps.value == std::floor(steps.value))
      return json::Value(static_cast<int64_t>(steps.value));
    return json::Value(steps.value);
  }
};

} // namespace

Status readField(TrainConfig &config, const TrainConfigRow &row, const json::Value &value,
                 const std::string &where) {
  FieldReader reader(config, row, value, where);
  return std::visit(reader, row.field);
}

json::Value writeField(const TrainConfig &config, const TrainConfigRow &row) {
  return std::visit(FieldWriter{config}, row.field);
}

} // namespace ftc::detail
