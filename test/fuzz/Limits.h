//===- Limits.h - time and memory that reading an input may take ------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_FUZZ_LIMITS_H
#define FTC_TEST_FUZZ_LIMITS_H

#include <cstddef>
#include <ctime>

namespace ftc::fuzz {

/// While it lives, what is allocated and not yet freed (by malloc, exactly, whatever library asks)
/// may not grow by more than ten times the input and 64 MiB: the allocation that crosses this ends
/// the process where it is made. `check` ends the process after more than a second of the thread's
/// processor time. One at a time, in programs of one thread.
class Limits {
public:
  explicit Limits(size_t inputBytes);
  ~Limits();
  Limits(const Limits &) = delete;
  Limits &operator=(const Limits &) = delete;

  void check() const;

private:
  size_t inputBytes;
  timespec begin;
};

/// The most that was ever allocated and not yet freed within one Limits, beyond ten times its
/// input.
size_t mostBytesBeyondInput();
/// The longest time between a Limits and its check, in seconds.
double mostSeconds();

} // namespace ftc::fuzz

#endif // FTC_TEST_FUZZ_LIMITS_H
