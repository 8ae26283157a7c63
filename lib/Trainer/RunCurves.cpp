//===- RunCurves.cpp - what a run has recorded, as curves ------------------===//
// Readers of metrics files and of trainer_state.json.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "RunCurves.h"

#include "LineFile.h"

#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Json.h"

#include <charconv>
#include <cmath>
#include <filesystem>

namespace ftc::trainer {

namespace {

struct Column {
  const char *key;
  std::vector<PlotPoint> RunCurves::*points;
};
constexpr Column columns[] = {{"loss", &RunCurves::loss},
                              {"eval_loss", &RunCurves::evalLoss},
                              {"learning_rate", &RunCurves::learningRate},
                              {"tokens_per_second", &RunCurves::throughput}};

// What a double counts exactly; and what no sum or range of can overflow.
constexpr int64_t kMostSteps = int64_t{1} << 53;
constexpr double kMostValue = 1e100;

/// Adds what a record has. `where`: its place.
Status addRecord(const json::Value &record, const std::string &where, RunCurves &run) {
  if (!record.isObject())
    return makeError(where, std::string("a record must be an object with 'step', got ") +
                                json::describe(record.kind()));
  const json::Value *step = record.find("step");
  std::optional<int64_t> number = step ? step->asInt64() : std::nullopt;
  if (!number || *number < 0)
    return makeError(where, step ? "'step' must be an integer of at least 0, got " +
                                       quoted(json::dump(*step), 40)
                                 : std::string("has no 'step'; a record must have one"));
  if (*number > kMostSteps)
    return makeError(where, "'step' must be at most 2^53, got " + std::to_string(*number));
  for (const Column &column : columns) {
    const json::Value *value = record.find(column.key);
    if (!value || value->isNull()) // what was not finite is null
      continue;
    std::optional<double> measured = value->asDouble();
    if (!measured)
      return makeError(where, quoted(column.key) + " must be a number, got " +
                                  quoted(json::dump(*value), 40));
    if (std::fabs(*measured) > kMostValue)
      return makeError(where, quoted(column.key) + " must be within 1e100 of 0, got " +
                                  json::formatDouble(*measured));
    std::vector<PlotPoint> &points = run.*column.points;
    while (!points.empty() && points.back().step >= *number)
      points.pop_back();
    points.push_back({*number, *measured});
  }
  return Status::ok();
}

Status readMetrics(const std::string &path, RunCurves &run) {
  if (isDirectory(path))
    return makeError(path, "is a directory; give a metrics file");
  Result<LineFile> lines = LineFile::open(path);
  if (!lines)
    return lines.takeError();
  for (;;) {
    Result<std::optional<LineFile::Line>> line = lines->next();
    if (!line)
      return line.takeError();
    if (!*line || !(*line)->isWhole)
      return Status::ok();
    std::string_view text = (*line)->text;
    if (text.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    std::string where = path + ':' + std::to_string((*line)->number);
    Result<json::Value> record = json::parse(text, where);
    if (!record)
      return record.takeError();
    if (Status s = addRecord(*record, where, run); !s)
      return s;
  }
}

Status readState(const std::string &path, RunCurves &run) {
  Result<json::Value> state = json::parseFile(path);
  if (!state)
    return state.takeError();
  const json::Value *history = state->find("log_history");
  if (!history || !history->isArray())
    return makeError(path, "'log_history' must be an array of records" +
                               std::string(history ? ", got " : "; the file has none") +
                               (history ? json::describe(history->kind()) : ""));
  for (const json::Value &record : history->elements()) {
    json::Position at = record.position();
    if (Status s = addRecord(record, place(path, at.line, at.column), run); !s)
      return s;
  }
  return Status::ok();
}

/// trainer_state.json of the directory or of its newest checkpoint; empty where there is none.
std::string findState(const std::string &directory) {
  std::string path = joinPath(directory, "trainer_state.json");
  if (fileExists(path))
    return path;
  constexpr std::string_view prefix = "checkpoint-";
  int64_t newest = -1;
  std::string found;
  std::error_code code;
  for (std::filesystem::directory_iterator it(directory, code), end; !code && it != end;
       it.increment(code)) {
    std::string name = it->path().filename().string();
    int64_t step = 0;
    if (name.compare(0, prefix.size(), prefix) != 0)
      continue;
    const char *last = name.data() + name.size();
    std::from_chars_result result = std::from_chars(name.data() + prefix.size(), last, step);
    path = joinPath(joinPath(directory, name), "trainer_state.json");
    if (result.ec == std::errc() && result.ptr == last && step > newest && fileExists(path)) {
      newest = step;
      found = path;
    }
  }
  return found;
}

Status readInto(const std::string &path, const std::string &metrics, RunCurves &run) {
  if (!metrics.empty())
    return readMetrics(metrics, run);
  if (!isDirectory(path))
    return readMetrics(path, run);
  if (std::string own = joinPath(path, "metrics.jsonl"); fileExists(own))
    return readMetrics(own, run);
  std::string state = findState(path);
  if (state.empty())
    return makeError(path, "has no metrics.jsonl, no trainer_state.json and no checkpoint; give an "
                           "output directory of ftc train, or a metrics file");
  return readState(state, run);
}

} // namespace

Result<RunCurves> readRun(const std::string &path, const std::string &metrics) {
  RunCurves run;
  run.name = path;
  while (run.name.size() > 1 && run.name.back() == '/')
    run.name.pop_back();
  if (Status s = readInto(path, metrics, run); !s)
    return s.takeError();
  bool isEmpty = true;
  for (const Column &column : columns)
    isEmpty &= (run.*column.points).empty();
  if (isEmpty)
    return makeError(metrics.empty() ? path : metrics,
                     "records no step yet; there is nothing to plot");
  return run;
}

} // namespace ftc::trainer
