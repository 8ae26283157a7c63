//===- CudaModule.h - a package's kernels on a GPU -------------------------===//
// The cubin that fits the device, or what NVRTC makes of the sources.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_CUDAMODULE_H
#define FTC_RUNTIME_CUDAMODULE_H

#include "Outcome.h"
#include "ftc/Kernels/CUDA/Host.h"
#include "ftc/Package/Package.h"

#include <vector>

namespace ftc {

/// The code of Fault as the C interface has it, with the package's path as the place.
Outcome cudaOutcome(const Package &package, const cuda::Status &status);

/// The index of the cubin that runs on a device of compute capability major.minor, or nothing:
/// one for just this (`sm_90a` before `sm_90`), else the nearest older one of the same major.
std::optional<uint32_t> fittingCubin(const package::Package &package, int major, int minor);

/// Compiles the package's sources by NVRTC for `arch` ("sm_90"), its headers from memory.
Result<std::vector<char>> compileSources(const Package &package, const std::string &arch);

/// Loaded device code.
class CudaModule {
public:
  CudaModule() = default;
  CudaModule(const CudaModule &) = delete;
  CudaModule &operator=(const CudaModule &) = delete;
  ~CudaModule();

  Outcome load(const Package &package, const cuda::Device &device);

  /// A kernel by name, made able to use `sharedBytes` of shared memory.
  cuda::Status find(const char *name, uint32_t sharedBytes, cuda::driver::Kernel &kernel) const;

private:
  const cuda::Device *device = nullptr;
  cuda::driver::Library library = nullptr;
};

} // namespace ftc

#endif // FTC_RUNTIME_CUDAMODULE_H
