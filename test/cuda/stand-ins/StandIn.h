//===- StandIn.h - what the stand-ins of CUDA's libraries share ------------===//
// Exported functions, and refusals that everybody sees.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_STAND_INS_STANDIN_H
#define FTC_TEST_CUDA_STAND_INS_STANDIN_H

#include <cstdio>
#include <string>

/// A function of the library's C interface.
#define STAND_IN extern "C" __attribute__((visibility("default")))

namespace standin {

/// Says on standard error what the caller did wrong, and returns the library's error number.
inline int refuse(const char *function, int code, const std::string &what) {
  std::fprintf(stderr, "stand-in: %s: %s\n", function, what.c_str());
  return code;
}

} // namespace standin

#endif // FTC_TEST_CUDA_STAND_INS_STANDIN_H
