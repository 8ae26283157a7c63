//===- Apart.h - checks in processes of their own ---------------*- C++ -*-===//
// What crashes or hangs takes one program with it, and not its seed.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_RANDOM_APART_H
#define FTC_TEST_RANDOM_APART_H

#include "Check.h"

#include <list>
#include <optional>
#include <sys/types.h>

namespace ftc::test {

/// Runs check() in child processes, some at a time, each with a TMPDIR that goes away with it. A
/// child that crashes has a finding `crash`, one that takes longer than the limit `hang`.
class Apart {
public:
  using Work = std::function<Verdict(const Program &)>;
  explicit Apart(
      int jobs, double limitSeconds = 120, Work work = [](const Program &p) { return check(p); })
      : jobs(jobs), limit(limitSeconds), work(std::move(work)) {}
  ~Apart();

  bool isFull() const { return (int)children.size() >= jobs; }
  bool isEmpty() const { return children.empty(); }
  void start(uint64_t id, const Program &program);
  /// Waits for the next child to end; its id and verdict. There must be one.
  std::pair<uint64_t, Verdict> next();

private:
  struct Child {
    uint64_t id;
    pid_t process;
    int pipe;
    double deadline; ///< on now()
    std::string text;
    std::string folder; ///< its TMPDIR
  };
  int jobs;
  double limit;
  Work work;
  std::list<Child> children;
};

/// Seconds since some moment.
double now();

} // namespace ftc::test

#endif
