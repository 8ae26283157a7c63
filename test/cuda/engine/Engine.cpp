//===- Engine.cpp - runs blocks of fibers ----------------------------------===//
// Who runs next, and the two collectives: the block's barrier and the warp's exchange.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Engine.h"
#include "engine/Symbolize.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#ifdef FTC_ON_CPU_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace ftc_on_cpu {

namespace {

// Initial-exec: one load, also in kernels' hottest calls. The libraries are loaded early enough.
[[gnu::tls_model("initial-exec")]] thread_local Fiber *running = nullptr;

void enterStack() { running->engine->run(); }

uint32_t bit(unsigned index) { return 1u << index; }
unsigned lowest(uint32_t bits) { return static_cast<unsigned>(__builtin_ctz(bits)); }
unsigned highest(uint32_t bits) { return 31 - static_cast<unsigned>(__builtin_clz(bits)); }

} // namespace

Fiber *currentFiber() { return running; }
void setCurrentFiber(Fiber *fiber) { running = fiber; }

std::string Place::text() const {
  return std::string(file ? file : "?") + ":" + std::to_string(line);
}

bool Place::operator==(const Place &other) const {
  return line == other.line &&
         (file == other.file || (file && other.file && !strcmp(file, other.file)));
}

Engine::Engine() : warps(32) {}
Engine::~Engine() = default;

//===----------------------------------------------------------------------===//
// A block from start to end
//===----------------------------------------------------------------------===//

void Engine::arrange(unsigned index) {
  const Launch &launch = *current;
  block = {{index, 0, 0}, dim3(launch.threads), dim3(launch.blocks), shared.begin(), shared.size()};
  if (fibers.size() < launch.threads)
    fibers.resize(launch.threads);
  readyWarps = 0;
  for (unsigned i = 0; i < (launch.threads + 31) / 32; ++i) {
    unsigned lanes = launch.threads - i * 32;
    Warp &warp = warps[i];
    warp.live = warp.ready = lanes >= 32 ? 0xffffffffu : bit(lanes) - 1;
    warp.exited = warp.arrived = warp.unread[0] = warp.unread[1] = 0;
    readyWarps |= bit(i);
  }
  for (unsigned i = 0; i < launch.threads; ++i) {
    Fiber &fiber = fibers[i];
    fiber.index = {i, 0, 0};
    fiber.lane = i % 32;
    fiber.warp = i / 32;
    fiber.block = &block;
    fiber.engine = this;
    fiber.started = false;
    fiber.operation = nullptr;
    fiber.place = {launch.kernel.file, launch.kernel.line};
    fiber.copies.clear();
    fiber.group = 0;
  }
  waiting = done = 0;
  barrierFirst = nullptr;
  ++epoch;
  random = launch.seed * 0x9e3779b97f4a7c15u + index + 1;
}

bool Engine::runBlock(const Launch &launch, unsigned index) {
  current = &launch;
  message.clear();
  failedAt = nullptr;
  if (!shared.isMapped()) {
    message = "no memory for the shared memory of a block";
    return false;
  }
  if (!isClean || shared.size() != launch.sharedBytes)
    shared.resize(launch.sharedBytes);
  isClean = false;
  shared.reset(launch.fill);
  arrange(index);
  blockStart = epoch;
  if (launch.number != launchNumber) {
    launchNumber = launch.number;
    launchStart = epoch;
    deviceShadow.begin();
  }
  if (launch.kernel.checked)
    sharedShadow.resize(shared.size());
  transfer(nullptr, pick());
  running = nullptr;
  if (!message.empty()) {
    stacks.reclaim();
    sharedShadow = SharedShadow(); // it may hold copies in flight
    message = failure();
    return false;
  }
  if (ptrdiff_t offset = shared.overwritten()) {
    message = Place{launch.kernel.file, launch.kernel.line}.text() + ": kernel " +
              launch.kernel.name + ", block " + std::to_string(index) + ": byte " +
              std::to_string(offset) + " of shared memory was written; it has " +
              std::to_string(shared.size()) + " bytes";
    return false;
  }
  isClean = true;
  return true;
}

// Here and not in fail, since a fiber's stack is too small to run a tool.
std::string Engine::failure() const {
  SourceLines lines;
  if (failedAt)
    lines = symbolize(static_cast<const char *>(failedAt) - 1);
  return (lines.place.empty() ? failedPlace.text() : lines.place) + message + lines.callers;
}

void Engine::run() {
#ifdef FTC_ON_CPU_ASAN
  const void *bottom;
  size_t bytes;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (!scheduler.bottom) { // the first fiber is entered from the scheduler
    scheduler.bottom = bottom;
    scheduler.bytes = bytes;
  }
#endif
  for (;;) {
    Fiber &fiber = *running;
    current->kernel.run(current->arguments);
    exit(fiber);
    Fiber *next = pick();
    if (!next || next->started) {
      stacks.give(fiber.stack);
      fiber.stack = nullptr;
      transfer(&fiber, next);
      __builtin_trap(); // nobody resumes a thread that has returned
    }
    // A thread that has not begun takes over this stack: no switch at all.
    next->stack = fiber.stack;
    next->started = true;
    running = next;
  }
}

//===----------------------------------------------------------------------===//
// Who runs next
//===----------------------------------------------------------------------===//

Fiber *Engine::pick() {
  if (!readyWarps)
    return nullptr;
  auto choose = [&](uint32_t bits) {
    if (current->order == Order::Forward)
      return lowest(bits);
    if (current->order == Order::Reverse)
      return highest(bits);
    random = random * 6364136223846793005u + 1442695040888963407u;
    unsigned turn = static_cast<unsigned>(random >> 59);
    uint32_t later = bits >> turn << turn;
    return lowest(later ? later : bits);
  };
  unsigned w = choose(readyWarps);
  Warp &warp = warps[w];
  unsigned lane = choose(warp.ready);
  warp.ready &= ~bit(lane);
  if (!warp.ready)
    readyWarps &= ~bit(w);
  return &fibers[w * 32 + lane];
}

void Engine::start(Fiber &fiber) {
  fiber.stack = stacks.take();
  if (!fiber.stack) {
    std::fputs("CudaOnCpu: no memory for the stack of a thread\n", stderr);
    std::abort();
  }
  fiber.stackPointer = prepareStack(*fiber.stack, enterStack);
  fiber.fakeStack = nullptr;
  fiber.started = true;
}

// From a fiber, or from the scheduler where `from` is null, to a fiber or back to the scheduler.
void Engine::transfer(Fiber *from, Fiber *to) {
  if (to && !to->started)
    start(*to);
  running = to;
  void **save = from ? &from->stackPointer : &scheduler.stackPointer;
  void *target = to ? to->stackPointer : scheduler.stackPointer;
#ifdef FTC_ON_CPU_ASAN
  void **fake = from ? &from->fakeStack : &scheduler.fakeStack;
  bool dies = from && !from->stack;
  __sanitizer_start_switch_fiber(dies ? nullptr : fake, to ? to->stack->bottom : scheduler.bottom,
                                 to ? Stack::bytes : scheduler.bytes);
#endif
  ftc_on_cpu_switch(save, target);
#ifdef FTC_ON_CPU_ASAN
  __sanitizer_finish_switch_fiber(*fake, nullptr, nullptr);
#endif
}

void Engine::yield() {
  Fiber *from = running, *next = pick();
  if (next == from)
    return;
  if (!next)
    fail(from->place, "%s", deadlock());
  transfer(from, next);
}

const char *Engine::deadlock() {
  words = "deadlock:";
  const Fiber *last = nullptr;
  unsigned groups = 0;
  for (unsigned i = 0; i < current->threads && groups < 4; ++i) {
    const Fiber &fiber = fibers[i];
    if (warps[fiber.warp].exited & bit(fiber.lane))
      continue;
    if (last && last->operation == fiber.operation && last->place == fiber.place)
      continue;
    words += (groups++ ? "; thread " : " thread ") + std::to_string(i) + " waits in " +
             fiber.operation + " at " + fiber.place.text();
    last = &fiber;
  }
  if (done)
    words += "; " + std::to_string(done) + " threads have returned";
  return words.c_str();
}

const Fiber *Engine::firstExited() const {
  for (unsigned i = 0; i < current->threads; ++i)
    if (warps[i / 32].exited & bit(i % 32))
      return &fibers[i];
  return nullptr;
}

void Engine::exit(Fiber &fiber) {
  Warp &warp = warps[fiber.warp];
  if (!fiber.copies.empty())
    fail(fiber.copies.front().place,
         "the thread returns before this cp.async is done; wait for its group");
  if (waiting)
    fail(barrierFirst->place,
         "barrier divergence: thread %u waits here in __syncthreads and this thread has returned",
         barrierFirst->number());
  if (warp.arrived && warp.mask & bit(fiber.lane))
    fail(warp.place, "warp divergence: %s waits here for this thread, which has returned",
         warp.operation);
  warp.exited |= bit(fiber.lane);
  ++done;
}

void Engine::fail(Place place, const char *format, ...) {
  Fiber *fiber = running;
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  failedPlace = place;
  message = ": kernel ";
  message += current->kernel.name;
  message += ", block ";
  message += std::to_string(block.index.x);
  message += ", thread ";
  message += std::to_string(fiber->number());
  message += ": ";
  message += text;
  transfer(fiber, nullptr);
  __builtin_trap(); // nobody resumes a block that has failed
}

//===----------------------------------------------------------------------===//
// Collectives
//===----------------------------------------------------------------------===//

void Engine::barrier(Place place) {
  Fiber &fiber = *running;
  fiber.place = place;
  fiber.operation = "__syncthreads";
  if (done)
    fail(place, "barrier divergence: thread %u has returned; every thread must reach __syncthreads",
         firstExited()->number());
  if (!waiting)
    barrierFirst = &fiber;
  else if (barrierFirst->place != place)
    fail(place,
         "barrier divergence: thread %u waits at %s:%d; every thread must reach the same "
         "__syncthreads",
         barrierFirst->number(), barrierFirst->place.file, barrierFirst->place.line);
  if (++waiting == current->threads)
    releaseBarrier();
  yield();
}

void Engine::releaseBarrier() {
  waiting = 0;
  ++epoch;
  for (unsigned i = 0; i < (current->threads + 31) / 32; ++i) {
    warps[i].ready = warps[i].live;
    readyWarps |= bit(i);
  }
}

const WarpSlots &Engine::exchange(unsigned mask, const void *value, size_t bytes,
                                  const char *operation, Place place, bool ordersMemory) {
  Fiber &fiber = *running;
  Warp &warp = warps[fiber.warp];
  fiber.place = place;
  fiber.operation = operation;
  if (!(mask & bit(fiber.lane)))
    fail(place, "%s by a lane outside its own mask", operation);
  if (bytes > WarpSlots::bytes)
    fail(place, "%s exchanges more bytes than a slot has", operation);
  mask &= warp.live;
  if (unsigned gone = mask & warp.exited)
    fail(place, "warp divergence: %s names lane %u, which has returned", operation, lowest(gone));
  while (uint32_t late = warp.arrived ? 0 : warp.unread[warp.parity])
    letRead(warp, lowest(late));
  if (!warp.arrived) {
    warp.mask = mask;
    warp.operation = operation;
    warp.place = place;
  } else if (warp.mask != mask || warp.place != place || strcmp(warp.operation, operation)) {
    fail(place, "warp divergence: %s here while thread %u waits in %s at %s:%d%s", operation,
         fiber.warp * 32 + lowest(warp.arrived), warp.operation, warp.place.file, warp.place.line,
         warp.mask != mask ? "; their masks differ" : "");
  }
  unsigned parity = warp.parity;
  WarpSlots &slots = warp.slots[parity];
  if (bytes)
    memcpy(slots.lane[fiber.lane], value, bytes);
  warp.arrived |= bit(fiber.lane);
  if (warp.arrived == warp.mask) {
    warp.arrived = 0;
    warp.unread[warp.parity] = mask;
    warp.parity ^= 1;
    warp.epoch += ordersMemory;
    warp.ready |= mask;
    readyWarps |= bit(fiber.warp);
  }
  yield();
  warp.unread[parity] &= ~bit(fiber.lane);
  return slots;
}

// A lane outside the mask of later exchanges may not have seen yet what these slots hold: its turn.
void Engine::letRead(Warp &warp, unsigned lane) {
  Fiber *from = running;
  warp.ready = (warp.ready & ~bit(lane)) | bit(from->lane);
  readyWarps |= bit(from->warp);
  transfer(from, &fibers[from->warp * 32 + lane]);
}

} // namespace ftc_on_cpu
