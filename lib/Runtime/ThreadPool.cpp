//===- ThreadPool.cpp - the threads of one instance ------------------------===//
// Tickets and futexes; affinity; a floating-point mode that all threads share.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ThreadPool.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xmmintrin.h>

namespace ftc {

namespace {

// Some 100 us on the machines of today: longer than the gap between two launches of a step, and
// short enough that a foreign process on the same CPU is not kept waiting.
constexpr unsigned pausesBeforeSleep = 2000;
// Rounding to nearest, nothing flushed to zero, nothing trapped: the mode of a fresh thread.
constexpr unsigned defaultMxcsr = 0x1f80;

void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futexWake(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

/// Waits until done(value of word). The pair of `sleeping` and the kernel's own check of the word
/// closes the gap between looking and sleeping.
template <class Done>
void waitFor(std::atomic<uint32_t> &word, std::atomic<uint32_t> &sleeping, unsigned spins,
             Done done) {
  for (unsigned i = 0; i < spins; ++i) {
    if (done(word.load(std::memory_order_acquire)))
      return;
    _mm_pause();
  }
  sleeping.store(1);
  for (uint32_t value = word.load(); !done(value); value = word.load())
    futexWait(word, value);
  sleeping.store(0);
}

bool processCpus(cpu_set_t &set) {
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0;
}

void pinToCpu(pthread_t thread, const cpu_set_t &allowed, unsigned position) {
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || position-- != 0)
      continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    // Where it is refused, the thread runs anywhere: slower, never wrong.
    (void)pthread_setaffinity_np(thread, sizeof one, &one);
    return;
  }
}

} // namespace

unsigned availableCpus() {
  cpu_set_t set;
  if (processCpus(set))
    return static_cast<unsigned>(CPU_COUNT(&set));
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<unsigned>(online) : 1;
}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(unsigned size) {
  std::unique_ptr<ThreadPool> pool(new ThreadPool());
  pool->count = size;
  unsigned cpus = availableCpus();
  // A thread that spins keeps another from running where they share a CPU.
  pool->spins = size <= cpus ? pausesBeforeSleep : 0;
  pool->workers.reset(new Worker[size - 1]);
  cpu_set_t allowed;
  bool pin = processCpus(allowed) && static_cast<unsigned>(CPU_COUNT(&allowed)) == size;
  // Signals belong to the host's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = 0;
  for (unsigned i = 0; i + 1 < size && failure == 0; ++i) {
    Worker &worker = pool->workers[i];
    worker.pool = pool.get();
    worker.index = i + 1;
    failure = pthread_create(&worker.handle, nullptr, entry, &worker);
    if (failure != 0)
      break;
    ++pool->started;
    if (pin)
      pinToCpu(worker.handle, allowed, worker.index);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure != 0)
    return makeError("threads", "cannot start " + std::to_string(size - 1) +
                                    " threads; the system refused number " +
                                    std::to_string(pool->started + 1) + "; ask for fewer");
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping = true;
  for (unsigned i = 0; i < started; ++i) {
    workers[i].ticket.fetch_add(1);
    futexWake(workers[i].ticket);
  }
  for (unsigned i = 0; i < started; ++i)
    pthread_join(workers[i].handle, nullptr);
}

void *ThreadPool::entry(void *worker) {
  Worker &self = *static_cast<Worker *>(worker);
  self.pool->work(self);
  return nullptr;
}

void ThreadPool::work(Worker &worker) {
  _mm_setcsr(defaultMxcsr);
  uint32_t seen = 0;
  while (true) {
    waitFor(worker.ticket, worker.sleeping, spins, [&](uint32_t ticket) { return ticket != seen; });
    ++seen;
    if (stopping)
      return;
    body(context, worker.index);
    if (pending.fetch_sub(1) == 1 && callerSleeping.load())
      futexWake(pending);
  }
}

void ThreadPool::run(unsigned participants, Body newBody, void *newContext) {
  // The bits of a result must not depend on which thread computes it.
  unsigned mode = _mm_getcsr();
  if (mode != defaultMxcsr)
    _mm_setcsr(defaultMxcsr);
  if (participants > 1) {
    body = newBody;
    context = newContext;
    pending.store(participants - 1);
    for (unsigned i = 0; i + 1 < participants; ++i) {
      workers[i].ticket.fetch_add(1);
      if (workers[i].sleeping.load())
        futexWake(workers[i].ticket);
    }
  }
  newBody(newContext, 0);
  if (participants > 1)
    waitFor(pending, callerSleeping, spins, [](uint32_t left) { return left == 0; });
  if (mode != defaultMxcsr)
    _mm_setcsr(mode);
}

} // namespace ftc
