//===- Code.cpp - the stand-in for libcuda.so.1: code and launches ---------===//
// An image is what the stand-in for NVRTC made: a shared object with kernels for CudaOnCpu.h.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "stand-ins/cuda/Driver.h"

#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace standin;
using namespace standin::cuda;

namespace {

/// Bytes of an ELF image of this machine, whose section headers come last; 0: something else.
size_t imageBytes(const void *code) {
  Elf64_Ehdr header;
  std::memcpy(&header, code, EI_NIDENT);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64)
    return 0;
  std::memcpy(&header, code, sizeof header);
  if (header.e_machine != EM_X86_64 || header.e_type != ET_DYN)
    return 0;
  return header.e_shoff + size_t(header.e_shnum) * header.e_shentsize;
}

/// dlopen's handle, or null with the reason. `file` is open as long as the image is loaded.
void *openImage(const void *code, size_t bytes, int &file, std::string &reason) {
  file = memfd_create("ftc-stand-in-kernels", MFD_CLOEXEC);
  if (file < 0) {
    reason = "memfd_create fails";
    return nullptr;
  }
  void *handle = nullptr;
  const char *next = static_cast<const char *>(code);
  for (size_t left = bytes; left;) {
    ssize_t written = write(file, next, left);
    if (written <= 0) {
      reason = "no memory for the image";
      close(file);
      return nullptr;
    }
    next += written;
    left -= static_cast<size_t>(written);
  }
  // A name that is good in other processes: a tool may look up source lines.
  std::string path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file);
  handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    reason = dlerror();
    close(file);
  }
  return handle;
}

// Libraries belong to no context, modules to the current one.
int loadImage(const char *function, void **out, const void *code, bool needsContext) {
  Call call(function, needsContext);
  if (!call)
    return call.result;
  if (!out || !code)
    return call.refuse(InvalidValue, "a null pointer");
  size_t bytes = imageBytes(code);
  if (!bytes)
    return call.refuse(InvalidImage, "not an image of the stand-in for NVRTC; real cubins and PTX "
                                     "need a GPU");
  std::string reason;
  int file;
  void *handle = openImage(code, bytes, file, reason);
  if (!handle)
    return call.refuse(InvalidImage, reason);
  const auto *arch = static_cast<const int *>(dlsym(handle, "ftc_standin_arch"));
  const Device &device = call.driver.device;
  // A cubin runs on its own major version, from its minor version on.
  if (!arch || *arch / 10 != static_cast<int>(device.major) ||
      *arch % 10 > static_cast<int>(device.minor)) {
    int code =
        call.refuse(NoBinaryForGpu, "the image is for sm_" + (arch ? std::to_string(*arch) : "?") +
                                        ", the device is sm_" + std::to_string(device.major) +
                                        std::to_string(device.minor));
    dlclose(handle);
    close(file);
    return code;
  }
  auto *library = new Library{handle, file, {}};
  call.driver.libraries.insert(library);
  *out = library;
  return Success;
}

int unloadImage(const char *function, void *handle, bool needsContext) {
  Call call(function, needsContext);
  if (!call)
    return call.result;
  auto *library = static_cast<Library *>(handle);
  if (!call.driver.libraries.erase(library))
    return call.refuse(InvalidHandle, "no such library");
  call.finish(nullptr);
  for (const auto &entry : library->functions)
    call.driver.functions.erase(entry.second.get());
  dlclose(library->handle);
  close(library->file);
  delete library;
  return Success;
}

int getFunction(const char *caller, void **out, void *handle, const char *name, bool needsContext) {
  Call call(caller, needsContext);
  if (!call)
    return call.result;
  auto *library = static_cast<Library *>(handle);
  if (!call.driver.libraries.count(library))
    return call.refuse(InvalidHandle, "no such library");
  if (!out || !name)
    return call.refuse(InvalidValue, "a null pointer");
  std::unique_ptr<Function> &function = library->functions[name];
  if (!function) {
    std::string symbol = std::string(name) + "_on_cpu_kernel";
    const void *kernel = dlsym(library->handle, symbol.c_str());
    if (!kernel)
      return call.refuse(NotFound, std::string("no kernel ") + name + " in this library");
    function =
        std::make_unique<Function>(Function{static_cast<const ftc_on_cpu::Kernel *>(kernel)});
    call.driver.functions.insert(function.get());
  }
  *out = function.get();
  return Success;
}

int setAttribute(const Call &call, void *handle, int attribute, int value) {
  auto *function = static_cast<Function *>(handle);
  if (!call.driver.functions.count(function))
    return call.refuse(InvalidHandle, "no such kernel");
  if (attribute != FunctionMaxDynamicShared)
    return call.refuse(InvalidValue, "attribute " + std::to_string(attribute) +
                                         ", which the stand-in cannot set");
  if (value < 0 || value > static_cast<int>(call.driver.device.sharedPerBlock))
    return call.refuse(InvalidValue, std::to_string(value) +
                                         " bytes of dynamic shared memory; this device has " +
                                         std::to_string(call.driver.device.sharedPerBlock));
  function->maxDynamicShared = static_cast<unsigned>(value);
  return Success;
}

int getAttribute(const Call &call, int *value, int attribute, void *handle) {
  auto *function = static_cast<Function *>(handle);
  if (!call.driver.functions.count(function))
    return call.refuse(InvalidHandle, "no such kernel");
  if (!value)
    return call.refuse(InvalidValue, "a null pointer");
  switch (attribute) {
  case FunctionMaxThreads:
    *value = static_cast<int>(function->kernel->maxThreads);
    return Success;
  case FunctionSharedBytes: // static ones: there are none
  case FunctionLocalBytes:
    *value = 0;
    return Success;
  case FunctionMaxDynamicShared:
    *value = static_cast<int>(function->maxDynamicShared);
    return Success;
  default:
    return call.refuse(InvalidValue, "attribute " + std::to_string(attribute) +
                                         ", which the stand-in does not know");
  }
}

/// The arguments of a launch, kept until it runs.
class Arguments {
public:
  Arguments(const ftc_on_cpu::Kernel &kernel, void **given) {
    for (unsigned i = 0; i < kernel.arguments; ++i) {
      auto *first = static_cast<const char *>(given[i]);
      values.emplace_back(first, first + kernel.argumentBytes[i]);
    }
  }
  void **pointers() {
    at.clear();
    for (std::vector<char> &value : values)
      at.push_back(value.data());
    return at.data();
  }

private:
  std::vector<std::vector<char>> values;
  std::vector<void *> at;
};

struct Shape {
  unsigned grid[3], block[3];
  unsigned sharedBytes;
};

int launch(const char *caller, void *handle, const Shape &shape, void *stream, void **arguments,
           void **extra) {
  Call call(caller);
  if (!call)
    return call.result;
  auto *function = static_cast<Function *>(handle);
  if (!call.driver.functions.count(function))
    return call.refuse(InvalidHandle, "no such kernel");
  if (int result = call.checkStream(stream))
    return result;
  const ftc_on_cpu::Kernel &kernel = *function->kernel;
  std::string name = std::string("kernel ") + kernel.name + ": ";
  if (shape.grid[1] != 1 || shape.grid[2] != 1 || shape.block[1] != 1 || shape.block[2] != 1)
    return call.refuse(InvalidValue, name + "the stand-in runs one-dimensional grids of "
                                            "one-dimensional blocks");
  if (shape.sharedBytes > function->maxDynamicShared)
    return call.refuse(InvalidValue, name + std::to_string(shape.sharedBytes) +
                                         " bytes of dynamic shared memory, but it may use " +
                                         std::to_string(function->maxDynamicShared) +
                                         "; set CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES");
  if (extra || (kernel.arguments && !arguments))
    return call.refuse(InvalidValue, name + "arguments come in kernelParams");
  for (unsigned i = 0; i < kernel.arguments; ++i)
    if (!arguments[i])
      return call.refuse(InvalidValue, name + "argument " + std::to_string(i) +
                                           " is null; it takes " +
                                           std::to_string(kernel.arguments));
  if (int mistake =
          ftc_on_cpu::checkLaunch(kernel, shape.grid[0], shape.block[0], shape.sharedBytes))
    return mistake;
  return Work::instance().enqueue(stream, [&driver = call.driver, &kernel, shape,
                                           values = Arguments(kernel, arguments)]() mutable {
    int result = ftc_on_cpu::launch(kernel, shape.grid[0], shape.block[0], shape.sharedBytes,
                                    values.pointers());
    if (result == LaunchFailed)
      driver.failed = result;
    return result;
  });
}

} // namespace

STAND_IN int cuLibraryLoadData(void **library, const void *code, int *jitOptions, void **jitValues,
                               unsigned jitCount, int *options, void **values, unsigned count) {
  return loadImage("cuLibraryLoadData", library, code, false);
}
STAND_IN int cuLibraryUnload(void *library) {
  return unloadImage("cuLibraryUnload", library, false);
}
STAND_IN int cuLibraryGetKernel(void **kernel, void *library, const char *name) {
  return getFunction("cuLibraryGetKernel", kernel, library, name, false);
}

STAND_IN int cuModuleLoadData(void **module, const void *code) {
  return loadImage("cuModuleLoadData", module, code, true);
}
STAND_IN int cuModuleLoadDataEx(void **module, const void *code, unsigned count, int *options,
                                void **values) {
  return loadImage("cuModuleLoadDataEx", module, code, true);
}
STAND_IN int cuModuleUnload(void *module) { return unloadImage("cuModuleUnload", module, true); }
STAND_IN int cuModuleGetFunction(void **function, void *module, const char *name) {
  return getFunction("cuModuleGetFunction", function, module, name, true);
}

STAND_IN int cuKernelGetFunction(void **function, void *kernel) {
  Call call("cuKernelGetFunction");
  if (!call)
    return call.result;
  if (!function || !call.driver.functions.count(static_cast<Function *>(kernel)))
    return call.refuse(InvalidHandle, "no such kernel");
  *function = kernel;
  return Success;
}

STAND_IN int cuKernelSetAttribute(int attribute, int value, void *kernel, int device) {
  Call call("cuKernelSetAttribute", false);
  return call ? setAttribute(call, kernel, attribute, value) : call.result;
}
STAND_IN int cuFuncSetAttribute(void *function, int attribute, int value) {
  Call call("cuFuncSetAttribute");
  return call ? setAttribute(call, function, attribute, value) : call.result;
}
STAND_IN int cuKernelGetAttribute(int *value, int attribute, void *kernel, int device) {
  Call call("cuKernelGetAttribute", false);
  return call ? getAttribute(call, value, attribute, kernel) : call.result;
}
STAND_IN int cuFuncGetAttribute(int *value, int attribute, void *function) {
  Call call("cuFuncGetAttribute");
  return call ? getAttribute(call, value, attribute, function) : call.result;
}

STAND_IN int cuLaunchKernel(void *function, unsigned gridX, unsigned gridY, unsigned gridZ,
                            unsigned blockX, unsigned blockY, unsigned blockZ, unsigned sharedBytes,
                            void *stream, void **arguments, void **extra) {
  return launch("cuLaunchKernel", function,
                {{gridX, gridY, gridZ}, {blockX, blockY, blockZ}, sharedBytes}, stream, arguments,
                extra);
}

/// CUlaunchConfig.
struct LaunchConfig {
  unsigned grid[3], block[3];
  unsigned sharedBytes;
  void *stream;
  void *attributes;
  unsigned attributeCount;
};

STAND_IN int cuLaunchKernelEx(const LaunchConfig *config, void *function, void **arguments,
                              void **extra) {
  if (!config)
    return refuse("cuLaunchKernelEx", InvalidValue, "a null pointer");
  if (config->attributeCount)
    return refuse("cuLaunchKernelEx", NotSupported, "launch attributes");
  Shape shape;
  std::memcpy(shape.grid, config->grid, sizeof shape.grid);
  std::memcpy(shape.block, config->block, sizeof shape.block);
  shape.sharedBytes = config->sharedBytes;
  return launch("cuLaunchKernelEx", function, shape, config->stream, arguments, extra);
}
