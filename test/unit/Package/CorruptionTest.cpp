//===- CorruptionTest.cpp - damaged packages -------------------------------===//
// Every byte, every length; and damage behind a checksum that is right again.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FakeCode.h"
#include "TestPackage.h"
#include "ftc/Package/Inspect.h"
#include "ftc/Support/Hash.h"
#include "ftc/Support/Philox.h"

#include "gtest/gtest.h"

using namespace ftc;
using namespace ftc::test;

namespace {

const std::vector<uint8_t> &good() {
  static const std::vector<uint8_t> file = finishPackage(toyPackage(fakeCode()).content);
  return file;
}

void seal(std::vector<uint8_t> &file) {
  Hash128 hash = hash128(file.data(), file.size() - 16);
  std::copy(hash.bytes.begin(), hash.bytes.end(), file.end() - 16);
}

TEST(PackageCorruption, EveryFlippedByteIsRefused) {
  std::vector<uint8_t> file = good();
  for (size_t i = 0; i < file.size(); ++i)
    for (uint8_t mask : {uint8_t(1u << (i % 8)), uint8_t(0xff)}) {
      file[i] ^= mask;
      Result<std::unique_ptr<Package>> package = Package::fromMemory(file.data(), file.size());
      EXPECT_FALSE(package) << "byte " << i;
      file[i] ^= mask;
    }
  EXPECT_TRUE(Package::fromMemory(file.data(), file.size()));
}

TEST(PackageCorruption, EveryLengthIsRefused) {
  std::vector<uint8_t> file = good();
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_FALSE(Package::fromMemory(file.data(), size)) << size;
  for (size_t more : {1u, 4u, 64u}) {
    std::vector<uint8_t> longer = file;
    longer.resize(file.size() + more);
    EXPECT_FALSE(Package::fromMemory(longer.data(), longer.size())) << more;
    // Behind the bytes that the size prefix counts, under a checksum that is right.
    seal(longer);
    EXPECT_FALSE(Package::fromMemory(longer.data(), longer.size())) << more;
  }
}

/// Reads and shows what is accepted: under the sanitizers, a bad access is a failure.
bool readAll(const std::vector<uint8_t> &file) {
  Result<std::unique_ptr<Package>> package = Package::fromMemory(file.data(), file.size());
  if (!package) {
    EXPECT_EQ(package.error().str().find('\n'), std::string::npos);
    return false;
  }
  EXPECT_FALSE(inspectJson(**package).empty());
  EXPECT_FALSE(inspectText(**package).empty());
  return true;
}

TEST(PackageCorruption, DamageBehindARightChecksumIsSurvived) {
  std::vector<uint8_t> file = good();
  size_t accepted = 0, tried = 0;
  // The places of offsets, sizes and enums: every byte of the buffer, with small and large values.
  for (size_t i = 0; i + 16 < file.size(); ++i)
    for (uint8_t mask : {uint8_t(0x01), uint8_t(0x80), uint8_t(0xff)}) {
      file[i] ^= mask;
      seal(file);
      accepted += readAll(file);
      ++tried;
      file[i] ^= mask;
    }
  // Some bytes are text or costs, which may be anything; most are not.
  EXPECT_LT(accepted * 2, tried);
}

TEST(PackageCorruption, RandomDamageIsSurvived) {
  for (uint32_t round = 0; round < 20000; ++round) {
    std::vector<uint8_t> file = good();
    unsigned changes = 1 + philoxBits(1, 0, 0, round) % 4;
    for (unsigned c = 0; c < changes; ++c) {
      PhiloxCounter words = philoxBlock(2, c, 0, round);
      size_t at = words[0] % (file.size() - 16);
      if (words[1] % 2) {
        file[at] = uint8_t(words[2]);
        continue;
      }
      // A whole word: a value that bounds and products have trouble with.
      static constexpr uint32_t values[] = {0,          1,          0x7fffffff, 0x80000000,
                                            0xffffffff, 0xfffffffe, 0x10000,    0x40000000};
      at &= ~size_t{3};
      for (unsigned byte = 0; byte < 4 && at + byte + 16 < file.size(); ++byte)
        file[at + byte] = uint8_t(values[words[3] % std::size(values)] >> (8 * byte));
    }
    seal(file);
    readAll(file);
  }
}

// FlatBuffers' own verifier lets it pass, and reads eight bytes across a boundary of four.
TEST(PackageCorruption, NumbersThatAreNotAlignedAreRefused) {
  const std::vector<uint8_t> whole = finishPackage(toyPackage(fakeCode()).content);
  Result<std::unique_ptr<Package>> package =
      Package::fromMemory(whole.data(), whole.size(), "toy.ftp");
  ASSERT_TRUE(package);
  const package::Package &root = (*package)->root();
  auto refused = [&](const flatbuffers::Table &table, flatbuffers::voffset_t field) {
    // The vector's place is told relative to this one.
    auto at = table.GetAddressOf(field) - reinterpret_cast<const uint8_t *>(&root);
    const uint8_t *start = std::search(whole.data(), whole.data() + whole.size(),
                                       reinterpret_cast<const uint8_t *>(&root),
                                       reinterpret_cast<const uint8_t *>(&root) + 64);
    std::vector<uint8_t> file = whole;
    file[start - whole.data() + at] += 4;
    seal(file);
    Result<std::unique_ptr<Package>> read =
        Package::fromMemory(file.data(), file.size(), "toy.ftp");
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().message.find("not aligned"), std::string::npos) << read.error().message;
  };
  using flatbuffers::Table;
  auto table = [](const auto *typed) -> const Table & {
    return *reinterpret_cast<const Table *>(typed);
  };
  const package::Entry *entry = root.entries()->Get(0);
  refused(table(root.tensors()->Get(0)), package::Tensor::VT_SHAPE);
  refused(table(entry->inputs()->Get(0)), package::Port::VT_SHAPE);
  refused(table(entry->launches()->Get(0)), package::Launch::VT_OPERANDS);
}

} // namespace
