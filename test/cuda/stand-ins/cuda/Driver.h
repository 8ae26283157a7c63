//===- Driver.h - the state of the stand-in for libcuda.so.1 ---------------===//
// One device, one primary context, memory of the host; streams are in Work.h.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_STAND_INS_CUDA_DRIVER_H
#define FTC_TEST_CUDA_STAND_INS_CUDA_DRIVER_H

#include "CudaOnCpu.h"
#include "stand-ins/StandIn.h"
#include "stand-ins/Work.h"
#include "stand-ins/cuda/Numbers.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace standin::cuda {

struct Context {
  unsigned references = 0;
};

struct Stream {
  unsigned flags;
};

struct Event {
  bool recorded = false;
  void *stream = nullptr; // where it was recorded, and after how much work
  uint64_t position = 0;
  uint64_t nanoseconds = 0;
};

/// A kernel, taken both as CUkernel and as CUfunction.
struct Function {
  const ftc_on_cpu::Kernel *kernel;
  unsigned maxDynamicShared = 48 * 1024;
};

/// A loaded image, taken both as CUlibrary and as CUmodule.
struct Library {
  void *handle;                                               // dlopen's
  int file;                                                   // of the image
  std::map<std::string, std::unique_ptr<Function>> functions; // found so far
};

/// Device memory that ends at an untouchable page, full of ones (NaN) at first.
struct Allocation {
  void *mapped;
  size_t mappedBytes;
  size_t bytes;
};

struct Device {
  unsigned major, minor;
  unsigned sharedPerBlock; // opt-in
  unsigned multiprocessors;
  size_t memory; // bytes
};

class Driver {
public:
  static Driver &instance();

  /// Takes back one allocation.
  void release(std::map<uintptr_t, Allocation>::iterator allocation);
  /// Everything that belongs to the context goes away.
  void clear();

  std::mutex mutex;
  Device device;
  bool initialized = false;
  int failed = Success; // after a failed launch nothing works but looking up the error
  Context context;
  size_t allocated = 0;
  uint64_t allocations = 0; // ever, for names
  std::map<uintptr_t, Allocation> memory;
  std::map<void *, size_t> hostMemory;
  std::set<Stream *> streams;
  std::set<Event *> events;
  std::set<Library *> libraries;
  std::set<Function *> functions;

private:
  Driver();
};

Context *&currentContext();

/// Held for the whole of a call. Refuses before cuInit; `needsContext` also where no context is
/// current and after a failed launch.
class Call {
public:
  Call(const char *function, bool needsContext = true);

  explicit operator bool() const { return result == Success; }
  /// Success, or why the call may not go on.
  int result;
  Driver &driver;

  int refuse(int code, const std::string &what) const {
    return standin::refuse(function, code, what);
  }
  /// Success, or a refusal where the handle is not alive (the null stream always is).
  int checkStream(void *stream) const;
  /// Waits for a stream, or for all where there is none.
  int finish(void *stream) const;

private:
  const char *function;
  std::unique_lock<std::mutex> lock;
};

} // namespace standin::cuda

#endif // FTC_TEST_CUDA_STAND_INS_CUDA_DRIVER_H
