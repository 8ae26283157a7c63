//===- PackageTest.cpp - reading and sealing package files -----------------===//
// A good package from memory and from a file; files that are none.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FakeCode.h"
#include "TestPackage.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Hash.h"
#include "ftc/Support/Json.h"

#include "gtest/gtest.h"

#include <unistd.h>

using namespace ftc;
using namespace ftc::test;

namespace {

TEST(Package, GoodFromMemory) {
  std::vector<uint8_t> file = finishPackage(toyPackage(fakeCode()).content);
  Result<std::unique_ptr<Package>> package = Package::fromMemory(file.data(), file.size(), "toy");
  ASSERT_TRUE(package) << package.error().str();
  const Package &toy = **package;
  EXPECT_EQ(toy.path(), "toy");
  EXPECT_EQ(toy.size(), file.size());
  EXPECT_EQ(toy->tokens(), Toy::tokens);
  EXPECT_EQ(toy->entries()->size(), 5u);
  EXPECT_EQ(toy.findTensor("w.moment1"), 2u);
  EXPECT_EQ(toy.findTensor("table"), 0u);
  EXPECT_EQ(toy.findTensor("tabl"), std::nullopt);
  EXPECT_EQ(toy.findEntry("update"), 2u);
  EXPECT_EQ(toy.findEntry("updates"), std::nullopt);
  // What maps the code relies on its alignment.
  EXPECT_EQ(reinterpret_cast<uintptr_t>(toy->code()->data()) % packageAlignment, 0u);
}

TEST(Package, ItsOwnMemory) {
  std::vector<uint8_t> file = finishPackage(toyPackage(fakeCode()).content);
  // At an odd address, and overwritten afterwards.
  std::vector<uint8_t> shifted(file.size() + 1);
  std::copy(file.begin(), file.end(), shifted.begin() + 1);
  Result<std::unique_ptr<Package>> package = Package::fromMemory(shifted.data() + 1, file.size());
  ASSERT_TRUE(package) << package.error().str();
  std::fill(shifted.begin(), shifted.end(), 0xff);
  EXPECT_EQ((**package)->tensors()->Get(1)->name()->str(), "w");
}

TEST(Package, GoodFromFile) {
  std::string pattern = ::testing::TempDir() + "ftc-package-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  std::string path = joinPath(pattern, "toy.ftp");
  std::vector<uint8_t> file = finishPackage(toyPackage(fakeCode()).content);
  ASSERT_TRUE(
      writeFileAtomically(path, {reinterpret_cast<const char *>(file.data()), file.size()}));
  Result<std::unique_ptr<Package>> package = Package::open(path);
  ASSERT_TRUE(package) << package.error().str();
  EXPECT_EQ((*package)->path(), path);

  Result<std::unique_ptr<Package>> missing = Package::open(path + "x");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().where, path + "x");
  Result<std::unique_ptr<Package>> directory = Package::open(pattern);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().where, pattern);
  EXPECT_TRUE(removeTree(pattern));
}

TEST(Package, SameContentSameBytes) {
  EXPECT_EQ(finishPackage(toyPackage(fakeCode()).content),
            finishPackage(toyPackage(fakeCode()).content));
}

TEST(Package, SchemaHashIsThatOfTheSchema) {
  Result<std::string> text =
      readFile(std::string(FTC_TEST_DIR) + "/../lib/Package/schema/package.fbs");
  ASSERT_TRUE(text) << text.error().str();
  EXPECT_EQ(schemaHash(), hash128(*text).hex());
}

TEST(Package, NoPackage) {
  for (const std::string &text :
       {std::string(), std::string("FTCP"), std::string("{\"target\": \"cpu\"}"),
        std::string(4096, '\0'), std::string(4096, 'x')}) {
    Result<std::unique_ptr<Package>> package = Package::fromMemory(text.data(), text.size(), "f");
    ASSERT_FALSE(package);
    EXPECT_EQ(package.error().where, "f");
    EXPECT_NE(package.error().message.find("package of ftc"), std::string::npos)
        << package.error().message;
  }
}

TEST(Package, NullOfNoBytes) { EXPECT_FALSE(Package::fromMemory(nullptr, 0)); }

TEST(Package, TensorBytes) {
  auto bytes = [](package::DType dtype, std::vector<int64_t> shape) {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(builder.CreateVector(shape));
    return tensorBytes(
        dtype, *flatbuffers::GetRoot<flatbuffers::Vector<int64_t>>(builder.GetBufferPointer()));
  };
  EXPECT_EQ(bytes(DType::f32, {}), 4u);
  EXPECT_EQ(bytes(DType::bf16, {3, 5}), 30u);
  EXPECT_EQ(bytes(DType::f32, {0}), std::nullopt);
  EXPECT_EQ(bytes(DType::f32, {-1, -1}), std::nullopt);
  EXPECT_EQ(bytes(DType::f32, {int64_t{1} << 32, int64_t{1} << 32}), std::nullopt);
  EXPECT_EQ(bytes(DType::f32, {INT64_MAX}), std::nullopt);
}

} // namespace
