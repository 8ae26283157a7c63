//===- ThreadPool.h - the threads of one instance --------------------------===//
// Static workers that spin a little between launches, then sleep on a futex.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_THREADPOOL_H
#define FTC_RUNTIME_THREADPOOL_H

#include "ftc/Support/Error.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <pthread.h>

namespace ftc {

/// CPUs that this process may run on; at least 1.
unsigned availableCpus();

/// `size` threads, the caller of `run` being thread 0. Workers are pinned where the pool is exactly
/// as large as the set of CPUs that the process may use: two of them then never share one, and
/// elsewhere the scheduler knows better. One `run` at a time.
class ThreadPool {
public:
  using Body = void (*)(void *context, unsigned thread);

  static Result<std::unique_ptr<ThreadPool>> create(unsigned size);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  unsigned size() const { return count; }

  /// Calls body(context, t) for every t below `participants` (1 to size()), each on its own thread,
  /// and returns when all have returned. Allocates nothing; what the bodies wrote is visible to the
  /// caller, and what the caller wrote before, to the bodies.
  void run(unsigned participants, Body body, void *context);

  /// The same for a callable.
  template <class Callable> void run(unsigned participants, Callable &&callable) {
    run(
        participants,
        [](void *context, unsigned thread) {
          (*static_cast<std::remove_reference_t<Callable> *>(context))(thread);
        },
        &callable);
  }

  /// Cuts [0, items) into contiguous parts of nearly equal size, at least `grain` items each, and
  /// calls body(lo, hi, thread) for each. The cut depends on the number of threads, so what the
  /// body computes for an item must not depend on the cut.
  template <class Callable> void split(int64_t items, int64_t grain, Callable &&body) {
    int64_t parts = items / grain;
    parts = parts < 1 ? 1 : parts > int64_t{count} ? int64_t{count} : parts;
    if (parts == 1) {
      body(int64_t{0}, items, 0u);
      return;
    }
    run(static_cast<unsigned>(parts), [&](unsigned thread) {
      // 128 bits: items times parts may pass int64.
      auto cut = [&](unsigned part) {
        return static_cast<int64_t>(static_cast<__int128>(items) * part / parts);
      };
      body(cut(thread), cut(thread + 1), thread);
    });
  }

private:
  /// What one worker waits on; a cache line of its own.
  struct alignas(64) Worker {
    std::atomic<uint32_t> ticket{0}; ///< rises by one for each job
    std::atomic<uint32_t> sleeping{0};
    pthread_t handle{};
    ThreadPool *pool = nullptr;
    unsigned index = 0;
  };

  ThreadPool() = default;
  static void *entry(void *worker);
  void work(Worker &worker);

  unsigned count = 1;
  unsigned started = 0; ///< workers whose thread exists
  unsigned spins = 0;
  std::unique_ptr<Worker[]> workers;
  Body body = nullptr;
  void *context = nullptr;
  bool stopping = false;
  alignas(64) std::atomic<uint32_t> pending{0};
  std::atomic<uint32_t> callerSleeping{0};
};

} // namespace ftc

#endif // FTC_RUNTIME_THREADPOOL_H
