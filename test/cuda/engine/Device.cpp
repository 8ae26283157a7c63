//===- Device.cpp - what device code calls ---------------------------------===//
// The checks and primitives of CudaOnCpu.h, on the fiber that runs.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Engine.h"
#include "engine/Registry.h"

#include <cstdio>
#include <cstdlib>

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

[[noreturn]] void failAt(const char *file, int line, const std::string &what) {
  Fiber *fiber = currentFiber();
  if (!fiber)
    outside(what.c_str());
  fiber->engine->fail({file, line}, what);
}

std::string bytesText(size_t bytes) {
  return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
}

} // namespace

const Thread &self() { return fiberFor("threadIdx, blockIdx, blockDim, gridDim or FTC_SHARED"); }

void fail(const char *message, const char *file, int line) { failAt(file, line, message); }

void misaligned(const void *address, size_t bytes, const char *file, int line) {
  failAt(file, line,
         "misaligned access: the address is " +
             bytesText(reinterpret_cast<uintptr_t>(address) % bytes) + " beyond a multiple of " +
             std::to_string(bytes));
}

void checkRange(const void *address, size_t bytes, const char *file, int line) {
  Fiber &fiber = fiberFor("checkRange");
  Engine &engine = *fiber.engine;
  if (!engine.mayTouch(fiber, address, bytes))
    failAt(file, line, engine.describeOutside(address, bytes));
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
    failAt(file, line, "cp.async of " + bytesText(bytes) + "; it copies 4, 8 or 16");
  checkAligned(shared, bytes, file, line);
  if (!fiber.engine->sharedMemory().contains(shared, bytes))
    failAt(file, line, "cp.async to an address outside the block's shared memory");
  if (valid) {
    checkAligned(global, bytes, file, line);
    checkRange(global, bytes, file, line);
  }
  fiber.copies.push_back({shared, valid ? global : nullptr, bytes, fiber.group, {file, line}});
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
  Registry::Range range;
  return Registry::instance().find(reinterpret_cast<uintptr_t>(address), bytes, range);
}

//===----------------------------------------------------------------------===//
// What a thread may touch
//===----------------------------------------------------------------------===//

bool Engine::mayTouch(const Fiber &fiber, const void *address, size_t bytes) {
  if (lastRange.contains(reinterpret_cast<uintptr_t>(address), bytes) &&
      lastGeneration == Registry::instance().generation())
    return true;
  if (shared.contains(address, bytes))
    return true;
  const char *byte = static_cast<const char *>(address);
  if (byte >= fiber.stack->bottom && byte < fiber.stack->bottom + Stack::bytes)
    return true;
  if (shared.isAround(address))
    return false;
  const Registry &registry = Registry::instance();
  if (registry.isEmpty())
    return true;
  uint64_t generation = registry.generation();
  if (!registry.find(reinterpret_cast<uintptr_t>(address), bytes, lastRange)) {
    lastRange = {};
    return false;
  }
  lastGeneration = generation;
  return true;
}

std::string Engine::describeOutside(const void *address, size_t bytes) const {
  std::string text = bytes ? "access to " + bytesText(bytes) + " " : "access ";
  if (shared.isAround(address))
    return text + "at offset " +
           std::to_string(static_cast<const unsigned char *>(address) - shared.begin()) +
           " of shared memory, which has " + bytesText(shared.size());
  return text + "at " + Registry::instance().describe(reinterpret_cast<uintptr_t>(address));
}

} // namespace ftc_on_cpu
