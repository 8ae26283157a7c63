//===- Inspect.cpp - ftc inspect -------------------------------------------===//
// A package's report as a table or as JSON, and the record of a finished run.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Inspect.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Safetensors.h"
#include "ftc/Trainer/Commands.h"
#include "ftc/Trainer/Format.h"
#include "ftc/Trainer/Plot.h"
#include "ftc/Trainer/Session.h"

#include <cstdio>

namespace ftc {

namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string textOf(const json::Value *value) {
  if (!value || value->isNull())
    return "-";
  if (const std::string *text = value->asString())
    return *text;
  if (std::optional<int64_t> number = value->asInt64())
    return formatCount(*number);
  return json::dump(*value);
}

std::string bytesOf(const json::Value *value) {
  std::optional<uint64_t> bytes = value ? value->asUInt64() : std::nullopt;
  return bytes ? formatBytes(*bytes) : textOf(value);
}

/// `name: a, b` for an object, its members apart by commas.
std::string listOf(const json::Value &object) {
  std::string text;
  for (const json::Member &member : object.members())
    text += (text.empty() ? "" : ", ") + member.key + ' ' + textOf(&member.value);
  return text;
}

std::string memoryText(const json::Value &memory) {
  Rows rows{{"memory", "size"}};
  for (const json::Member &member : memory.members())
    if (member.key != "peak_at")
      rows.push_back({member.key, bytesOf(&member.value)});
  std::string text = formatTable(rows);
  if (const json::Value *peakAt = memory.find("peak_at"))
    text += "  the peak is at " + (peakAt->isObject() ? listOf(*peakAt) : textOf(peakAt)) + '\n';
  return text;
}

} // namespace

std::string packageText(const json::Value &report) {
  static const json::Value nothing;
  auto part = [&](const char *name) -> const json::Value & {
    const json::Value *value = report.find(name);
    return value ? *value : nothing;
  };
  std::string text = textOf(report.find("target")) + ' ' + textOf(report.find("arch")) + ", " +
                     textOf(report.find("tokens")) + " tokens a step\n";

  Rows entries{{"entry point", "launches"}};
  for (const json::Value &entry : part("entry_points").elements())
    entries.push_back({textOf(entry.find("name")), textOf(entry.find("launches"))});
  text += '\n' + formatTable(entries) + '\n' + memoryText(part("memory"));

  Rows kernels{{"kernel", "count", "family", "flops", "bytes"}};
  for (const json::Value &kernel : part("kernels").elements())
    kernels.push_back({textOf(kernel.find("name")), textOf(kernel.find("count")),
                       textOf(kernel.find("family")), textOf(kernel.find("flops")),
                       textOf(kernel.find("bytes"))});
  text += '\n' + formatTable(kernels);

  if (!part("collectives").elements().empty()) {
    Rows collectives{{"collective", "size", "where"}};
    for (const json::Value &collective : part("collectives").elements())
      collectives.push_back({textOf(collective.find("kind")), bytesOf(collective.find("bytes")),
                             textOf(collective.find("where"))});
    text += '\n' + formatTable(collectives);
  }
  if (!part("passes").elements().empty())
    text += "\n  passes\n";
  for (const json::Value &pass : part("passes").elements()) {
    const json::Value *statistics = pass.find("statistics");
    std::string what = statistics ? listOf(*statistics) : "";
    text += "  " + textOf(pass.find("name")) + (what.empty() ? "" : ": " + what) + '\n';
    if (const json::Value *remarks = pass.find("remarks"))
      for (const json::Value &remark : remarks->elements())
        text += "    " + textOf(&remark) + '\n';
  }
  return text;
}

json::Value runSummary(const json::Value &state) {
  json::Value summary = json::Value::object();
  for (const char *key : {"global_step", "max_steps", "epoch", "num_input_tokens_seen"})
    if (const json::Value *value = state.find(key))
      summary.set(key, *value);
  const json::Value *history = state.find("log_history");
  const json::Value *first = nullptr, *last = nullptr, *evalLoss = nullptr, *mean = nullptr;
  static const json::Value nothing;
  for (const json::Value &entry : (history ? *history : nothing).elements()) {
    if (const json::Value *loss = entry.find("loss")) {
      first = first ? first : loss;
      last = loss;
    }
    if (const json::Value *loss = entry.find("eval_loss"))
      evalLoss = loss;
    if (const json::Value *loss = entry.find("train_loss"))
      mean = loss;
  }
  auto add = [&](const char *key, const json::Value *value) {
    if (value)
      summary.set(key, *value);
  };
  add("first_loss", first);
  add("last_loss", last);
  add("train_loss", mean);
  add("eval_loss", evalLoss);
  return summary;
}

namespace {

std::vector<PlotPoint> loggedLosses(const json::Value &state) {
  std::vector<PlotPoint> points;
  if (const json::Value *history = state.find("log_history"))
    for (const json::Value &entry : history->elements()) {
      const json::Value *step = entry.find("step"), *loss = entry.find("loss");
      if (step && loss && step->asInt64() && loss->asDouble())
        points.push_back({*step->asInt64(), *loss->asDouble()});
    }
  return points;
}

Status inspectRun(const std::string &directory, bool asJson) {
  Result<json::Value> state = json::parseFile(joinPath(directory, "trainer_state.json"));
  if (!state)
    return state.takeError().note(directory + ": a directory is inspected as an output of ftc "
                                              "train, which has a trainer_state.json");
  json::Value summary = runSummary(*state);
  Result<SafetensorsDirectory> weights = SafetensorsDirectory::open(directory);
  if (!weights)
    return weights.takeError();
  int64_t parameters = 0;
  for (const TensorView *tensor : weights->tensors())
    parameters += tensor->elements();
  summary.set("weights", baseName(weights->path()))
      .set("tensors", weights->tensors().size())
      .set("parameters", parameters);
  if (asJson) {
    std::printf("%s\n", json::dump(summary, 2).c_str());
    return Status::ok();
  }
  Rows rows{{"training run", ""}};
  for (const json::Member &member : summary.members())
    rows.push_back({member.key, textOf(&member.value)});
  std::fputs(formatTable(rows).c_str(), stdout);
  std::vector<PlotPoint> points = loggedLosses(*state);
  if (points.size() > 1)
    std::printf("\n%s", plotCurve("training loss", points).c_str());
  return Status::ok();
}

} // namespace

Status runInspect(const InspectOptions &options) {
  if (isDirectory(options.path))
    return inspectRun(options.path, options.json);
  Result<Package> package = Package::load(options.path);
  if (!package)
    return package.takeError();
  std::string text = package->inspectJson();
  Result<json::Value> report = json::parse(text, options.path + " (report)");
  if (!report)
    return report.takeError();
  if (options.json)
    std::printf("%s\n", text.c_str());
  else
    std::printf("%s: %s", options.path.c_str(), packageText(*report).c_str());
  return Status::ok();
}

} // namespace ftc
