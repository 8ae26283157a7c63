//===- CodeImageTest.cpp - images from memory ------------------------------===//
// Symbols are found, two images stay apart, and bytes that are no image are refused.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "lib/Runtime/CodeImage.h"

#include "RuntimeFixture.h"

#include <optional>

using namespace ftc;
using namespace ftc::test;

namespace {

TEST(CodeImage, SymbolsAndTheirCode) {
  std::vector<uint8_t> bytes = testKernels();
  std::optional<Result<CodeImage>> first = CodeImage::load(bytes.data(), bytes.size());
  Result<CodeImage> second = CodeImage::load(bytes.data(), bytes.size());
  ASSERT_TRUE(*first) << first->error().str();
  ASSERT_TRUE(second) << second.error().str();
  EXPECT_EQ((*first)->find("nothing_of_that_name"), nullptr);
  EXPECT_NE((*first)->find("sum"), (*second).find("sum")) << "one image was taken for the other";
  first.reset();
  // A third image gets the first's descriptor number; the second must be unharmed.
  Result<CodeImage> third = CodeImage::load(bytes.data(), bytes.size());
  ASSERT_TRUE(third) << third.error().str();
  for (Result<CodeImage> *image : {&second, &third}) {
    auto sum = reinterpret_cast<ftc_cpu_kernel>((*image)->find("sum"));
    ASSERT_NE(sum, nullptr);
    std::vector<float> terms(Toy::tokens, 0.5f);
    float total = 0;
    void *args[] = {terms.data(), &total};
    sum(args, 0, 1, nullptr, nullptr);
    EXPECT_EQ(total, 12.0f);
  }
}

TEST(CodeImage, NoImage) {
  std::vector<uint8_t> bytes = testKernels();
  EXPECT_FALSE(CodeImage::load("not an image", 12));
  EXPECT_FALSE(CodeImage::load(bytes.data(), 64));
  EXPECT_FALSE(CodeImage::load(nullptr, 0));
}

} // namespace
