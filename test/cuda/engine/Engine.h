//===- Engine.h - runs blocks of fibers ------------------------------------===//
// The private side of CudaOnCpu.h: one engine per operating-system thread that runs blocks.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_ENGINE_ENGINE_H
#define FTC_TEST_CUDA_ENGINE_ENGINE_H

#include "engine/Registry.h"
#include "engine/Shadow.h"
#include "engine/SharedMemory.h"
#include "engine/Stack.h"

#include <memory>
#include <string>
#include <vector>

namespace ftc_on_cpu {

class Engine;

struct Place {
  const char *file = nullptr;
  int line = 0;

  std::string text() const;
  bool operator==(const Place &other) const;
  bool operator!=(const Place &other) const { return !(*this == other); }
};

/// A cp.async that nobody has waited for.
struct PendingCopy {
  void *to;
  const void *from; // null: zeros
  unsigned bytes;
  unsigned group;
  Place place;
};

/// One thread of a block.
struct Fiber : Thread {
  Engine *engine = nullptr;
  Stack *stack = nullptr;       // from its start to its end
  void *stackPointer = nullptr; // while it waits
  void *fakeStack = nullptr;    // AddressSanitizer's
  bool started = false;
  const char *operation = nullptr; // the collective that it called last
  Place place;
  std::vector<PendingCopy> copies;
  unsigned group = 0; // of the next cp.async

  unsigned number() const { return index.x; }
};

/// The lanes are bits. A live lane is ready, or waits at the block's barrier, or in the warp's
/// exchange, or has exited.
struct Warp {
  uint32_t live = 0;
  uint32_t ready = 0;
  uint32_t exited = 0;
  uint32_t arrived = 0; // in the exchange that is being collected
  uint32_t mask = 0;
  const char *operation = nullptr;
  Place place;
  unsigned epoch = 0;          // of the warp's memory: counts the __syncwarp
  unsigned parity = 0;         // which of the slots is being filled
  uint32_t unread[2] = {0, 0}; // who has yet to see the slots
  WarpSlots slots[2];
};

/// One launch, shared by the engines that run its blocks.
struct Launch {
  const Kernel &kernel;
  unsigned blocks;
  unsigned threads;
  size_t sharedBytes;
  void **arguments;
  Order order;
  uint64_t seed;
  unsigned char fill;
  uint64_t number = 0; // no other launch has it
  bool isAlone = true; // one engine runs all of its blocks
};

class Engine {
public:
  Engine();
  ~Engine();

  /// Runs one block; false: error() says why, and the launch is over.
  bool runBlock(const Launch &launch, unsigned index);
  const std::string &error() const { return message; }

  // What fibers call.
  void barrier(Place place);
  const WarpSlots &exchange(unsigned mask, const void *value, size_t bytes, const char *operation,
                            Place place, bool ordersMemory);
  /// Ends the launch with a printf text. The fiber is left as it is, so its callers may hold
  /// nothing that has a destructor.
  [[noreturn, gnu::format(printf, 3, 4)]] void fail(Place place, const char *format, ...);
  void run(); // the life of a stack: one thread after the other

  /// True where a thread may read and write these bytes; the cheap case first.
  bool mayTouch(const Fiber &fiber, const void *address, size_t bytes);
  /// Why not, in words; valid until the next call.
  const char *describeOutside(const void *address, size_t bytes);

  /// A load or store of checked code, before it happens.
  void access(Fiber &fiber, const void *address, size_t bytes, bool writes,
              const void *instruction);
  /// A cp.async is issued, or done.
  void noteCopy(Fiber &fiber, const PendingCopy &copy, bool done);
  /// The next failure is that of this instruction.
  void blame(const void *instruction) { failedAt = instruction; }

  const SharedMemory &sharedMemory() const { return shared; }

private:
  void arrange(unsigned index);
  Fiber *pick();
  void yield();
  void letRead(Warp &warp, unsigned lane);
  void exit(Fiber &fiber);
  void releaseBarrier();
  void start(Fiber &fiber);
  void transfer(Fiber *from, Fiber *to);
  const char *deadlock();
  const Fiber *firstExited() const;
  Moment momentOf(const Fiber &fiber, bool ofShared) const;
  void report(const Finding &finding, const char *memory, Place place, const void *instruction);
  static bool isLocal(const Fiber &fiber, const void *address);
  bool isOwnMemory(const void *address) const;
  bool isModuleMemory(const void *address);
  std::string failure() const;

  const Launch *current = nullptr;
  Block block{};
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  uint32_t readyWarps = 0;
  unsigned blockStart = 0, launchStart = 0; // epochs
  uint64_t launchNumber = 0;
  unsigned waiting = 0; // threads at the barrier
  unsigned done = 0;    // threads that have returned
  unsigned epoch = 0;   // of the block's memory: counts barriers, over all blocks of this engine
  const Fiber *barrierFirst = nullptr;
  uint64_t random = 1;
  StackPool stacks;
  SharedMemory shared;
  bool isClean = false;      // laid out, and what surrounds it is as it was
  SharedShadow sharedShadow; // of checked kernels, as is the next
  DeviceShadow deviceShadow;
  std::string nameOfMemory; // of a finding
  SchedulerContext scheduler;
  Registry::Span recent[4]; // registered ranges that were touched lately
  uint64_t recentGeneration = 0;
  unsigned recentNext = 0;
  Registry::Span lastSegment;
  Place failedPlace;
  const void *failedAt = nullptr; // the instruction that follows the wrong one, where it is known
  std::string message;
  std::string words; // parts of a message
};

/// The fiber that runs on this operating-system thread, or null.
Fiber *currentFiber();
void setCurrentFiber(Fiber *fiber);

/// A kernel's mistake that the processor reports: an address nobody mapped, a division by zero.
void catchFaults();

} // namespace ftc_on_cpu

#endif // FTC_TEST_CUDA_ENGINE_ENGINE_H
