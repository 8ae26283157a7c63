//===- Memory.cpp - the stand-in for libcuda.so.1: memory ------------------===//
// Device memory is host memory that is registered with the engine; copies check every byte of it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "stand-ins/cuda/Driver.h"

#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace standin::cuda {

void Driver::release(std::map<uintptr_t, Allocation>::iterator allocation) {
  ftc_on_cpu::unregisterRange(reinterpret_cast<const void *>(allocation->first));
  munmap(allocation->second.mapped, allocation->second.mappedBytes);
  allocated -= allocation->second.bytes;
  memory.erase(allocation);
}

void Driver::clear() {
  failed = Success;
  Work::instance().clear();
  while (!memory.empty())
    release(memory.begin());
  for (Stream *stream : streams)
    delete stream;
  streams.clear();
  for (Event *event : events)
    delete event;
  events.clear();
}

} // namespace standin::cuda

using namespace standin;
using namespace standin::cuda;

namespace {

constexpr size_t alignment = 256, pageBytes = 4096;

size_t roundUp(size_t bytes, size_t multiple) {
  return (bytes + multiple - 1) / multiple * multiple;
}

void *pointer(uint64_t address) { return reinterpret_cast<void *>(address); }

std::string hexText(uint64_t address) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "0x%llx", static_cast<unsigned long long>(address));
  return digits;
}

bool allocate(Driver &driver, size_t bytes, uint64_t &address) {
  size_t body = roundUp(bytes, pageBytes);
  void *mapped = mmap(nullptr, body + pageBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    return false;
  char *end = static_cast<char *>(mapped) + body;
  mprotect(end, pageBytes, PROT_NONE);
  char *begin = end - roundUp(bytes, alignment);
  std::memset(begin, 0xff, static_cast<size_t>(end - begin));
  address = reinterpret_cast<uintptr_t>(begin);
  driver.memory[address] = {mapped, body + pageBytes, bytes};
  driver.allocated += bytes;
  std::string name = "allocation " + std::to_string(++driver.allocations);
  ftc_on_cpu::registerRange(begin, bytes, name.c_str());
  return true;
}

/// Success, or a refusal unless the bytes are in one allocation.
int checkDevice(const Call &call, uint64_t address, size_t bytes) {
  auto after = call.driver.memory.upper_bound(address);
  if (after != call.driver.memory.begin()) {
    auto at = std::prev(after);
    size_t offset = address - at->first;
    if (offset <= at->second.bytes && bytes <= at->second.bytes - offset)
      return Success;
    if (offset < at->second.bytes)
      return call.refuse(InvalidValue, std::to_string(bytes) + " bytes at offset " +
                                           std::to_string(offset) + " of an allocation of " +
                                           std::to_string(at->second.bytes));
  }
  return call.refuse(InvalidValue, hexText(address) + " is no device memory, or no more");
}

/// Success, or a refusal where the address is device memory or null.
int checkHost(const Call &call, const void *address, size_t bytes) {
  if (!address && bytes)
    return call.refuse(InvalidValue, "a null pointer");
  if (bytes && ftc_on_cpu::isRegistered(address, 1))
    return call.refuse(InvalidValue, "the host's side of the copy is device memory");
  return Success;
}

bool isPinned(const Call &call, const void *address) {
  auto after = call.driver.hostMemory.upper_bound(const_cast<void *>(address));
  if (after == call.driver.hostMemory.begin())
    return false;
  auto at = std::prev(after);
  return static_cast<const char *>(address) < static_cast<const char *>(at->first) + at->second;
}

int toDevice(const char *function, uint64_t to, const void *from, size_t bytes, void *stream) {
  Call call(function);
  if (!call)
    return call.result;
  for (int result :
       {call.checkStream(stream), checkDevice(call, to, bytes), checkHost(call, from, bytes)})
    if (result)
      return result;
  Work &work = Work::instance();
  if (!bytes || isPinned(call, from) || !work.isLazy())
    return work.enqueue(stream, [=] {
      std::memcpy(pointer(to), from, bytes);
      return int(Success);
    });
  // Pageable memory may be used again as soon as the call returns.
  auto first = static_cast<const char *>(from);
  std::vector<char> staged(first, first + bytes);
  return work.enqueue(stream, [=] {
    std::memcpy(pointer(to), staged.data(), bytes);
    return int(Success);
  });
}

int toHost(const char *function, void *to, uint64_t from, size_t bytes, void *stream) {
  Call call(function);
  if (!call)
    return call.result;
  for (int result :
       {call.checkStream(stream), checkDevice(call, from, bytes), checkHost(call, to, bytes)})
    if (result)
      return result;
  bool isLate = isPinned(call, to);
  int result = Work::instance().enqueue(stream, [=] {
    std::memcpy(to, pointer(from), bytes);
    return int(Success);
  });
  // Into pageable memory the driver copies before it returns.
  return result || isLate ? result : call.finish(stream);
}

int onDevice(const char *function, uint64_t to, uint64_t from, size_t bytes, void *stream) {
  Call call(function);
  if (!call)
    return call.result;
  for (int result :
       {call.checkStream(stream), checkDevice(call, from, bytes), checkDevice(call, to, bytes)})
    if (result)
      return result;
  if (to < from + bytes && from < to + bytes && bytes)
    return call.refuse(InvalidValue, "the two sides of the copy overlap");
  return Work::instance().enqueue(stream, [=] {
    std::memcpy(pointer(to), pointer(from), bytes);
    return int(Success);
  });
}

template <typename T>
int fill(const char *function, uint64_t to, T value, size_t count, void *stream) {
  Call call(function);
  if (!call)
    return call.result;
  if (to % sizeof(T))
    return call.refuse(InvalidValue, hexText(to) + " is misaligned");
  for (int result : {call.checkStream(stream), checkDevice(call, to, count * sizeof(T))})
    if (result)
      return result;
  return Work::instance().enqueue(stream, [=] {
    T *first = static_cast<T *>(pointer(to));
    for (size_t i = 0; i < count; ++i)
      first[i] = value;
    return int(Success);
  });
}

} // namespace

STAND_IN int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  Call call("cuMemAlloc_v2");
  if (!call)
    return call.result;
  if (!address || !bytes)
    return call.refuse(InvalidValue, "an allocation of no bytes, or a null pointer");
  Driver &driver = call.driver;
  if (bytes > driver.device.memory - driver.allocated || !allocate(driver, bytes, *address))
    return OutOfMemory; // no mistake of the caller
  return Success;
}

STAND_IN int cuMemFree_v2(uint64_t address) {
  Call call("cuMemFree_v2");
  if (!call || !address)
    return call.result;
  auto at = call.driver.memory.find(address);
  if (at == call.driver.memory.end())
    return call.refuse(InvalidValue, hexText(address) + " is no allocation, or freed already");
  int result = call.finish(nullptr);
  call.driver.release(at);
  return result;
}

STAND_IN int cuMemGetInfo_v2(size_t *free, size_t *total) {
  Call call("cuMemGetInfo_v2");
  if (!call)
    return call.result;
  if (!free || !total)
    return call.refuse(InvalidValue, "a null pointer");
  *total = call.driver.device.memory;
  *free = *total - call.driver.allocated;
  return Success;
}

STAND_IN int cuMemHostAlloc(void **address, size_t bytes, unsigned flags) {
  Call call("cuMemHostAlloc");
  if (!call)
    return call.result;
  if (!address || !bytes || flags & ~7u)
    return call.refuse(InvalidValue, "an allocation of no bytes, a null pointer or unknown flags");
  *address = std::aligned_alloc(pageBytes, roundUp(bytes, pageBytes));
  if (!*address)
    return OutOfMemory;
  call.driver.hostMemory[*address] = bytes;
  return Success;
}

STAND_IN int cuMemFreeHost(void *address) {
  Call call("cuMemFreeHost");
  if (!call)
    return call.result;
  if (!call.driver.hostMemory.count(address))
    return call.refuse(InvalidValue, "no memory of cuMemHostAlloc, or freed already");
  int result = call.finish(nullptr);
  call.driver.hostMemory.erase(address);
  std::free(address);
  return result;
}

STAND_IN int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
  return toDevice("cuMemcpyHtoD_v2", to, from, bytes, nullptr);
}
STAND_IN int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  return toDevice("cuMemcpyHtoDAsync_v2", to, from, bytes, stream);
}
STAND_IN int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
  return toHost("cuMemcpyDtoH_v2", to, from, bytes, nullptr);
}
STAND_IN int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  return toHost("cuMemcpyDtoHAsync_v2", to, from, bytes, stream);
}
STAND_IN int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) {
  return onDevice("cuMemcpyDtoD_v2", to, from, bytes, nullptr);
}
STAND_IN int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
  return onDevice("cuMemcpyDtoDAsync_v2", to, from, bytes, stream);
}

STAND_IN int cuMemsetD8_v2(uint64_t to, unsigned char value, size_t count) {
  return fill("cuMemsetD8_v2", to, value, count, nullptr);
}
STAND_IN int cuMemsetD8Async(uint64_t to, unsigned char value, size_t count, void *stream) {
  return fill("cuMemsetD8Async", to, value, count, stream);
}
STAND_IN int cuMemsetD32_v2(uint64_t to, unsigned value, size_t count) {
  return fill("cuMemsetD32_v2", to, value, count, nullptr);
}
STAND_IN int cuMemsetD32Async(uint64_t to, unsigned value, size_t count, void *stream) {
  return fill("cuMemsetD32Async", to, value, count, stream);
}
