//===- EventFile.cpp - event files for TensorBoard -------------------------===//
// TFRecord framing around the few fields of Event and Summary that scalars need.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/EventFile.h"

#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Crc32c.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

namespace ftc::trainer {

namespace {

// Tags of fields: number << 3 | wire type (0: varint, 1: 64 bits, 2: length and bytes, 5: 32 bits).
constexpr char kWallTime = 1 << 3 | 1, kStep = 2 << 3, kFileVersion = 3 << 3 | 2,
               kSummary = 5 << 3 | 2, kSessionLog = 7 << 3 | 2; // Event
constexpr char kValue = 1 << 3 | 2;                             // Summary
constexpr char kTag = 1 << 3 | 2, kSimpleValue = 2 << 3 | 5;    // Summary.Value
constexpr char kStatus = 1 << 3;                                // SessionLog
constexpr char kSessionStart = 1;

template <class T> void putBits(std::string &out, T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  for (size_t i = 0; i < sizeof value; ++i)
    out += static_cast<char>(bits >> (8 * i));
}

void putVarint(std::string &out, uint64_t value) {
  for (; value >= 128; value >>= 7)
    out += static_cast<char>(value | 128);
  out += static_cast<char>(value);
}

void putBytes(std::string &out, char tag, std::string_view bytes) {
  out += tag;
  putVarint(out, bytes.size());
  out += bytes;
}

std::string beginEvent(int64_t step) {
  struct timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::string event(1, kWallTime);
  putBits(event, static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec));
  event += kStep;
  putVarint(event, static_cast<uint64_t>(step));
  return event;
}

uint32_t maskedCrc(std::string_view bytes) {
  uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

constexpr std::string_view kPrefix = "events.out.tfevents.", kSuffix = ".ftc";

std::string fileName(int64_t firstStep) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%010lld", static_cast<long long>(firstStep));
  return std::string(kPrefix) + digits + std::string(kSuffix);
}

/// Removes our files that begin at `name` or later.
Status removeLater(const std::string &directory, const std::string &name) {
  std::error_code code;
  std::vector<std::string> later;
  for (std::filesystem::directory_iterator it(directory, code), end; !code && it != end;
       it.increment(code)) {
    std::string other = it->path().filename().string();
    if (other.size() == name.size() && other.compare(0, kPrefix.size(), kPrefix) == 0 &&
        other.compare(other.size() - kSuffix.size(), kSuffix.size(), kSuffix) == 0 && other >= name)
      later.push_back(joinPath(directory, other));
  }
  if (code)
    return systemError(directory, "cannot read", code.value());
  for (const std::string &path : later)
    if (Status s = removeTree(path); !s)
      return s;
  return Status::ok();
}

} // namespace

Result<EventFile> EventFile::create(const std::string &directory, int64_t firstStep) {
  EventFile events;
  if (directory.empty())
    return events;
  if (Status s = makeDirectories(directory); !s)
    return s.takeError();
  std::string base = fileName(firstStep);
  if (Status s = removeLater(directory, base); !s)
    return s.takeError();
  events.name = joinPath(directory, base);
  events.file = std::fopen(events.name.c_str(), "we");
  if (!events.file)
    return systemError(events.name, "cannot create the event file", errno);
  std::string event = beginEvent(0);
  putBytes(event, kFileVersion, "brain.Event:2");
  if (Status s = events.record(event); !s)
    return s.takeError();
  event = beginEvent(firstStep);
  putBytes(event, kSessionLog, std::string{kStatus, kSessionStart});
  if (Status s = events.record(event); !s)
    return s.takeError();
  return events;
}

EventFile::EventFile(EventFile &&other) noexcept { *this = std::move(other); }

EventFile &EventFile::operator=(EventFile &&other) noexcept {
  std::swap(name, other.name);
  std::swap(file, other.file);
  return *this;
}

EventFile::~EventFile() {
  if (file)
    std::fclose(file);
}

Status EventFile::record(const std::string &event) {
  std::string length, text;
  putBits(length, uint64_t{event.size()});
  text = length;
  putBits(text, maskedCrc(length));
  text += event;
  putBits(text, maskedCrc(event));
  if (std::fwrite(text.data(), 1, text.size(), file) != text.size() || std::fflush(file) != 0)
    return systemError(name, "cannot write the events", errno);
  return Status::ok();
}

Status EventFile::write(int64_t step, const Scalars &scalars) {
  if (!file)
    return Status::ok();
  std::string summary;
  for (const auto &[tag, number] : scalars) {
    std::string value;
    putBytes(value, kTag, tag);
    value += kSimpleValue;
    putBits(value, static_cast<float>(number));
    putBytes(summary, kValue, value);
  }
  std::string event = beginEvent(step);
  putBytes(event, kSummary, summary);
  return record(event);
}

Status EventFile::step(const StepReport &report) {
  Scalars scalars{{"train/loss", report.loss},
                  {"train/grad_norm", report.gradNorm},
                  {"train/learning_rate", report.learningRate},
                  {"train/epoch", report.epoch},
                  {"train/tokens_per_second", report.tokensPerSecond}};
  if (report.mfu > 0)
    scalars.push_back({"train/mfu", report.mfu});
  return write(report.step, scalars);
}

Status EventFile::evaluation(int64_t step, double loss) {
  return write(step, {{"eval/loss", loss}});
}

} // namespace ftc::trainer
