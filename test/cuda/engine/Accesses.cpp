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
  uintptr_t begin = reinterpret_cast<uintptr_t>(address);
  if (shared.contains(address, bytes)) {
    Finding finding = sharedShadow.access(begin - reinterpret_cast<uintptr_t>(shared.begin()),
                                          bytes, writes, momentOf(fiber, true));
    if (finding.kind)
      report(finding, "shared memory", fiber.place, instruction);
    return;
  }
  if (isLocal(fiber, address) || isOwnMemory(address))
    return;
  if (!mayTouch(fiber, address, bytes)) {
    if (isModuleMemory(address))
      return;
    failedAt = instruction;
    fail(fiber.place, "%s", describeOutside(address, bytes));
  }
  // Several engines at once would need an order among each other.
  if (!current->isAlone || !current->kernel.checked)
    return;
  Finding finding = deviceShadow.access(begin, bytes, writes, momentOf(fiber, false));
  if (!finding.kind)
    return;
  Registry::Range range = Registry::instance().rangeOf(finding.byte);
  finding.byte -= range.begin;
  nameOfMemory = "`" + range.name + "`";
  report(finding, nameOfMemory.c_str(), fiber.place, instruction);
}

Moment Engine::momentOf(const Fiber &fiber, bool ofShared) const {
  return {fiber.number(), epoch, warps[fiber.warp].epoch, blockStart,
          ofShared ? blockStart : launchStart};
}

void Engine::report(const Finding &finding, const char *memory, Place place,
                    const void *instruction) {
  failedAt = instruction;
  if (finding.kind == Finding::Unwritten)
    fail(place, "reads byte %zu of %s, which nobody has written", finding.byte, memory);
  if (finding.kind == Finding::InFlight)
    fail(place,
         "touches byte %zu of %s, where a cp.async of thread %u is in flight; wait for its group, "
         "then __syncthreads",
         finding.byte, memory, finding.other);
  const char *now = finding.kind == Finding::ReadAfterWrite ? "reads" : "writes";
  const char *earlier = finding.kind == Finding::WriteAfterRead ? "read" : "written";
  if (finding.otherBlock)
    fail(place, "race: %s byte %zu of %s, which another block of this launch has %s", now,
         finding.byte, memory, earlier);
  fail(place, "race: %s byte %zu of %s, which thread %u%s has %s; no barrier lies between", now,
       finding.byte, memory, finding.other,
       finding.kind == Finding::WriteAfterRead ? " (perhaps with others)" : "", earlier);
}

void Engine::noteCopy(Fiber &fiber, const PendingCopy &copy, bool done) {
  if (!current->kernel.checked)
    return;
  size_t offset = static_cast<size_t>(static_cast<unsigned char *>(copy.to) - shared.begin());
  Moment now = momentOf(fiber, true);
  if (done)
    sharedShadow.complete(offset, copy.bytes, now);
  else if (Finding finding = sharedShadow.issue(offset, copy.bytes, now); finding.kind)
    report(finding, "shared memory", copy.place, nullptr);
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
