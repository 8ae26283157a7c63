//===- Device.cpp - the stand-in for libcuda.so.1: device, context ---------===//
// One device of the architecture FTC_STANDIN_ARCH (90), and its primary context.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "stand-ins/cuda/Driver.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace standin::cuda {

namespace {

constexpr int driverVersion = 13000;

size_t number(const char *variable, size_t standard) {
  const char *text = std::getenv(variable);
  if (!text)
    return standard;
  char *end;
  size_t value = std::strtoull(text, &end, 10);
  if (end == text || *end) {
    refuse(variable, 0, std::string("not a number: ") + text);
    std::exit(2);
  }
  return value;
}

Device deviceOf(unsigned arch) {
  Device device;
  device.major = arch / 10;
  device.minor = arch % 10;
  bool large = arch == 90 || arch == 100 || arch == 103;
  device.sharedPerBlock = (large ? 227 : arch == 80 || arch == 87 ? 163 : 99) * 1024;
  device.multiprocessors = arch == 90 ? 132 : 108;
  device.memory = number("FTC_STANDIN_MEMORY", size_t(8) << 30);
  return device;
}

} // namespace

Driver::Driver() : device(deviceOf(static_cast<unsigned>(number("FTC_STANDIN_ARCH", 90)))) {}

Driver &Driver::instance() {
  static Driver *driver = new Driver; // never destroyed: callers clean up at any time
  return *driver;
}

Context *&currentContext() {
  static thread_local Context *context = nullptr;
  return context;
}

Call::Call(const char *function, bool needsContext)
    : result(Success), driver(Driver::instance()), function(function), lock(driver.mutex) {
  if (!driver.initialized)
    result = refuse(NotInitialized, "before cuInit");
  else if (needsContext && !currentContext())
    result = refuse(InvalidContext, "no context is current on this thread; call cuCtxSetCurrent");
  else if (needsContext && driver.failed)
    result = refuse(driver.failed, "an earlier launch has failed, so the context is of no use");
}

int Call::checkStream(void *stream) const {
  if (!stream || driver.streams.count(static_cast<Stream *>(stream)))
    return Success;
  return refuse(InvalidHandle, "no such stream");
}

int Call::finish(void *stream) const {
  Work &work = Work::instance();
  return stream ? work.finish(stream) : work.finishAll();
}

} // namespace standin::cuda

using namespace standin;
using namespace standin::cuda;

STAND_IN int cuInit(unsigned flags) {
  Driver &driver = Driver::instance();
  if (flags)
    return refuse("cuInit", InvalidValue, "flags other than 0");
  std::lock_guard<std::mutex> lock(driver.mutex);
  driver.initialized = true;
  return Success;
}

STAND_IN int cuDriverGetVersion(int *version) {
  if (!version)
    return refuse("cuDriverGetVersion", InvalidValue, "a null pointer");
  *version = driverVersion;
  return Success;
}

STAND_IN int cuDeviceGetCount(int *count) {
  Call call("cuDeviceGetCount", false);
  if (!call)
    return call.result;
  if (!count)
    return call.refuse(InvalidValue, "a null pointer");
  *count = 1;
  return Success;
}

STAND_IN int cuDeviceGet(int *device, int ordinal) {
  Call call("cuDeviceGet", false);
  if (!call)
    return call.result;
  if (ordinal != 0 || !device)
    return call.refuse(InvalidDevice, "there is device 0 only");
  *device = 0;
  return Success;
}

STAND_IN int cuDeviceGetName(char *name, int length, int device) {
  Call call("cuDeviceGetName", false);
  if (!call)
    return call.result;
  if (device != 0)
    return call.refuse(InvalidDevice, "there is device 0 only");
  if (!name || length <= 0)
    return call.refuse(InvalidValue, "nowhere to write the name");
  std::snprintf(name, static_cast<size_t>(length), "CUDA on the CPU, sm_%u%u",
                call.driver.device.major, call.driver.device.minor);
  return Success;
}

STAND_IN int cuDeviceTotalMem_v2(size_t *bytes, int device) {
  Call call("cuDeviceTotalMem_v2", false);
  if (!call)
    return call.result;
  if (device != 0 || !bytes)
    return call.refuse(InvalidDevice, "there is device 0 only");
  *bytes = call.driver.device.memory;
  return Success;
}

STAND_IN int cuDeviceGetAttribute(int *value, int attribute, int device) {
  Call call("cuDeviceGetAttribute", false);
  if (!call)
    return call.result;
  if (device != 0)
    return call.refuse(InvalidDevice, "there is device 0 only");
  const Device &properties = call.driver.device;
  const std::pair<DeviceAttribute, unsigned> attributes[] = {
      {MaxThreadsPerBlock, 1024},
      {MaxBlockDimX, 1024},
      {MaxGridDimX, 0x7fffffff},
      {MaxSharedMemoryPerBlock, 48 * 1024},
      {WarpSize, 32},
      {MaxRegistersPerBlock, 65536},
      {MultiprocessorCount, properties.multiprocessors},
      {L2CacheSize, 50 << 20},
      {MaxThreadsPerMultiprocessor, 2048},
      {UnifiedAddressing, 1},
      {ComputeCapabilityMajor, properties.major},
      {ComputeCapabilityMinor, properties.minor},
      {MaxSharedMemoryPerBlockOptin, properties.sharedPerBlock},
      {ReservedSharedMemoryPerBlock, 1024},
  };
  for (const auto &known : attributes)
    if (value && known.first == attribute) {
      *value = static_cast<int>(known.second);
      return Success;
    }
  return call.refuse(InvalidValue, "attribute " + std::to_string(attribute) +
                                       ", which the stand-in does not know");
}

STAND_IN int cuDevicePrimaryCtxRetain(void **context, int device) {
  Call call("cuDevicePrimaryCtxRetain", false);
  if (!call)
    return call.result;
  if (device != 0 || !context)
    return call.refuse(InvalidDevice, "there is device 0 only");
  ++call.driver.context.references;
  *context = &call.driver.context;
  return Success;
}

STAND_IN int cuDevicePrimaryCtxRelease_v2(int device) {
  Call call("cuDevicePrimaryCtxRelease_v2", false);
  if (!call)
    return call.result;
  Driver &driver = call.driver;
  if (device != 0)
    return call.refuse(InvalidDevice, "there is device 0 only");
  if (!driver.context.references)
    return call.refuse(InvalidContext, "released more often than retained");
  if (--driver.context.references)
    return Success;
  if (!driver.memory.empty() || !driver.streams.empty() || !driver.events.empty())
    call.refuse(Success, "the context goes away with " + std::to_string(driver.memory.size()) +
                             " allocations, " + std::to_string(driver.streams.size()) +
                             " streams and " + std::to_string(driver.events.size()) +
                             " events that nobody has freed");
  driver.clear();
  return Success;
}

STAND_IN int cuCtxSetCurrent(void *context) {
  Call call("cuCtxSetCurrent", false);
  if (!call)
    return call.result;
  if (context && (context != &call.driver.context || !call.driver.context.references))
    return call.refuse(InvalidContext, "no such context; retain the primary one");
  currentContext() = static_cast<Context *>(context);
  return Success;
}

STAND_IN int cuCtxGetCurrent(void **context) {
  Call call("cuCtxGetCurrent", false);
  if (!call)
    return call.result;
  if (!context)
    return call.refuse(InvalidValue, "a null pointer");
  *context = currentContext();
  return Success;
}

STAND_IN int cuCtxGetDevice(int *device) {
  Call call("cuCtxGetDevice");
  if (!call)
    return call.result;
  if (!device)
    return call.refuse(InvalidValue, "a null pointer");
  *device = 0;
  return Success;
}

STAND_IN int cuCtxSynchronize() {
  Call call("cuCtxSynchronize");
  return call ? call.finish(nullptr) : call.result;
}

STAND_IN int cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags,
                                 int *status) {
  if (!symbol || !function)
    return refuse("cuGetProcAddress_v2", InvalidValue, "a null pointer");
  Dl_info self;
  void *library = nullptr;
  if (dladdr(reinterpret_cast<void *>(&cuInit), &self))
    library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  *function = library ? dlsym(library, (std::string(symbol) + "_v2").c_str()) : nullptr;
  if (library && !*function)
    *function = dlsym(library, symbol);
  if (library)
    dlclose(library);
  if (status)
    *status = *function ? 0 : 1; // CU_GET_PROC_ADDRESS_SUCCESS, _SYMBOL_NOT_FOUND
  if (*function)
    return Success;
  return refuse("cuGetProcAddress_v2", NotFound,
                std::string(symbol) + ", which the stand-in does not have");
}
