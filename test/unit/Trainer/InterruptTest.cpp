//===- InterruptTest.cpp - signals that end a run --------------------------===//
// Noted once, obeyed at once the second time, and given back.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Interrupt.h"

#include <gtest/gtest.h>

#include <cerrno>

#include <unistd.h>

namespace ftc::trainer {
namespace {

TEST(Interrupt, NotesTheFirstSignal) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    InterruptScope scope;
    EXPECT_EQ(scope.received(), 0);
    std::raise(signal);
    EXPECT_EQ(scope.received(), signal);
  }
}

TEST(InterruptDeathTest, LeavesAtTheSecondSignal) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP})
    EXPECT_EXIT(
        {
          InterruptScope scope;
          std::raise(SIGINT);
          std::raise(signal);
        },
        ::testing::ExitedWithCode(128 + signal), "");
}

TEST(Interrupt, GivesTheOldHandlersBack) {
  struct sigaction ignored{}, now;
  ignored.sa_handler = SIG_IGN;
  ::sigaction(SIGHUP, &ignored, nullptr);
  {
    // nohup
    InterruptScope scope;
    std::raise(SIGHUP);
    EXPECT_EQ(scope.received(), 0);
    ::sigaction(SIGTERM, nullptr, &now);
    EXPECT_NE(now.sa_handler, SIG_DFL);
  }
  ::sigaction(SIGTERM, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
  ::signal(SIGHUP, SIG_DFL);
}

TEST(Interrupt, AClosedPipeIsAnErrorOfTheWrite) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  InterruptScope scope;
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(scope.received(), 0);
  ::close(ends[1]);
}

} // namespace
} // namespace ftc::trainer
