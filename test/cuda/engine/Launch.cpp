//===- Launch.cpp - launches a grid ----------------------------------------===//
// Checks the launch, shares its blocks among engines and keeps the settings and the last error.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Engine.h"
#include "engine/Registry.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <thread>

namespace ftc_on_cpu {

namespace {

constexpr int invalidValue = 1;    // cudaErrorInvalidValue
constexpr int launchFailure = 719; // cudaErrorLaunchFailure
constexpr unsigned mostThreads = 1024;
constexpr unsigned mostBlocks = 0x7fffffff;

struct Settings {
  Order order = Order::Forward;
  uint64_t seed = 1;
  unsigned char fill = 0xff;
  unsigned threads = 1;
  bool twice = false;
};

[[noreturn]] void badVariable(const char *name, const char *value, const char *right) {
  std::fprintf(stderr, "CudaOnCpu: %s=%s; it is %s\n", name, value, right);
  std::exit(2);
}

unsigned long numberIn(const char *name, const char *text, unsigned long most, const char *right) {
  char *end;
  unsigned long number = std::strtoul(text, &end, 0);
  if (end == text || *end || number > most)
    badVariable(name, text, right);
  return number;
}

Settings fromEnvironment() {
  Settings settings;
  if (const char *text = std::getenv("FTC_CUDA_ON_CPU_ORDER")) {
    constexpr const char *right = "forward, reverse or random:SEED";
    if (!std::strcmp(text, "reverse"))
      settings.order = Order::Reverse;
    else if (!std::strncmp(text, "random:", 7)) {
      settings.order = Order::Random;
      settings.seed = numberIn("FTC_CUDA_ON_CPU_ORDER", text + 7, ~0ul, right);
    } else if (std::strcmp(text, "forward"))
      badVariable("FTC_CUDA_ON_CPU_ORDER", text, right);
  }
  if (const char *text = std::getenv("FTC_CUDA_ON_CPU_FILL"))
    settings.fill = static_cast<unsigned char>(
        numberIn("FTC_CUDA_ON_CPU_FILL", text, 255, "a number from 0 to 255"));
  if (const char *text = std::getenv("FTC_CUDA_ON_CPU_THREADS"))
    settings.threads = static_cast<unsigned>(
        numberIn("FTC_CUDA_ON_CPU_THREADS", text, 64, "a number from 1 to 64"));
  if (const char *text = std::getenv("FTC_CUDA_ON_CPU_TWICE"))
    settings.twice = numberIn("FTC_CUDA_ON_CPU_TWICE", text, 1, "0 or 1");
  return settings;
}

Settings &settings() {
  static Settings settings = fromEnvironment();
  return settings;
}

/// Launches run one after the other, as on one stream.
std::mutex &launchMutex() {
  static std::mutex *mutex = new std::mutex;
  return *mutex;
}
std::string &errorText() {
  static std::string *text = new std::string;
  return *text;
}

/// Engines that are not running: their stacks are worth keeping.
Engine &engine(size_t index) {
  static auto *engines = new std::vector<std::unique_ptr<Engine>>;
  while (engines->size() <= index)
    engines->push_back(std::make_unique<Engine>());
  return *(*engines)[index];
}

std::vector<unsigned> blockOrder(const Launch &launch) {
  std::vector<unsigned> order(launch.blocks);
  std::iota(order.begin(), order.end(), 0u);
  if (launch.order == Order::Reverse)
    std::reverse(order.begin(), order.end());
  uint64_t random = launch.seed;
  for (unsigned i = launch.blocks; launch.order == Order::Random && i > 1; --i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    std::swap(order[i - 1], order[(random >> 33) % i]);
  }
  return order;
}

/// Runs all blocks; the error line, or "".
std::string runBlocks(const Launch &launch, unsigned threads) {
  std::vector<unsigned> order = blockOrder(launch);
  std::atomic<unsigned> next{0};
  std::atomic<bool> failed{false};
  std::string error;
  std::mutex errorMutex;
  auto work = [&](Engine &engine) {
    catchFaults();
    for (unsigned i = next++; i < launch.blocks && !failed; i = next++) {
      if (engine.runBlock(launch, order[i]))
        continue;
      std::lock_guard<std::mutex> lock(errorMutex);
      if (!failed.exchange(true))
        error = engine.error();
    }
  };
  std::vector<std::thread> helpers;
  for (unsigned i = 1; i < threads && i < launch.blocks; ++i)
    helpers.emplace_back(work, std::ref(engine(i)));
  work(engine(0));
  for (std::thread &helper : helpers)
    helper.join();
  return error;
}

std::string launchMistake(const Kernel &kernel, unsigned blocks, unsigned threads,
                          size_t sharedBytes) {
  if (blocks == 0 || blocks > mostBlocks)
    return "a grid of " + std::to_string(blocks) + " blocks; it has 1 to 2147483647";
  if (threads == 0 || threads > mostThreads)
    return "a block of " + std::to_string(threads) + " threads; it has 1 to 1024";
  if (threads > kernel.maxThreads)
    return "a block of " + std::to_string(threads) + " threads; the launch bound is " +
           std::to_string(kernel.maxThreads);
  if (sharedBytes > SharedMemory::most)
    return std::to_string(sharedBytes) + " bytes of shared memory; a block has at most " +
           std::to_string(SharedMemory::most);
  return "";
}

int finish(const std::string &error, int code) {
  errorText() = error;
  if (error.empty())
    return 0;
  std::fprintf(stderr, "%s\n", error.c_str());
  return code;
}

std::string launchText(const Kernel &kernel) {
  return Place{kernel.file, kernel.line}.text() + ": kernel " + kernel.name + ": ";
}

//===----------------------------------------------------------------------===//
// Twice
//===----------------------------------------------------------------------===//

using Snapshot = std::vector<std::vector<unsigned char>>;

Snapshot snapshot(const std::vector<Registry::Range> &ranges) {
  Snapshot copies;
  for (const Registry::Range &range : ranges) {
    const auto *begin = reinterpret_cast<const unsigned char *>(range.begin);
    copies.emplace_back(begin, begin + range.bytes);
  }
  return copies;
}

void restore(const std::vector<Registry::Range> &ranges, const Snapshot &copies) {
  for (size_t i = 0; i < ranges.size(); ++i)
    if (ranges[i].bytes)
      std::memcpy(reinterpret_cast<void *>(ranges[i].begin), copies[i].data(), ranges[i].bytes);
}

std::string difference(const Kernel &kernel, const std::vector<Registry::Range> &ranges,
                       const Snapshot &first) {
  for (size_t i = 0; i < ranges.size(); ++i) {
    const auto *now = reinterpret_cast<const unsigned char *>(ranges[i].begin);
    for (size_t byte = 0; byte < ranges[i].bytes; ++byte)
      if (now[byte] != first[i][byte])
        return launchText(kernel) + "byte " + std::to_string(byte) + " of `" + ranges[i].name +
               "` depends on the order of the threads or on shared memory that nobody wrote; a "
               "barrier or a write is missing";
  }
  return "";
}

std::string runTwice(Launch &launch, unsigned threads) {
  std::vector<Registry::Range> ranges = Registry::instance().ranges();
  Snapshot before = snapshot(ranges);
  std::string error = runBlocks(launch, threads);
  if (!error.empty())
    return error;
  Snapshot first = snapshot(ranges);
  restore(ranges, before);
  Launch again = launch;
  again.number = ~launch.number; // of no other
  again.order = launch.order == Order::Reverse ? Order::Forward : Order::Reverse;
  again.fill = static_cast<unsigned char>(launch.fill ^ 0xc1); // 0x3e: small floats instead of NaN
  error = runBlocks(again, threads);
  return error.empty() ? difference(launch.kernel, ranges, first) : error;
}

} // namespace

int checkLaunch(const Kernel &kernel, unsigned blocks, unsigned threads, size_t sharedBytes) {
  std::lock_guard<std::mutex> lock(launchMutex());
  std::string mistake = launchMistake(kernel, blocks, threads, sharedBytes);
  return finish(mistake.empty() ? "" : launchText(kernel) + mistake, invalidValue);
}

int launch(const Kernel &kernel, unsigned blocks, unsigned threads, size_t sharedBytes,
           void **arguments) {
  if (currentFiber()) {
    std::fprintf(stderr, "%sa launch inside a kernel\n", launchText(kernel).c_str());
    std::abort();
  }
  if (int mistake = checkLaunch(kernel, blocks, threads, sharedBytes))
    return mistake;
  std::lock_guard<std::mutex> lock(launchMutex());
  const Settings &now = settings();
  static uint64_t number = 0;
  Launch launch{kernel,    blocks,   threads,  sharedBytes, arguments,
                now.order, now.seed, now.fill, ++number,    now.threads <= 1};
  std::string error = now.twice ? runTwice(launch, now.threads) : runBlocks(launch, now.threads);
  return finish(error, launchFailure);
}

const char *lastError() { return errorText().c_str(); }

void setOrder(Order order, uint64_t seed) {
  settings().order = order;
  settings().seed = seed;
}
void setFill(unsigned char byte) { settings().fill = byte; }
void setThreads(unsigned count) { settings().threads = count; }
void setTwice(bool twice) { settings().twice = twice; }

} // namespace ftc_on_cpu
