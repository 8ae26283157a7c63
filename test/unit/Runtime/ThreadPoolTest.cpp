//===- ThreadPoolTest.cpp - the pool does every part once ------------------===//
// Also after idling, and from many pools at once.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "lib/Runtime/ThreadPool.h"

#include "gtest/gtest.h"

#include <chrono>
#include <thread>
#include <vector>

using namespace ftc;

namespace {

std::unique_ptr<ThreadPool> poolOf(unsigned size) {
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(size);
  EXPECT_TRUE(pool) << pool.error().str();
  return *std::move(pool);
}

TEST(ThreadPool, EachParticipantOnce) {
  for (unsigned size : {1u, 2u, 3u, 8u}) {
    std::unique_ptr<ThreadPool> pool = poolOf(size);
    EXPECT_EQ(pool->size(), size);
    for (int round = 0; round < 500; ++round) {
      unsigned participants = 1 + unsigned(round) % size;
      std::vector<int> calls(size);
      pool->run(participants, [&](unsigned thread) { ++calls[thread]; });
      for (unsigned t = 0; t < size; ++t)
        ASSERT_EQ(calls[t], t < participants ? 1 : 0);
    }
  }
}

TEST(ThreadPool, SplitCoversEveryItemOnceAndKeepsTheGrain) {
  std::unique_ptr<ThreadPool> pool = poolOf(3);
  for (int64_t items : {1, 2, 3, 5, 64, 100, 1001})
    for (int64_t grain : {1, 2, 7, 50, 5000}) {
      std::vector<int> calls(size_t(items), 0);
      std::atomic<int> parts{0};
      pool->split(items, grain, [&](int64_t lo, int64_t hi, unsigned thread) {
        EXPECT_LT(thread, 3u);
        EXPECT_TRUE(hi - lo >= grain || hi - lo == items) << items << ' ' << grain;
        ++parts;
        for (int64_t i = lo; i < hi; ++i)
          ++calls[size_t(i)];
      });
      EXPECT_EQ(parts, std::max<int64_t>(1, std::min<int64_t>(3, items / grain)));
      for (int count : calls)
        ASSERT_EQ(count, 1);
    }
}

TEST(ThreadPool, WakesAfterIdling) {
  std::unique_ptr<ThreadPool> pool = poolOf(2);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> calls{0};
    pool->run(2, [&](unsigned) { ++calls; });
    EXPECT_EQ(calls, 2);
  }
}

TEST(ThreadPool, CallerWaitsForASlowPart) {
  std::unique_ptr<ThreadPool> pool = poolOf(2);
  bool done = false;
  pool->run(2, [&](unsigned thread) {
    if (thread == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      done = true;
    }
  });
  EXPECT_TRUE(done);
}

TEST(ThreadPool, ManyPoolsAtOnce) {
  std::vector<std::thread> callers;
  std::atomic<int64_t> total{0};
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      std::unique_ptr<ThreadPool> pool = poolOf(2);
      for (int round = 0; round < 200; ++round)
        pool->split(100, 1, [&](int64_t lo, int64_t hi, unsigned) { total += hi - lo; });
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(total, 4 * 200 * 100);
}

TEST(ThreadPool, AtLeastOneCpu) { EXPECT_GE(availableCpus(), 1u); }

} // namespace
