//===- Accesses.cpp - every load and store of checked device code ----------===//
// Clang's kernel-address instrumentation calls these; FTCCudaChecks.cmake has the flags.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Engine.h"

#include <cstring>
#include <link.h>

namespace ftc_on_cpu {

namespace {

struct ModuleSearch {
  uintptr_t address;
  Registry::Span found;
};

int findSegment(dl_phdr_info *info, size_t, void *argument) {
  auto *search = static_cast<ModuleSearch *>(argument);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) &segment = info->dlpi_phdr[i];
    Registry::Span span{info->dlpi_addr + segment.p_vaddr, segment.p_memsz};
    if (segment.p_type == PT_LOAD && span.contains(search->address, 1)) {
      search->found = span;
      return 1;
    }
  }
  return 0;
}

void checkAccess(const void *address, size_t bytes, bool writes, const void *instruction) {
  if (Fiber *fiber = currentFiber())
    if (bytes)
      fiber->engine->access(*fiber, address, bytes, writes, instruction);
}

} // namespace

void Engine::access(Fiber &fiber, const void *address, size_t bytes, bool writes,
                    const void *instruction) {
  if (shared.contains(address, bytes)) {
    size_t offset =
        static_cast<size_t>(static_cast<const unsigned char *>(address) - shared.begin());
    Moment now = momentOf(fiber);
    Finding finding = writes ? shadow.write(offset, bytes, now) : shadow.read(offset, bytes, now);
    if (finding.kind)
      report(finding, fiber.place, instruction);
    return;
  }
  // The cheap ones first.
  if (isLocal(fiber, address) || isOwnMemory(address) || mayTouch(fiber, address, bytes) ||
      isModuleMemory(address))
    return;
  failedAt = instruction;
  fail(fiber.place, "%s", describeOutside(address, bytes));
}

Moment Engine::momentOf(const Fiber &fiber) const {
  return {fiber.number(), epoch, warps[fiber.warp].epoch};
}

void Engine::report(const Finding &finding, Place place, const void *instruction) {
  failedAt = instruction;
  size_t byte = finding.byte;
  switch (finding.kind) {
  case Finding::None:
    return;
  case Finding::Unwritten:
    fail(place, "reads byte %zu of shared memory, which nobody has written", byte);
  case Finding::InFlight:
    fail(place,
         "touches byte %zu of shared memory, where a cp.async of thread %u is in flight; wait for "
         "its group, then __syncthreads",
         byte, finding.other);
  case Finding::ReadAfterWrite:
    fail(place,
         "race: reads byte %zu of shared memory, which thread %u has written; no barrier lies "
         "between",
         byte, finding.other);
  case Finding::WriteAfterRead:
    fail(place,
         "race: writes byte %zu of shared memory, which thread %u and perhaps others have read; no "
         "barrier lies between",
         byte, finding.other);
  case Finding::WriteAfterWrite:
    fail(place,
         "race: writes byte %zu of shared memory, which thread %u has written; no barrier lies "
         "between",
         byte, finding.other);
  }
}

void Engine::noteCopy(Fiber &fiber, const PendingCopy &copy, bool done) {
  if (!current->kernel.checked)
    return;
  size_t offset = static_cast<size_t>(static_cast<unsigned char *>(copy.to) - shared.begin());
  Moment now = momentOf(fiber);
  if (done)
    shadow.complete(offset, copy.bytes, now);
  else if (Finding finding = shadow.issue(offset, copy.bytes, now); finding.kind)
    report(finding, copy.place, nullptr);
}

// threadIdx and what a warp has exchanged are read in place.
bool Engine::isOwnMemory(const void *address) const {
  auto in = [address](const void *begin, size_t bytes) {
    return address >= begin && address < static_cast<const char *>(begin) + bytes;
  };
  return in(this, sizeof *this) || in(fibers.data(), fibers.size() * sizeof(Fiber)) ||
         in(warps.data(), warps.size() * sizeof(Warp));
}

// Constants of the code itself.
bool Engine::isModuleMemory(const void *address) {
  ModuleSearch search{reinterpret_cast<uintptr_t>(address), {}};
  if (lastSegment.contains(search.address, 1))
    return true;
  dl_iterate_phdr(findSegment, &search);
  lastSegment = search.found;
  return lastSegment.bytes;
}

} // namespace ftc_on_cpu

//===----------------------------------------------------------------------===//
// The names that the compiler calls
//===----------------------------------------------------------------------===//

using ftc_on_cpu::checkAccess;

// Before the access, so that the next instruction is the caller's.
#define FTC_CHECKED_SIZE(bytes)                                                                    \
  extern "C" void ftc_check_load##bytes##_noabort(const void *address) {                           \
    checkAccess(address, bytes, false, __builtin_return_address(0));                               \
  }                                                                                                \
  extern "C" void ftc_check_store##bytes##_noabort(const void *address) {                          \
    checkAccess(address, bytes, true, __builtin_return_address(0));                                \
  }
FTC_CHECKED_SIZE(1)
FTC_CHECKED_SIZE(2)
FTC_CHECKED_SIZE(4)
FTC_CHECKED_SIZE(8)
FTC_CHECKED_SIZE(16)
#undef FTC_CHECKED_SIZE

extern "C" void ftc_check_loadN_noabort(const void *address, size_t bytes) {
  checkAccess(address, bytes, false, __builtin_return_address(0));
}
extern "C" void ftc_check_storeN_noabort(const void *address, size_t bytes) {
  checkAccess(address, bytes, true, __builtin_return_address(0));
}
extern "C" void *ftc_check_memcpy(void *to, const void *from, size_t bytes) {
  checkAccess(from, bytes, false, __builtin_return_address(0));
  checkAccess(to, bytes, true, __builtin_return_address(0));
  return std::memcpy(to, from, bytes);
}
extern "C" void *ftc_check_memmove(void *to, const void *from, size_t bytes) {
  checkAccess(from, bytes, false, __builtin_return_address(0));
  checkAccess(to, bytes, true, __builtin_return_address(0));
  return std::memmove(to, from, bytes);
}
extern "C" void *ftc_check_memset(void *to, int value, size_t bytes) {
  checkAccess(to, bytes, true, __builtin_return_address(0));
  return std::memset(to, value, bytes);
}

#ifndef FTC_ON_CPU_ASAN
// Called before functions that do not return; AddressSanitizer has its own.
extern "C" void __asan_handle_no_return() {}
#endif
