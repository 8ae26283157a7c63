//===- PackageFuzz.cpp - the package reader and its verifier ----------------===//
// As it is, and once more with the size and the checksum put right, which a change of a byte
// spoils. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "ftc/Package/Inspect.h"
#include "ftc/Package/Package.h"
#include "ftc/Support/Hash.h"
#include "ftc/Support/Json.h"

#include <cstring>
#include <vector>

using namespace ftc;
using fuzz::require;

static bool read(const void *data, size_t size) {
  Result<std::unique_ptr<Package>> package = Package::fromMemory(data, size, "step.ftp");
  if (!package) {
    fuzz::checkError(package.error(), "step.ftp");
    return false;
  }
  std::string text = inspectJson(**package);
  require(bool(json::parse(text, "inspect.json")), "what is shown is not JSON", text);
  require(!inspectText(**package).empty(), "nothing is shown");
  return true;
}

void fuzz::readInput(std::string_view input) {
  constexpr size_t prefix = sizeof(uint32_t), trailer = sizeof(Hash128::bytes);
  if (read(input.data(), input.size()) || input.size() < prefix + trailer)
    return;
  std::vector<uint8_t> mended(input.begin(), input.end());
  auto length = static_cast<uint32_t>(mended.size() - prefix - trailer);
  std::memcpy(mended.data(), &length, prefix);
  Hash128 hash = hash128(mended.data(), mended.size() - trailer);
  std::memcpy(mended.data() + mended.size() - trailer, hash.bytes.data(), trailer);
  read(mended.data(), mended.size());
}
