//===- Progress.cpp - what a run shows while it runs -----------------------===//
// The step line, its live form on terminals, and the metrics file.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Progress.h"

#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Json.h"
#include "ftc/Trainer/Format.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include <sys/ioctl.h>
#include <unistd.h>

namespace ftc::trainer {

namespace {

std::string joined(const std::vector<std::string> &parts, const char *between) {
  std::string text;
  for (const std::string &part : parts)
    if (!part.empty())
      text += (text.empty() ? "" : between) + part;
  return text;
}

} // namespace

std::string formatStep(const StepReport &report, size_t columns) {
  char loss[32];
  std::snprintf(loss, sizeof loss, "loss %.4f", report.loss);
  std::string step =
      "step " + std::to_string(report.step) + '/' + std::to_string(report.totalSteps);
  std::string rate = "lr " + formatNumber(report.learningRate, 3);
  std::string norm = "norm " + formatNumber(report.gradNorm, 3);
  std::string speed = formatCount(std::llround(report.tokensPerSecond)) + " tok/s";
  std::string mfu, memory;
  if (report.mfu > 0)
    mfu = "mfu " + std::to_string(std::lround(100 * report.mfu)) + '%';
  if (report.memoryBytes > 0)
    memory = formatBytes(report.memoryBytes);
  std::string longMemory = memory.empty() ? "" : "mem " + memory;
  std::string left = formatDuration(report.secondsLeft) + " left";
  const std::string forms[] = {
      joined({step, loss, rate, "grad " + norm, speed, mfu, longMemory, left}, " | "),
      joined({step, loss, "grad " + norm, speed, mfu, longMemory, left}, " | "),
      joined({step, loss, norm, speed, memory, left}, "  "),
      joined({step, loss, norm, speed, left}, "  "),
      joined({step, loss, norm, left}, "  "),
      joined({step, loss, left}, "  "),
  };
  for (const std::string &form : forms)
    if (columns == 0 || form.size() <= columns)
      return form;
  return forms[std::size(forms) - 1].substr(0, columns);
}

uint64_t residentBytes() {
  FILE *file = std::fopen("/proc/self/statm", "re");
  if (!file)
    return 0;
  // Pages: of the address space, then resident.
  char text[128];
  const char *line = std::fgets(text, sizeof text, file);
  std::fclose(file);
  const char *second = line ? std::strchr(line, ' ') : nullptr;
  long page = ::sysconf(_SC_PAGESIZE);
  if (!second || page <= 0)
    return 0;
  return std::strtoull(second, nullptr, 10) * static_cast<uint64_t>(page);
}

namespace {

/// Columns of the terminal behind `out`; 0 where that is none.
size_t columnsOf(FILE *out) {
  struct winsize size{};
  int descriptor = ::fileno(out);
  return descriptor >= 0 && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

} // namespace

void Progress::step(const StepReport &report, bool logged) {
  if (!terminal) {
    if (logged)
      line(formatStep(report));
    return;
  }
  auto now = std::chrono::steady_clock::now();
  bool isLast = report.step == report.totalSteps;
  if (!isLast && !shown.empty() && now - lastShown < std::chrono::milliseconds(100))
    return;
  lastShown = now;
  // A line that wraps could not be written over: it may not fill the last column either.
  size_t columns = columnsOf(out);
  std::string text = formatStep(report, columns > 1 ? columns - 1 : 0);
  // One that has begun to wrap, since the terminal is narrower now, is left as it is.
  if (columns > 1 && shown.size() >= columns)
    finish();
  // Spaces wipe what is left of a longer line before.
  std::string padding(shown.size() > text.size() ? shown.size() - text.size() : 0, ' ');
  std::fprintf(out, "\r%s%s", text.c_str(), padding.c_str());
  std::fflush(out);
  shown = std::move(text);
}

void Progress::line(const std::string &text) {
  finish();
  std::fprintf(out, "%s\n", text.c_str());
  std::fflush(out);
}

void Progress::finish() {
  if (shown.empty())
    return;
  std::fputc('\n', out);
  std::fflush(out);
  shown.clear();
}

namespace {

/// Rewrites a metrics file with its records of steps up to `keptSteps`. A last line that a killed
/// process left half-written goes, too.
Status keepSteps(const std::string &path, int64_t keptSteps) {
  std::ifstream file(path);
  if (!file)
    return Status::ok(); // there is none yet
  Result<AtomicFile> kept = AtomicFile::create(path);
  if (!kept)
    return kept.takeError();
  for (std::string line; std::getline(file, line);) {
    Result<json::Value> record = json::parse(line, path);
    const json::Value *step = record ? record->find("step") : nullptr;
    if (!step || step->asInt64().value_or(INT64_MAX) > keptSteps)
      continue;
    if (Status s = kept->write(line + '\n'); !s)
      return s;
  }
  return kept->commit();
}

} // namespace

Result<MetricsFile> MetricsFile::create(const std::string &path, int64_t keptSteps) {
  MetricsFile metrics;
  metrics.name = path;
  if (keptSteps > 0)
    if (Status s = keepSteps(path, keptSteps); !s)
      return s.takeError();
  metrics.file = std::fopen(path.c_str(), keptSteps > 0 ? "ae" : "we");
  if (!metrics.file)
    return systemError(path, "cannot create the metrics file", errno);
  return metrics;
}

MetricsFile::MetricsFile(MetricsFile &&other) noexcept { *this = std::move(other); }

MetricsFile &MetricsFile::operator=(MetricsFile &&other) noexcept {
  std::swap(name, other.name);
  std::swap(file, other.file);
  return *this;
}

MetricsFile::~MetricsFile() {
  if (file)
    std::fclose(file);
}

Status MetricsFile::write(const std::string &text) {
  if (!file)
    return Status::ok();
  if (std::fprintf(file, "%s\n", text.c_str()) < 0 || std::fflush(file) != 0)
    return systemError(name, "cannot write the metrics", errno);
  return Status::ok();
}

Status MetricsFile::step(const StepReport &report) {
  json::Value entry = json::Value::object();
  entry.set("step", report.step)
      .set("loss", report.loss)
      .set("grad_norm", report.gradNorm)
      .set("learning_rate", report.learningRate)
      .set("tokens_per_second", report.tokensPerSecond)
      .set("step_seconds", report.stepSeconds);
  if (report.flops > 0)
    entry.set("flops", report.flops);
  if (report.mfu > 0)
    entry.set("mfu", report.mfu);
  return write(json::dump(entry));
}

Status MetricsFile::evaluation(int64_t step, double loss, int64_t tokens) {
  json::Value entry = json::Value::object();
  entry.set("step", step).set("eval_loss", loss).set("eval_tokens", tokens);
  return write(json::dump(entry));
}

} // namespace ftc::trainer
