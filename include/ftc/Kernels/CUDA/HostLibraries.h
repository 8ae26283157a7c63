//===- HostLibraries.h - CUDA's libraries, loaded when they are needed -----===//
// The few functions of the driver, cuBLASLt and NVRTC that a step needs, by dlopen.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// No header of CUDA is needed: the types and numbers below are those of its C interfaces, which
// keep them from release to release. Functions are resolved under the suffixed names of the current
// interface (`cuMemAlloc_v2`); the bare names are older ones.
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_HOSTLIBRARIES_H
#define FTC_KERNELS_CUDA_HOSTLIBRARIES_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>
#include <mutex>
#include <string>
#include <utility>

// The driver's own tag, so that cuda::Stream, CUstream and cudaStream_t are one type.
struct CUstream_st;

namespace ftc::cuda {

/// What kind of thing went wrong.
enum class Fault {
  none,
  unsupported, ///< a library, the driver or a fitting device is missing
  outOfMemory,
  invalid, ///< what was asked for cannot be
  internal
};

/// Success, or one line that says what is wrong and what would be right.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Fault fault, std::string text) : kind(fault), line(std::move(text)) {}
  explicit operator bool() const { return kind == Fault::none; }
  Fault fault() const { return kind; }
  const std::string &text() const { return line; }

private:
  Fault kind = Fault::none;
  std::string line;
};

using Stream = CUstream_st *;

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

/// A shared library and the first of the wanted functions that it lacks. Never unloaded: threads of
/// the library itself may outlive every caller.
class SharedLibrary {
public:
  /// Tries the folders of FTC_CUDA_LIBRARY_PATH (separated by ':'), then the system's search path.
  /// `remedy` ends the message: what to install.
  Status open(const char *name, const char *remedy) {
    file = name;
    const char *path = std::getenv("FTC_CUDA_LIBRARY_PATH");
    std::string folders = path ? path : "";
    while (!folders.empty() && !handle) {
      size_t colon = folders.find(':');
      std::string folder = folders.substr(0, colon);
      folders.erase(0, colon == std::string::npos ? colon : colon + 1);
      if (!folder.empty())
        handle = ::dlopen((folder + '/' + name).c_str(), RTLD_NOW | RTLD_LOCAL);
    }
    if (!handle)
      handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle)
      return Status();
    const char *reason = ::dlerror();
    return Status(Fault::unsupported,
                  file + ": cannot be loaded: " + (reason ? reason : "no reason given") + "; " +
                      remedy + ", or name its folder in FTC_CUDA_LIBRARY_PATH");
  }

  template <class Function> void find(const char *name, Function *&function) {
    function = reinterpret_cast<Function *>(::dlsym(handle, name));
    if (!function && missing.empty())
      missing = name;
  }

  Status complete() const {
    if (missing.empty())
      return Status();
    return Status(Fault::unsupported, file + ": has no function " + missing +
                                          "; a driver for CUDA 12.4 or newer, and the libraries of "
                                          "CUDA 13, are needed");
  }

private:
  void *handle = nullptr;
  std::string file, missing;
};

/// The process's one table of a library's functions, loaded by the first call that succeeds; a
/// failure is tried again by the next call. Any thread may call it.
template <class Table> Status load(const Table *&table) {
  static std::mutex mutex;
  static Table loaded;
  static bool ready = false;
  std::lock_guard<std::mutex> lock(mutex);
  if (!ready) {
    Table fresh;
    if (Status status = fresh.open(); !status)
      return status;
    loaded = fresh;
    ready = true;
  }
  table = &loaded;
  return Status();
}

//===----------------------------------------------------------------------===//
// libcuda.so.1
//===----------------------------------------------------------------------===//

namespace driver {
using Context = struct CUctx_st *;
using Library = struct CUlib_st *;
using Kernel = struct CUkern_st *;

constexpr int success = 0, outOfMemory = 2, noDevice = 100;
constexpr int computeCapabilityMajor = 75, computeCapabilityMinor = 76, multiprocessors = 16;
constexpr int sharedMemoryPerBlock = 97;     ///< device attribute: bytes a kernel can ask for
constexpr int maxDynamicSharedMemory = 8;    ///< function attribute: bytes a kernel has asked for
constexpr unsigned nonBlockingStream = 0x1u; ///< does not wait for the legacy stream
} // namespace driver

/// Functions of the driver; each answers 0 (CUDA_SUCCESS) or an error number. Device memory, an
/// integer in the driver's interface (CUdeviceptr), is a pointer here, which is passed alike.
struct Driver {
  int (*init)(unsigned flags);
  int (*getErrorName)(int error, const char **name);
  int (*getErrorString)(int error, const char **text);
  int (*deviceGetCount)(int *count);
  int (*deviceGet)(int *device, int ordinal);
  int (*deviceGetName)(char *name, int length, int device);
  int (*deviceGetAttribute)(int *value, int attribute, int device);
  int (*primaryContextRetain)(driver::Context *context, int device);
  int (*primaryContextRelease)(int device);
  int (*contextSetCurrent)(driver::Context context);
  int (*contextGetCurrent)(driver::Context *context);
  int (*contextGetDevice)(int *device);
  int (*memoryAllocate)(void **memory, size_t bytes);
  int (*memoryFree)(void *memory);
  int (*memoryInfo)(size_t *free, size_t *total);
  int (*hostAllocate)(void **memory, size_t bytes, unsigned flags);
  int (*hostFree)(void *memory);
  int (*copyToDevice)(void *to, const void *from, size_t bytes, Stream stream);
  int (*copyToHost)(void *to, const void *from, size_t bytes, Stream stream);
  int (*setBytes)(void *to, unsigned char value, size_t bytes, Stream stream);
  int (*streamCreate)(Stream *stream, unsigned flags);
  int (*streamDestroy)(Stream stream);
  int (*streamSynchronize)(Stream stream);
  int (*libraryLoad)(driver::Library *library, const void *code, int *jitOptions, void **jitValues,
                     unsigned jitCount, int *libraryOptions, void **libraryValues,
                     unsigned libraryCount);
  int (*libraryUnload)(driver::Library library);
  int (*libraryGetKernel)(driver::Kernel *kernel, driver::Library library, const char *name);
  int (*kernelSetAttribute)(int attribute, int value, driver::Kernel kernel, int device);
  /// A kernel of a library is taken where the interface says CUfunction.
  int (*launchKernel)(driver::Kernel kernel, unsigned gridX, unsigned gridY, unsigned gridZ,
                      unsigned blockX, unsigned blockY, unsigned blockZ, unsigned sharedBytes,
                      Stream stream, void **arguments, void **extra);

  Status open() {
    SharedLibrary library;
    if (Status status =
            library.open("libcuda.so.1", "install NVIDIA's driver (a CUDA package runs on a GPU)");
        !status)
      return status;
    library.find("cuInit", init);
    library.find("cuGetErrorName", getErrorName);
    library.find("cuGetErrorString", getErrorString);
    library.find("cuDeviceGetCount", deviceGetCount);
    library.find("cuDeviceGet", deviceGet);
    library.find("cuDeviceGetName", deviceGetName);
    library.find("cuDeviceGetAttribute", deviceGetAttribute);
    library.find("cuDevicePrimaryCtxRetain", primaryContextRetain);
    library.find("cuDevicePrimaryCtxRelease_v2", primaryContextRelease);
    library.find("cuCtxSetCurrent", contextSetCurrent);
    library.find("cuCtxGetCurrent", contextGetCurrent);
    library.find("cuCtxGetDevice", contextGetDevice);
    library.find("cuMemAlloc_v2", memoryAllocate);
    library.find("cuMemFree_v2", memoryFree);
    library.find("cuMemGetInfo_v2", memoryInfo);
    library.find("cuMemHostAlloc", hostAllocate);
    library.find("cuMemFreeHost", hostFree);
    library.find("cuMemcpyHtoDAsync_v2", copyToDevice);
    library.find("cuMemcpyDtoHAsync_v2", copyToHost);
    library.find("cuMemsetD8Async", setBytes);
    library.find("cuStreamCreate", streamCreate);
    library.find("cuStreamDestroy_v2", streamDestroy);
    library.find("cuStreamSynchronize", streamSynchronize);
    library.find("cuLibraryLoadData", libraryLoad);
    library.find("cuLibraryUnload", libraryUnload);
    library.find("cuLibraryGetKernel", libraryGetKernel);
    library.find("cuKernelSetAttribute", kernelSetAttribute);
    library.find("cuLaunchKernel", launchKernel);
    return library.complete();
  }
};

//===----------------------------------------------------------------------===//
// libcublasLt.so.13
//===----------------------------------------------------------------------===//

namespace blas {
using Handle = struct cublasLtContext *;
using Operation = struct cublasLtMatmulDescOpaque_t *;
using Layout = struct cublasLtMatrixLayoutOpaque_t *;
using Preference = struct cublasLtMatmulPreferenceOpaque_t *;

/// cublasLtMatmulAlgo_t: bytes that may be stored and used again by the same library on the same
/// kind of device.
struct Algorithm {
  uint64_t data[8];
};
/// cublasLtMatmulHeuristicResult_t.
struct Candidate {
  Algorithm algorithm;
  size_t workspaceBytes;
  int status;
  float waves;
  int reserved[4];
};

constexpr int success = 0, invalidValue = 7, notSupported = 15;
constexpr int real32F = 0, real16BF = 14; ///< cudaDataType
constexpr int compute32F = 68;            ///< f32 products in f32, never TF32
constexpr int transposeA = 3, transposeB = 4, epilogue = 7, biasPointer = 8; ///< of an Operation
constexpr int epilogueBias = 4;
constexpr int maxWorkspaceBytes = 1, reductionSchemes = 3, alignmentA = 5, alignmentB = 6,
              alignmentC = 7, alignmentD = 8; ///< of a Preference
} // namespace blas

/// Functions of cuBLASLt; each answers 0 or a cublasStatus_t.
struct BlasLt {
  int (*create)(blas::Handle *handle);
  int (*destroy)(blas::Handle handle);
  const char *(*getStatusName)(int status);
  int (*operationCreate)(blas::Operation *operation, int computeType, int scaleType);
  int (*operationDestroy)(blas::Operation operation);
  int (*operationSet)(blas::Operation operation, int attribute, const void *value, size_t bytes);
  int (*layoutCreate)(blas::Layout *layout, int type, uint64_t rows, uint64_t columns, int64_t ld);
  int (*layoutDestroy)(blas::Layout layout);
  int (*preferenceCreate)(blas::Preference *preference);
  int (*preferenceDestroy)(blas::Preference preference);
  int (*preferenceSet)(blas::Preference preference, int attribute, const void *value, size_t bytes);
  int (*heuristic)(blas::Handle handle, blas::Operation operation, blas::Layout a, blas::Layout b,
                   blas::Layout c, blas::Layout d, blas::Preference preference, int requested,
                   blas::Candidate *results, int *found);
  int (*matmul)(blas::Handle handle, blas::Operation operation, const void *alpha, const void *a,
                blas::Layout layoutA, const void *b, blas::Layout layoutB, const void *beta,
                const void *c, blas::Layout layoutC, void *d, blas::Layout layoutD,
                const blas::Algorithm *algorithm, void *workspace, size_t workspaceBytes,
                Stream stream);

  Status open() {
    SharedLibrary library;
    if (Status status = library.open("libcublasLt.so.13", "install cuBLAS of CUDA 13"); !status)
      return status;
    library.find("cublasLtCreate", create);
    library.find("cublasLtDestroy", destroy);
    library.find("cublasLtGetStatusName", getStatusName);
    library.find("cublasLtMatmulDescCreate", operationCreate);
    library.find("cublasLtMatmulDescDestroy", operationDestroy);
    library.find("cublasLtMatmulDescSetAttribute", operationSet);
    library.find("cublasLtMatrixLayoutCreate", layoutCreate);
    library.find("cublasLtMatrixLayoutDestroy", layoutDestroy);
    library.find("cublasLtMatmulPreferenceCreate", preferenceCreate);
    library.find("cublasLtMatmulPreferenceDestroy", preferenceDestroy);
    library.find("cublasLtMatmulPreferenceSetAttribute", preferenceSet);
    library.find("cublasLtMatmulAlgoGetHeuristic", heuristic);
    library.find("cublasLtMatmul", matmul);
    return library.complete();
  }
};

//===----------------------------------------------------------------------===//
// libnvrtc.so.13
//===----------------------------------------------------------------------===//

/// Functions of NVRTC; each answers 0 or an nvrtcResult. Works without a device.
struct Nvrtc {
  using Program = struct _nvrtcProgram *;
  const char *(*getErrorString)(int error);
  int (*createProgram)(Program *program, const char *source, const char *name, int headerCount,
                       const char *const *headers, const char *const *includeNames);
  int (*destroyProgram)(Program *program);
  int (*compileProgram)(Program program, int optionCount, const char *const *options);
  int (*getLogSize)(Program program, size_t *bytes);
  int (*getLog)(Program program, char *log);
  int (*getCubinSize)(Program program, size_t *bytes);
  int (*getCubin)(Program program, char *cubin);

  Status open() {
    SharedLibrary library;
    if (Status status = library.open("libnvrtc.so.13", "install NVRTC of CUDA 13"); !status)
      return status;
    library.find("nvrtcGetErrorString", getErrorString);
    library.find("nvrtcCreateProgram", createProgram);
    library.find("nvrtcDestroyProgram", destroyProgram);
    library.find("nvrtcCompileProgram", compileProgram);
    library.find("nvrtcGetProgramLogSize", getLogSize);
    library.find("nvrtcGetProgramLog", getLog);
    library.find("nvrtcGetCUBINSize", getCubinSize);
    library.find("nvrtcGetCUBIN", getCubin);
    return library.complete();
  }
};

//===----------------------------------------------------------------------===//
// Error numbers
//===----------------------------------------------------------------------===//

/// What runs in a step answers an int: 0, a CUresult, or this plus a cublasStatus_t.
constexpr int blasErrors = 100000;

/// `CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered`
inline std::string describe(int error) {
  const char *name = nullptr, *text = nullptr;
  if (error >= blasErrors) {
    const BlasLt *library = nullptr;
    if (load(library))
      name = library->getStatusName(error - blasErrors);
  } else {
    const Driver *library = nullptr;
    if (load(library) && library->getErrorName(error, &name) == driver::success)
      (void)library->getErrorString(error, &text);
  }
  std::string line = name ? name : "error " + std::to_string(error);
  return text ? line + ": " + text : line;
}

/// A failed call of the driver as a Status; `what` as in "cannot <what>".
inline Status failure(int error, const std::string &what) {
  if (error == driver::success)
    return Status();
  Fault fault = error == driver::outOfMemory ? Fault::outOfMemory
                : error == driver::noDevice  ? Fault::unsupported
                                             : Fault::internal;
  return Status(fault, "cannot " + what + ": " + describe(error));
}

} // namespace ftc::cuda

#endif // FTC_KERNELS_CUDA_HOSTLIBRARIES_H
