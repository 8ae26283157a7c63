//===- LrScheduler.cpp - what lr_scheduler_kwargs says ---------------------===//
// Keywords by schedule, and reading them one by one.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/LrScheduler.h"

#include <cmath>

namespace ftc {

namespace {

struct Keywords {
  std::string_view schedule;
  std::vector<std::string_view> names;
};

const std::vector<std::string_view> &keywordsOf(std::string_view schedule) {
  static const std::vector<Keywords> table = {
      {"cosine", {"num_cycles"}},
      {"cosine_with_restarts", {"num_cycles"}},
      {"polynomial", {"lr_end", "power"}},
      {"inverse_sqrt", {"timescale"}},
      {"cosine_with_min_lr", {"num_cycles", "min_lr", "min_lr_rate"}},
      {"cosine_warmup_with_min_lr", {"num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"}},
      {"warmup_stable_decay",
       {"num_decay_steps", "num_stable_steps", "warmup_type", "decay_type", "min_lr_ratio",
        "num_cycles"}},
  };
  static const std::vector<std::string_view> none;
  for (const Keywords &row : table)
    if (row.schedule == schedule)
      return row.names;
  return none;
}

/// Reads keywords of one mapping; the first error stays.
class KeywordReader {
public:
  explicit KeywordReader(const TrainConfig &config) : config(config) {}

  void checkNames() {
    const std::vector<std::string_view> &names = keywordsOf(config.lrSchedulerType);
    std::string list;
    for (std::string_view name : names)
      list += (list.empty() ? "" : ", ") + std::string(name);
    for (const json::Member &member : config.lrSchedulerKwargs.members()) {
      bool known = false;
      for (std::string_view name : names)
        known |= member.key == name;
      if (!known)
        fail("has " + quoted(member.key) + ", and the schedule " + quoted(config.lrSchedulerType) +
             (names.empty() ? " takes none; set it to null" : " takes " + list) +
             didYouMean(member.key, names));
    }
  }

  /// The number, or nothing when the key is absent or null.
  std::optional<double> number(std::string_view name, double least, double most,
                               const char *expected) {
    const json::Value *value = find(name);
    if (!value)
      return std::nullopt;
    std::optional<double> number = value->asDouble();
    if (number && *number >= least && *number <= most)
      return number;
    wrong(name, *value, expected);
    return std::nullopt;
  }

  std::optional<int64_t> integer(std::string_view name, int64_t least, const char *expected) {
    const json::Value *value = find(name);
    if (!value)
      return std::nullopt;
    std::optional<int64_t> number = value->asInt64();
    if (number && *number >= least && *number <= int64_t{1} << 53)
      return number;
    wrong(name, *value, expected);
    return std::nullopt;
  }

  LrRamp ramp(std::string_view name, LrRamp otherwise) {
    const json::Value *value = find(name);
    if (!value)
      return otherwise;
    const std::string *text = value->asString();
    if (text && *text == "linear")
      return LrRamp::Linear;
    if (text && *text == "cosine")
      return LrRamp::Cosine;
    if (text && *text == "1-sqrt")
      return LrRamp::OneMinusSqrt;
    wrong(name, *value, "linear, cosine or 1-sqrt");
    return otherwise;
  }

  void fail(const std::string &what) { failAt("lr_scheduler_kwargs", what); }
  void failAt(std::string_view key, const std::string &what) {
    if (error)
      return;
    std::string where = config.whereOf(key);
    error = makeError(where.empty() ? config.whereOf("lr_scheduler_type") : where,
                      quoted(key) + ' ' + what);
  }

  std::optional<Error> error;

private:
  const json::Value *find(std::string_view name) const {
    const json::Value *value = config.lrSchedulerKwargs.find(name);
    return value && !value->isNull() ? value : nullptr;
  }
  void wrong(std::string_view name, const json::Value &value, const char *expected) {
    fail("has " + quoted(name) + ' ' + quoted(json::dump(value), 40) + ", which must be " +
         expected);
  }

  const TrainConfig &config;
};

constexpr double kAny = HUGE_VAL;
const char kShare[] = "a number from 0 to 1";
const char kNotNegative[] = "a number of at least 0";
const char kSteps[] = "a whole number of steps of at least 0";

void readMinLr(KeywordReader &reader, const TrainConfig &config, LrSchedulerOptions &options) {
  std::optional<double> rate = reader.number("min_lr", 0, kAny, kNotNegative);
  std::optional<double> share = reader.number("min_lr_rate", 0, 1, kShare);
  if (rate.has_value() == share.has_value())
    reader.fail("must have one of 'min_lr' and 'min_lr_rate' with the schedule " +
                quoted(config.lrSchedulerType));
  else if (rate && !(*rate <= config.learningRate && config.learningRate > 0))
    reader.fail("has 'min_lr' " + json::formatDouble(*rate) + ", which must not be above the " +
                "learning_rate of " + json::formatDouble(config.learningRate));
  else
    options.minLrRate = rate ? *rate / config.learningRate : *share;
}

} // namespace

Result<LrSchedulerOptions> lrSchedulerOptions(const TrainConfig &config) {
  KeywordReader reader(config);
  reader.checkNames();
  LrSchedulerOptions options;
  const std::string &schedule = config.lrSchedulerType;
  if (schedule == "cosine_with_restarts")
    options.numCycles = 1;
  options.numCycles =
      reader.number("num_cycles", 0, kAny, kNotNegative).value_or(options.numCycles);
  options.power = reader.number("power", 0, kAny, kNotNegative).value_or(options.power);
  options.lrEnd = reader.number("lr_end", 0, kAny, kNotNegative).value_or(options.lrEnd);
  options.timescale = reader.integer("timescale", 1, "a whole number of steps of at least 1");
  options.warmupLrRate = reader.number("warmup_lr_rate", 0, 1, kShare);
  options.minLrRate = reader.number("min_lr_ratio", 0, 1, kShare).value_or(0);
  options.stableSteps = reader.integer("num_stable_steps", 0, kSteps);
  options.warmupRamp = reader.ramp("warmup_type", options.warmupRamp);
  options.decayRamp = reader.ramp("decay_type", options.decayRamp);
  std::optional<int64_t> decay = reader.integer("num_decay_steps", 0, kSteps);
  options.decaySteps = decay.value_or(0);

  if (schedule == "warmup_stable_decay" && !decay)
    reader.fail("must have 'num_decay_steps' with the schedule 'warmup_stable_decay'");
  if (schedule == "cosine_with_min_lr" || schedule == "cosine_warmup_with_min_lr")
    readMinLr(reader, config, options);
  if (schedule == "polynomial" && !(options.lrEnd < config.learningRate))
    reader.failAt("learning_rate", "is " + json::formatDouble(config.learningRate) +
                                       ", and must be above the 'lr_end' of the schedule "
                                       "'polynomial', " +
                                       json::formatDouble(options.lrEnd));
  if (reader.error)
    return *reader.error;
  return options;
}

} // namespace ftc
