//===- Interrupt.cpp - signals that end a run ------------------------------===//
// A handler that does nothing but note and, the second time, leave.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Interrupt.h"

#include <atomic>
#include <cstddef>

#include <unistd.h>

namespace ftc::trainer {

namespace {

std::atomic<int> noted{0};
static_assert(std::atomic<int>::is_always_lock_free, "a handler may use it");

extern "C" void noteSignal(int signal) {
  int none = 0;
  if (!noted.compare_exchange_strong(none, signal))
    ::_exit(128 + signal);
}

} // namespace

InterruptScope::InterruptScope() {
  noted = 0;
  size_t i = 0;
  for (int signal : signals) {
    struct sigaction action{};
    action.sa_handler = signal == SIGPIPE ? SIG_IGN : noteSignal;
    action.sa_flags = SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal, nullptr, &before[i]);
    if (before[i].sa_handler != SIG_IGN)
      ::sigaction(signal, &action, nullptr);
    ++i;
  }
}

InterruptScope::~InterruptScope() {
  size_t i = 0;
  for (int signal : signals)
    ::sigaction(signal, &before[i++], nullptr);
}

int InterruptScope::received() const { return noted; }

const char *signalName(int signal) {
  return signal == SIGINT ? "SIGINT" : signal == SIGTERM ? "SIGTERM" : "SIGHUP";
}

} // namespace ftc::trainer
