//===- Work.h - what streams have to do ------------------------------------===//
// One per process: the stand-ins of the driver and of cuBLASLt enqueue here.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_STAND_INS_WORK_H
#define FTC_TEST_CUDA_STAND_INS_WORK_H

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

namespace standin {

/// By default work is done when it is enqueued. With FTC_STANDIN_LAZY=1 it is done when somebody
/// waits for it, as late as a GPU may do it: a program that reads a result or reuses a host buffer
/// without waiting then sees the wrong bytes.
class Work {
public:
  static Work &instance();

  bool isLazy() const { return lazy; }
  /// The work's result, or 0 where it is kept for later. The null stream waits for all others and
  /// is never late.
  int enqueue(void *stream, std::function<int()> work);
  /// How much the stream has been given so far.
  uint64_t position(void *stream);

  /// Does what the stream has; the first result that is not 0.
  int finish(void *stream) { return finish(stream, UINT64_MAX); }
  int finish(void *stream, uint64_t position);
  int finishAll();
  /// Forgets everything.
  void clear();

private:
  Work();

  struct Queue {
    std::deque<std::function<int()>> waiting;
    uint64_t done = 0;
  };

  std::recursive_mutex mutex;
  std::map<void *, Queue> queues;
  bool lazy;
};

} // namespace standin

#endif // FTC_TEST_CUDA_STAND_INS_WORK_H
