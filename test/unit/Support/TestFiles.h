//===- TestFiles.h - files for the tests of this room ----------------------===//
// A temporary directory that goes away, and bytes of safetensors files.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_SUPPORT_TESTFILES_H
#define FTC_TEST_UNIT_SUPPORT_TESTFILES_H

#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Json.h"

#include "gtest/gtest.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace ftc::test {

class TempDirectory {
public:
  TempDirectory() {
    std::string pattern = ::testing::TempDir() + "ftc-support-XXXXXX";
    if (::mkdtemp(pattern.data()))
      root = pattern;
  }
  ~TempDirectory() {
    if (!root.empty()) {
      EXPECT_TRUE(static_cast<bool>(removeTree(root)));
    }
  }
  const std::string &path() const { return root; }
  std::string file(std::string_view name) const { return joinPath(root, name); }
  /// Writes a file and returns its path.
  std::string write(std::string_view name, std::string_view content) const {
    std::string path = file(name);
    Status s = writeFileAtomically(path, content);
    EXPECT_TRUE(static_cast<bool>(s)) << s.error().str();
    return path;
  }

private:
  std::string root;
};

inline std::string readAll(const std::string &path) {
  Result<std::string> text = readFile(path);
  EXPECT_TRUE(static_cast<bool>(text)) << text.error().str();
  return text ? *text : std::string();
}

/// Eight bytes, little-endian.
inline std::string length64(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

/// A safetensors file of this header and data.
inline std::string safetensorsBytes(std::string_view header, std::string_view data = "") {
  return length64(header.size()) + std::string(header) + std::string(data);
}

} // namespace ftc::test

#endif // FTC_TEST_UNIT_SUPPORT_TESTFILES_H
