//===- Device.cpp - what device code calls ---------------------------------===//
// The checks and primitives of CudaOnCpu.h, on the fiber that runs.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Engine.h"
#include "engine/Registry.h"

#include <cstdio>
#include <cstdlib>

#ifdef FTC_ON_CPU_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace ftc_on_cpu {

namespace {

[[noreturn]] void outside(const char *what) {
  std::fprintf(stderr, "CudaOnCpu: %s outside a kernel\n", what);
  std::abort();
}

Fiber &fiberFor(const char *what) {
  Fiber *fiber = currentFiber();
  if (!fiber)
    outside(what);
  return *fiber;
}

/// The engine of the fiber that made a mistake; without one the program ends.
Engine &engineFor(const char *mistake) {
  Fiber *fiber = currentFiber();
  if (!fiber)
    outside(mistake);
  return *fiber->engine;
}

} // namespace

const Thread &self() { return fiberFor("threadIdx, blockIdx, blockDim, gridDim or FTC_SHARED"); }

void fail(const char *message, const char *file, int line) {
  engineFor(message).fail({file, line}, "%s", message);
}

void misaligned(const void *address, size_t bytes, const char *file, int line) {
  engineFor("a misaligned access")
      .fail({file, line}, "misaligned access: the address is %zu bytes beyond a multiple of %zu",
            reinterpret_cast<uintptr_t>(address) % bytes, bytes);
}

void checkRange(const void *address, size_t bytes, const char *file, int line) {
  Fiber &fiber = fiberFor("checkRange");
  Engine &engine = *fiber.engine;
  if (!engine.mayTouch(fiber, address, bytes))
    engine.fail({file, line}, "%s", engine.describeOutside(address, bytes));
}

void blockBarrier(const char *file, int line) {
  fiberFor("__syncthreads").engine->barrier({file, line});
}

const WarpSlots &warpExchange(unsigned mask, const void *value, size_t bytes, const char *operation,
                              const char *file, int line, bool ordersMemory) {
  return fiberFor(operation).engine->exchange(mask, value, bytes, operation, {file, line},
                                              ordersMemory);
}

void copyAsync(void *shared, const void *global, unsigned bytes, bool valid, const char *file,
               int line) {
  Fiber &fiber = fiberFor("cp.async");
  if (bytes != 4 && bytes != 8 && bytes != 16)
    fiber.engine->fail({file, line}, "cp.async of %u bytes; it copies 4, 8 or 16", bytes);
  checkAligned(shared, bytes, file, line);
  if (!fiber.engine->sharedMemory().contains(shared, bytes))
    fail("cp.async to an address outside the block's shared memory", file, line);
  if (valid) {
    checkAligned(global, bytes, file, line);
    checkRange(global, bytes, file, line);
  }
  fiber.copies.push_back({shared, valid ? global : nullptr, bytes, fiber.group, {file, line}});
  fiber.engine->noteCopy(fiber, fiber.copies.back(), false);
}

void commitAsync() { ++fiberFor("cp.async.commit_group").group; }

void waitAsync(unsigned pending) {
  Fiber &fiber = fiberFor("cp.async.wait_group");
  size_t kept = 0;
  for (const PendingCopy &copy : fiber.copies) {
    if (copy.group + pending >= fiber.group) {
      fiber.copies[kept++] = copy;
      continue;
    }
    if (copy.from)
      memcpy(copy.to, copy.from, copy.bytes);
    else
      memset(copy.to, 0, copy.bytes);
    fiber.engine->noteCopy(fiber, copy, true);
  }
  fiber.copies.resize(kept);
}

void registerRange(const void *address, size_t bytes, const char *name) {
  Registry::instance().add(reinterpret_cast<uintptr_t>(address), bytes, name);
}

void unregisterRange(const void *address) {
  Registry::instance().remove(reinterpret_cast<uintptr_t>(address));
}

bool isRegistered(const void *address, size_t bytes) {
  Registry::Span span;
  return Registry::instance().find(reinterpret_cast<uintptr_t>(address), bytes, span);
}

//===----------------------------------------------------------------------===//
// What a thread may touch
//===----------------------------------------------------------------------===//

bool Engine::isLocal(const Fiber &fiber, const void *address) {
#ifdef FTC_ON_CPU_ASAN
  // Where it keeps the variables that it watches.
  void *watched = __asan_get_current_fake_stack();
  if (watched &&
      __asan_addr_is_in_fake_stack(watched, const_cast<void *>(address), nullptr, nullptr))
    return true;
#endif
  const char *byte = static_cast<const char *>(address);
  return byte >= fiber.stack->bottom && byte < fiber.stack->bottom + Stack::bytes;
}

bool Engine::mayTouch(const Fiber &fiber, const void *address, size_t bytes) {
  const Registry &registry = Registry::instance();
  uintptr_t begin = reinterpret_cast<uintptr_t>(address);
  if (recentGeneration == registry.generation())
    for (const Registry::Span &span : recent)
      if (span.contains(begin, bytes))
        return true;
  if (shared.contains(address, bytes) || isLocal(fiber, address))
    return true;
  if (shared.isAround(address))
    return false;
  if (registry.isEmpty())
    return true;
  if (uint64_t generation = registry.generation(); generation != recentGeneration) {
    recentGeneration = generation;
    for (Registry::Span &span : recent)
      span = {};
  }
  Registry::Span &slot = recent[recentNext++ % (sizeof recent / sizeof recent[0])];
  return registry.find(begin, bytes, slot);
}

const char *Engine::describeOutside(const void *address, size_t bytes) {
  words = "access ";
  if (bytes)
    words += "to " + std::to_string(bytes) + (bytes == 1 ? " byte " : " bytes ");
  if (shared.isAround(address))
    words += "at offset " +
             std::to_string(static_cast<const unsigned char *>(address) - shared.begin()) +
             " of shared memory, which has " + std::to_string(shared.size()) + " bytes";
  else
    words += "at " + Registry::instance().describe(reinterpret_cast<uintptr_t>(address));
  return words.c_str();
}

} // namespace ftc_on_cpu
