//===- RunDirectory.h - the output of a run -------------------------------===//
// Checkpoints that are whole or not there, results that replace one another file by file.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_RUNDIRECTORY_H
#define FTC_TRAINER_RUNDIRECTORY_H

#include "ftc/Support/Error.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ftc::trainer {

/// An output directory of `ftc train`, held by one process at a time.
///
/// A checkpoint is written to `.checkpoint-N.tmp-PID`, every file synced; its manifest is written
/// last; the directory is renamed to `checkpoint-N` and its parent synced. Only then are older ones
/// removed, each renamed out of the way first. So whenever the process or the machine stops, what
/// is called `checkpoint-N` is whole, and the newest whole one before a save is there until the
/// save is done.
class RunDirectory {
public:
  /// Writes the files of a checkpoint or of a result into a directory that is there.
  using Writer = std::function<Status(const std::string &directory)>;

  /// Without `resume` the directory must not exist, or hold nothing but what a killed process left
  /// half-written, which is removed. Nothing is made yet. Fails where another process trains into
  /// it.
  static Result<RunDirectory> open(const std::string &path, bool resume);
  RunDirectory(RunDirectory &&other) noexcept;
  RunDirectory &operator=(RunDirectory &&other) noexcept;
  ~RunDirectory();

  const std::string &path() const { return directory; }
  std::string checkpointPath(int64_t step) const;

  /// The steps of the directories that are called `checkpoint-N`, ascending.
  Result<std::vector<int64_t>> checkpoints() const;
  /// The newest checkpoint that its manifest finds whole. `skipped` gets a line for each newer one
  /// that is not. Nothing where there is no checkpoint at all; an error where none is whole.
  Result<std::optional<int64_t>> newestWhole(std::vector<std::string> *skipped) const;

  /// Makes the directory and takes hold of it, as saves do.
  Status prepare();
  /// Saves `checkpoint-STEP`; one of that name that is there is replaced.
  Status saveCheckpoint(int64_t step, const Writer &write);
  /// Removes the oldest checkpoints up to `newest`, which is whole, so that `limit` of them are
  /// left; never `keep`.
  Status prune(int64_t limit, int64_t newest, std::optional<int64_t> keep);
  /// Writes a result aside and renames its files to this directory one by one, `last` as the last
  /// (and removed as the first): where it is, all others belong to it.
  Status publish(const std::string &last, const Writer &write);

private:
  RunDirectory() = default;
  /// Takes the lock, and removes what a killed process left half-written.
  Status hold();
  Status sweep();
  Status discard(const std::string &name);

  std::string directory;
  int descriptor = -1; ///< holds the lock
};

/// Whether `path` lies in `directory`, which need not exist.
bool isWithin(const std::string &path, const std::string &directory);

} // namespace ftc::trainer

#endif // FTC_TRAINER_RUNDIRECTORY_H
