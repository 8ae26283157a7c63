//===- Interrupt.h - signals that end a run -------------------------------===//
// The first one is noted, the second one ends the process.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_INTERRUPT_H
#define FTC_TRAINER_INTERRUPT_H

#include <csignal>

namespace ftc::trainer {

/// While it lives, the first SIGINT, SIGTERM or SIGHUP is noted, so that the step can be finished
/// and a checkpoint saved; the second ends the process at once with status 128 + its number.
/// Signals that were ignored before (nohup) stay so. A write to a closed pipe is an error of the
/// write, no signal: a run does not end because nobody reads its output any more. One at a time.
class InterruptScope {
public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope &) = delete;
  InterruptScope &operator=(const InterruptScope &) = delete;

  /// The signal that came, or 0.
  int received() const;

private:
  static constexpr int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
  struct sigaction before[4];
};

/// `SIGTERM`
const char *signalName(int signal);

} // namespace ftc::trainer

#endif // FTC_TRAINER_INTERRUPT_H
