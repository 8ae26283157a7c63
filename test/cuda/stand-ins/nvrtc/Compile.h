//===- Compile.h - device code through the host's compiler -----------------===//
// A "cubin" of the stand-ins is a shared object of this machine, built over CudaOnCpu.h.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_STAND_INS_NVRTC_COMPILE_H
#define FTC_TEST_CUDA_STAND_INS_NVRTC_COMPILE_H

#include <string>
#include <utility>
#include <vector>

namespace standin {

struct Source {
  std::string name;
  std::string text;
  std::vector<std::pair<std::string, std::string>> headers; // include name, text
  std::vector<std::string> defines;                         // -D words
  unsigned arch = 75;                                       // NVRTC's default
  bool isVirtual = true;                                    // compute_XX rather than sm_XX
};

struct Binary {
  std::string image;
  std::string log;
};

/// Relative, and stays below the folder it is in.
bool isPlainPath(const std::string &path);

/// NVRTC's options; "" or what is wrong. Those that only a GPU's compiler understands are accepted
/// and have no effect, unknown ones are errors.
std::string readOptions(Source &source, int count, const char *const *options);

/// False where the text does not compile; the log says why. Equal sources are compiled once and
/// kept in $FTC_STANDIN_CACHE, else in a folder that goes away with the process.
/// FTC_STANDIN_CXX names another compiler; FTC_STANDIN_CHECK=1 has every load and store checked.
bool compile(const Source &source, Binary &binary);

} // namespace standin

#endif // FTC_TEST_CUDA_STAND_INS_NVRTC_COMPILE_H
