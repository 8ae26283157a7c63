//===- InspectOutput.cpp - what ftc train left ------------------------------===//
// The record of a finished run, as a table with its curve or as JSON.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Safetensors.h"
#include "ftc/Trainer/Commands.h"
#include "ftc/Trainer/Format.h"
#include "ftc/Trainer/Plot.h"
#include "ftc/Trainer/TrainerState.h"

#include <cstdio>

namespace ftc::trainer {

namespace {

std::string textOf(const json::Value &value) {
  if (const std::string *text = value.asString())
    return *text;
  if (std::optional<int64_t> number = value.asInt64())
    return formatCount(*number);
  return json::dump(value);
}

} // namespace

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

} // namespace

Status runInspectOutput(const std::string &directory, bool asJson) {
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
  std::vector<std::vector<std::string>> rows{{"training run", ""}};
  for (const json::Member &member : summary.members())
    rows.push_back({member.key, textOf(member.value)});
  std::fputs(formatTable(rows).c_str(), stdout);
  std::vector<PlotPoint> points = loggedLosses(*state);
  if (points.size() > 1)
    std::printf("\n%s", plotCurve("training loss", points).c_str());
  return Status::ok();
}

} // namespace ftc::trainer
