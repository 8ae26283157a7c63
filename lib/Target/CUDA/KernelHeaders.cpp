//===- KernelHeaders.cpp - the text of ftc/Kernels/CUDA -------------------===//
// Lookup in the table that the build makes from the headers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelHeaders.h"

#include "llvm/ADT/STLExtras.h"

#include <vector>

namespace {
struct Header {
  const char *name, *text;
};
const Header headers[] = {
#include "KernelHeaders.inc"
};
} // namespace

llvm::StringRef ftc::cuda::kernelHeader(llvm::StringRef name) {
  for (const Header &header : headers)
    if (name == header.name)
      return header.text;
  return "";
}

std::set<std::string> ftc::cuda::withIncluded(const std::set<std::string> &headers) {
  std::set<std::string> all;
  std::vector<std::string> next(headers.begin(), headers.end());
  while (!next.empty()) {
    std::string name = std::move(next.back());
    next.pop_back();
    if (!all.insert(name).second)
      continue;
    const std::string include = ("#include \"" + kernelHeaderFolder()).str();
    llvm::StringRef text = kernelHeader(name);
    for (size_t at = text.find(include); at != llvm::StringRef::npos;
         at = text.find(include, at + 1))
      next.push_back(text.drop_front(at + include.size()).split('"').first.str());
  }
  return all;
}
