//===- RunDirectory.cpp - the output of a run ------------------------------===//
// The order of writes, syncs, renames and removals.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/RunDirectory.h"

#include "ftc/Mutants.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Trainer/Manifest.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace ftc::trainer {

namespace {

constexpr std::string_view kPrefix = "checkpoint-";
constexpr std::string_view kResult = "result";

bool startsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool isNumber(std::string_view text) {
  return !text.empty() && text.size() <= 18 && (text[0] != '0' || text.size() == 1) &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// N of `checkpoint-N`.
std::optional<int64_t> stepOf(std::string_view name) {
  if (!startsWith(name, kPrefix) || !isNumber(name.substr(kPrefix.size())))
    return std::nullopt;
  return std::stoll(std::string(name.substr(kPrefix.size())));
}

/// `.checkpoint-8.tmp-4711`: what was being written, or removed, when a process was killed.
bool isLeftover(std::string_view name) {
  constexpr std::string_view mark = ".tmp-";
  size_t at = name.find(mark);
  if (name.empty() || name[0] != '.' || at == std::string_view::npos)
    return false;
  std::string_view of = name.substr(1, at - 1);
  std::string_view process = name.substr(at + mark.size());
  return (stepOf(of) || of == kResult || of == "metrics.jsonl") && !process.empty() &&
         process.find_first_not_of("0123456789-") == std::string_view::npos;
}

Result<std::vector<std::string>> namesIn(const std::string &directory) {
  std::vector<std::string> names;
  std::error_code code;
  for (std::filesystem::directory_iterator it(directory, code), end; !code && it != end;
       it.increment(code))
    names.push_back(it->path().filename().string());
  if (code)
    return systemError(directory, "cannot read", code.value());
  std::sort(names.begin(), names.end());
  return names;
}

/// The directory that holds `path`, which does not end in a slash.
Status checkParent(const std::string &path) {
  // The directories above are made when there is something to put into them.
  std::string above = directoryName(path);
  while (!fileExists(above))
    above = directoryName(above);
  if (!isDirectory(above))
    return makeError(above, "is no directory; give an output path within one");
  if (::access(above.c_str(), W_OK | X_OK) != 0)
    return systemError(above, "cannot write into this directory", errno);
  return Status::ok();
}

Status moveTo(const std::string &from, const std::string &to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return systemError(to, "cannot rename to this name", errno);
  return Status::ok();
}

} // namespace

bool isWithin(const std::string &path, const std::string &directory) {
  namespace fs = std::filesystem;
  std::error_code failure;
  fs::path outer = fs::weakly_canonical(directory + "/.", failure);
  if (outer.filename().empty() || outer.filename() == ".")
    outer = outer.parent_path();
  fs::path at = fs::weakly_canonical(directoryName(path), failure);
  for (; !failure && at != outer; at = at.parent_path())
    if (at == at.parent_path())
      return false;
  return !failure;
}

RunDirectory::RunDirectory(RunDirectory &&other) noexcept { *this = std::move(other); }

RunDirectory &RunDirectory::operator=(RunDirectory &&other) noexcept {
  std::swap(directory, other.directory);
  std::swap(descriptor, other.descriptor);
  return *this;
}

RunDirectory::~RunDirectory() {
  if (descriptor >= 0)
    ::close(descriptor);
}

Result<RunDirectory> RunDirectory::open(const std::string &path, bool resume) {
  RunDirectory result;
  result.directory = path;
  while (result.directory.size() > 1 && result.directory.back() == '/')
    result.directory.pop_back();
  std::error_code failure;
  std::filesystem::file_status status = std::filesystem::status(result.directory, failure);
  if (!std::filesystem::exists(status)) {
    if (Status s = checkParent(result.directory); !s)
      return s.takeError();
    return result;
  }
  if (!std::filesystem::is_directory(status))
    return makeError(path, "exists and is no directory; give a new or an empty directory");
  Result<std::vector<std::string>> names = namesIn(result.directory);
  if (!names)
    return makeError(path, names.error().message);
  if (!resume && !std::all_of(names->begin(), names->end(), isLeftover)) {
    Error error = makeError(path, "exists and is not empty; give a new or an empty directory");
    if (std::any_of(names->begin(), names->end(), [](const std::string &n) { return stepOf(n); }))
      return std::move(error).note("it has checkpoints: --resume goes on from the newest");
    return error;
  }
  if (::access(result.directory.c_str(), W_OK | X_OK) != 0)
    return systemError(path, "cannot write into this directory", errno);
  if (Status s = result.hold(); !s)
    return s.takeError();
  return result;
}

Status RunDirectory::hold() {
  if (descriptor >= 0)
    return Status::ok();
  int opened = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0)
    return systemError(directory, "cannot open", errno);
  if (::flock(opened, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(opened);
    return makeError(directory, "another process trains into this directory; wait for it, or "
                                "give another one");
  }
  // Where a file system knows no locks, there is none.
  descriptor = opened;
  return sweep();
}

std::string RunDirectory::checkpointPath(int64_t step) const {
  return joinPath(directory, std::string(kPrefix) + std::to_string(step));
}

Result<std::vector<int64_t>> RunDirectory::checkpoints() const {
  std::vector<int64_t> steps;
  if (!fileExists(directory))
    return steps;
  Result<std::vector<std::string>> names = namesIn(directory);
  if (!names)
    return names.takeError();
  for (const std::string &name : *names)
    if (std::optional<int64_t> step = stepOf(name); step && isDirectory(checkpointPath(*step)))
      steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

Result<std::optional<int64_t>> RunDirectory::newestWhole(std::vector<std::string> *skipped) const {
  Result<std::vector<int64_t>> steps = checkpoints();
  if (!steps)
    return steps.takeError();
  std::vector<std::string> reasons;
  for (size_t i = steps->size(); i-- > 0;) {
    int64_t step = (*steps)[i];
    Result<int64_t> whole = verifyManifest(checkpointPath(step));
    if (whole && *whole == step) {
      skipped->insert(skipped->end(), reasons.begin(), reasons.end());
      return std::optional<int64_t>(step);
    }
    reasons.push_back(whole ? checkpointPath(step) + ": its manifest is of step " +
                                  std::to_string(*whole)
                            : whole.error().str());
  }
  if (reasons.empty())
    return std::optional<int64_t>();
  Error error = makeError(directory, "none of its checkpoints is whole; start anew in another "
                                     "directory");
  for (std::string &reason : reasons)
    error.note(std::move(reason));
  return error;
}

Status RunDirectory::sweep() {
  Result<std::vector<std::string>> names = namesIn(directory);
  if (!names)
    return names.takeError();
  for (const std::string &name : *names)
    if (isLeftover(name))
      if (Status s = removeTree(joinPath(directory, name)); !s)
        return s;
  return Status::ok();
}

Status RunDirectory::prepare() {
  if (Status s = makeDirectories(directory); !s)
    return s;
  return hold();
}

Status RunDirectory::discard(const std::string &name) {
  std::string aside = joinPath(directory, '.' + name + ".tmp-" + std::to_string(::getpid()) + "-0");
  if (Status s = removeTree(aside); !s)
    return s;
  if (Status s = moveTo(joinPath(directory, name), aside); !s)
    return s;
  // Not called a checkpoint any more, for good, before its files go.
  if (Status s = syncDirectory(directory); !s)
    return s;
  return removeTree(aside);
}

Status RunDirectory::saveCheckpoint(int64_t step, const Writer &write) {
  if (Status s = prepare(); !s)
    return s;
  std::string target = checkpointPath(step);
  Result<AtomicDirectory> aside = AtomicDirectory::create(target);
  if (!aside)
    return aside.takeError();
  if (Status s = write(aside->path()); !s)
    return s;
  if (Status s = writeManifest(aside->path(), step); !s)
    return s;
  if (fileExists(target))
    if (Status s = discard(baseName(target)); !s)
      return s;
  return aside->commit();
}

Status RunDirectory::prune(int64_t limit, int64_t newest, std::optional<int64_t> keep) {
  Result<std::vector<int64_t>> steps = checkpoints();
  if (!steps)
    return steps.takeError();
  // Those behind it are not whole, and must not be kept in place of one that is.
  int64_t last = FTC_MUTATE("damaged-kept", newest, std::numeric_limits<int64_t>::max());
  steps->erase(std::upper_bound(steps->begin(), steps->end(), last), steps->end());
  int64_t remaining = static_cast<int64_t>(steps->size());
  for (int64_t step : *steps) {
    if (remaining-- <= FTC_MUTATE("one-checkpoint-less", limit, limit - 1))
      break;
    if (keep != step)
      if (Status s = discard(baseName(checkpointPath(step))); !s)
        return s;
  }
  return Status::ok();
}

Status RunDirectory::publish(const std::string &last, const Writer &write) {
  bool isNew = !fileExists(directory);
  if (Status s = prepare(); !s)
    return s;
  Status published = [&]() -> Status {
    // Never committed: what is not renamed out of it goes with it.
    Result<AtomicDirectory> aside =
        AtomicDirectory::create(joinPath(directory, std::string(kResult)));
    if (!aside)
      return aside.takeError();
    if (Status s = write(aside->path()); !s)
      return s;
    Result<std::vector<std::string>> names = namesIn(aside->path());
    if (!names)
      return names.takeError();
    names->erase(std::remove(names->begin(), names->end(), last), names->end());
    names->push_back(last);
    if (::unlink(joinPath(directory, last).c_str()) != 0 && errno != ENOENT)
      return systemError(joinPath(directory, last), "cannot remove", errno);
    if (Status s = syncDirectory(directory); !s)
      return s;
    for (const std::string &name : *names) {
      if (name == last)
        if (Status s = syncDirectory(directory); !s)
          return s;
      if (Status s = moveTo(joinPath(aside->path(), name), joinPath(directory, name)); !s)
        return s;
    }
    return syncDirectory(directory);
  }();
  if (!published && isNew)
    ::rmdir(directory.c_str());
  return published;
}

} // namespace ftc::trainer
