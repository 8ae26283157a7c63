//===- LimitsTest.cpp - the limits of the fuzz targets hold -----------------===//
// Each is crossed, by every way to allocate, and by time; what stays below is let be.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Limits.h"
#include "FuzzTarget.h"

#include "gtest/gtest.h"

#include <cstdlib>
#include <memory>
#include <vector>

using namespace ftc;

namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr const char *kMemory = "more than ten times the input and 64 MiB";

/// Keeps the compiler from leaving an allocation out.
void *volatile kept;

void keep(void *pointer) {
  kept = pointer;
  std::free(kept);
}

TEST(FuzzLimits, MemoryThatIsFreedDoesNotCount) {
  fuzz::Limits limits(0);
  for (int i = 0; i < 100; ++i)
    keep(std::malloc(10 * kMiB));
  void *pointer = nullptr;
  for (size_t size = kMiB; size <= 30 * kMiB; size += kMiB)
    kept = pointer = std::realloc(pointer, size);
  std::free(pointer);
  limits.check();
}

TEST(FuzzLimits, TenTimesTheInputIsAllowed) {
  {
    fuzz::Limits limits(10 * kMiB);
    keep(std::malloc(160 * kMiB));
  }
  EXPECT_DEATH(
      {
        fuzz::Limits limits(10 * kMiB);
        keep(std::malloc(165 * kMiB));
      },
      kMemory);
}

TEST(FuzzLimitsDeathTest, EveryWayToAllocateCounts) {
  auto crossed = [](void *(*allocate)(size_t)) {
    fuzz::Limits limits(0);
    std::vector<std::unique_ptr<void, void (*)(void *)>> blocks;
    for (int i = 0; i < 7; ++i)
      blocks.emplace_back(allocate(10 * kMiB), std::free);
  };
  EXPECT_DEATH(crossed(std::malloc), kMemory);
  EXPECT_DEATH(crossed([](size_t bytes) { return std::calloc(bytes / 8, 8); }), kMemory);
  EXPECT_DEATH(crossed([](size_t bytes) { return std::realloc(std::malloc(8), bytes); }), kMemory);
  EXPECT_DEATH(crossed([](size_t bytes) { return std::aligned_alloc(64, bytes); }), kMemory);
  EXPECT_DEATH(crossed([](size_t bytes) {
                 void *pointer = nullptr;
                 return ::posix_memalign(&pointer, 64, bytes) == 0 ? pointer : nullptr;
               }),
               kMemory);
  EXPECT_DEATH(
      {
        fuzz::Limits limits(0);
        std::vector<char> block(65 * kMiB);
        kept = block.data();
      },
      kMemory);
}

TEST(FuzzLimitsDeathTest, TimeIsTheThreadsOwn) {
  EXPECT_DEATH(
      {
        fuzz::Limits limits(0);
        for (volatile uint64_t i = 0; i < uint64_t{4} << 30; i = i + 1)
          ;
        limits.check();
      },
      "more than a second");
}

TEST(FuzzChecks, GoodErrorsPass) {
  Error error = makeError("a.json:1:2", "'x' is 3; it must be 4");
  error.note("a.json:1:1: here");
  fuzz::checkError(error, "a.json");
  fuzz::checkWarning("a.json:1:2: unknown key", "a.json");
}

TEST(FuzzChecksDeathTest, BadErrorsDoNot) {
  EXPECT_DEATH(fuzz::checkError(makeError("b.json", "is wrong"), "a.json"), "begin with its file");
  EXPECT_DEATH(fuzz::checkError(makeError("a.json", ""), "a.json"), "without a message");
  EXPECT_DEATH(fuzz::checkError(makeError("a.json", std::string(800, 'x')), "a.json"), "too long");
  // formatError escapes them; a warning's text is the reader's own.
  EXPECT_DEATH(fuzz::checkWarning("a.json: a \x1b[1m", "a.json"), "control character");
  EXPECT_DEATH(fuzz::checkWarning("a.json: two\nlines", "a.json"), "control character");
  EXPECT_DEATH(fuzz::checkWarning("unknown key", "a.json"), "begin with its file");
}

} // namespace

/// No reader: the entry point of libFuzzer comes with the checks.
void fuzz::readInput(std::string_view) {}
