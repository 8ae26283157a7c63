//===- PackageSeeds.cpp - packages to begin with ----------------------------===//
// Made when they are needed: a package of another schema would be refused at its head.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
//   ftc-fuzz-package-seeds FOLDER

#include "test/unit/Package/CudaPackage.h"
#include "test/unit/Package/FakeCode.h"

#include <cstdio>
#include <fstream>

using namespace ftc;
using namespace ftc::test;

static bool write(const std::string &path, const PackageMaker &maker) {
  std::vector<uint8_t> content = finishPackage(maker.content);
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char *>(content.data()),
             static_cast<std::streamsize>(content.size()));
  return file.flush().good();
}

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: ftc-fuzz-package-seeds FOLDER\n");
    return 2;
  }
  std::string folder = argv[1];
  bool written = write(folder + "/cpu.ftp", toyPackage(fakeCode())) &&
                 write(folder + "/bf16.ftp", toyPackage(fakeCode(), DType::bf16)) &&
                 write(folder + "/cuda.ftp", cudaToy("__global__ void toy() {}\n"));
  if (!written)
    std::fprintf(stderr, "error: %s: cannot write the packages\n", folder.c_str());
  return written ? 0 : 1;
}
