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

#include <sys/ioctl.h>
#include <unistd.h>

namespace ftc::trainer {

std::string formatStep(const StepReport &report) {
  char loss[32];
  std::snprintf(loss, sizeof loss, "%.4f", report.loss);
  std::string text = "step " + std::to_string(report.step) + '/' +
                     std::to_string(report.totalSteps) + " | loss " + loss + " | lr " +
                     formatNumber(report.learningRate, 3) + " | grad norm " +
                     formatNumber(report.gradNorm, 3) + " | " +
                     formatCount(std::llround(report.tokensPerSecond)) + " tok/s";
  if (report.memoryBytes > 0)
    text += " | mem " + formatBytes(report.memoryBytes);
  return text + " | " + formatDuration(report.secondsLeft) + " left";
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
  std::string text = formatStep(report);
  // A line that wraps could not be written over.
  if (size_t columns = columnsOf(out); columns > 1)
    text.resize(std::min(text.size(), columns - 1));
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
  return write(json::dump(entry));
}

Status MetricsFile::evaluation(int64_t step, double loss, int64_t tokens) {
  json::Value entry = json::Value::object();
  entry.set("step", step).set("eval_loss", loss).set("eval_tokens", tokens);
  return write(json::dump(entry));
}

} // namespace ftc::trainer
