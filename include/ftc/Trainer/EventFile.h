//===- EventFile.h - event files for TensorBoard ---------------------------===//
// Scalars of a run under the tags of transformers' TensorBoardCallback.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_EVENTFILE_H
#define FTC_TRAINER_EVENTFILE_H

#include "ftc/Trainer/Progress.h"

#include <string_view>
#include <utility>
#include <vector>

namespace ftc::trainer {

/// A file of TensorBoard's: TFRecords (length, its masked CRC32C, data, their masked CRC32C; little
/// endian) of `Event` messages (tensorflow/core/util/event.proto). It is named after the first step
/// that it may hold, `events.out.tfevents.0000000001.ftc`. A run that goes on from a checkpoint
/// begins the next file with a session's start, behind which TensorBoard forgets what it has read
/// of that step and later ones; files that begin there or later are of steps that are computed
/// again, and are removed.
class EventFile {
public:
  /// Makes the directory where it is missing. An empty directory gives what `none` gives: an object
  /// that takes nothing.
  static Result<EventFile> create(const std::string &directory, int64_t firstStep);
  static EventFile none() { return EventFile(); }
  EventFile(EventFile &&other) noexcept;
  EventFile &operator=(EventFile &&other) noexcept;
  ~EventFile();

  /// train/loss, train/grad_norm, train/learning_rate, train/epoch, train/tokens_per_second and,
  /// where it is known, train/mfu.
  Status step(const StepReport &report);
  /// eval/loss.
  Status evaluation(int64_t step, double loss);

  using Scalars = std::vector<std::pair<std::string_view, double>>;
  /// Scalars (floats in the file) at a step.
  Status write(int64_t step, const Scalars &scalars);

private:
  EventFile() = default;
  Status record(const std::string &event);

  std::string name;
  FILE *file = nullptr;
};

} // namespace ftc::trainer

#endif // FTC_TRAINER_EVENTFILE_H
