//===- KernelHeaders.h - the text of ftc/Kernels/CUDA -----------*- C++ -*-===//
// The headers that emitted code includes, compiled in.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TARGET_CUDA_KERNELHEADERS_H
#define FTC_LIB_TARGET_CUDA_KERNELHEADERS_H

#include "llvm/ADT/StringRef.h"

#include <set>
#include <string>

namespace ftc::cuda {

/// "ftc/Kernels/CUDA/": what stands before a header's name in an include.
inline llvm::StringRef kernelHeaderFolder() { return "ftc/Kernels/CUDA/"; }

/// The text of a header of that folder; empty where there is none of that name.
llvm::StringRef kernelHeader(llvm::StringRef name);

/// The headers and all of that folder that they include, in the order of their names.
std::set<std::string> withIncluded(const std::set<std::string> &headers);

} // namespace ftc::cuda

#endif
