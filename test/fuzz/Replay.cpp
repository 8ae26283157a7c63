//===- Replay.cpp - runs a fuzz target without libFuzzer --------------------===//
// Each file, its truncations and single changed bits; for builds without the fuzzer.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
//   ftc-fuzz-TARGET [--exact] FILE|FOLDER...
//
// --exact: the files as they are, nothing of their kin.

#include "Limits.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

// Of either kind for one file.
constexpr size_t kMostChanges = 256;

size_t inputs = 0;

void run(const std::string &content) {
  // In a block of its own size, so that a sanitizer sees a read behind its end.
  std::vector<uint8_t> exact(content.begin(), content.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  ++inputs;
}

void runWithKin(std::string content) {
  run(content);
  size_t count = std::min(content.size(), kMostChanges);
  for (size_t i = 0; i < count; ++i)
    run(content.substr(0, i * content.size() / count));
  for (size_t i = 0; i < count; ++i) {
    char &c = content[i * content.size() / count];
    char mask = static_cast<char>(1u << (i % 8));
    c ^= mask;
    run(content);
    c ^= mask;
  }
}

} // namespace

int main(int argc, char **argv) {
  bool exact = argc > 1 && std::strcmp(argv[1], "--exact") == 0;
  std::vector<std::string> files;
  for (int i = exact ? 2 : 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i]))
      for (const auto &entry : std::filesystem::recursive_directory_iterator(argv[i])) {
        if (entry.is_regular_file())
          files.push_back(entry.path());
      }
    else
      files.push_back(argv[i]);
  }
  if (files.empty()) {
    std::fprintf(stderr, "usage: ftc-fuzz-TARGET [--exact] FILE|FOLDER...\n");
    return 2;
  }
  std::sort(files.begin(), files.end());
  for (const std::string &path : files) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "error: %s: cannot open\n", path.c_str());
      return 1;
    }
    std::string content{std::istreambuf_iterator<char>(file), {}};
    if (exact)
      run(content);
    else
      runWithKin(std::move(content));
  }
  std::printf("%zu inputs of %zu files; at most %.3f s and %.1f MiB beyond ten times the input\n",
              inputs, files.size(), ftc::fuzz::mostSeconds(),
              static_cast<double>(ftc::fuzz::mostBytesBeyondInput()) / (1 << 20));
  return 0;
}
