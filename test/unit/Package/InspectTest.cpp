//===- InspectTest.cpp - a package as JSON and as text ---------------------===//
// The members that the contract names, and sums that have to agree.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Package/Inspect.h"

#include "FakeCode.h"
#include "TestPackage.h"
#include "ftc/Support/Json.h"

#include "gtest/gtest.h"

using namespace ftc;
using namespace ftc::test;

namespace {

std::unique_ptr<Package> toy() {
  std::vector<uint8_t> file = finishPackage(toyPackage(fakeCode()).content);
  Result<std::unique_ptr<Package>> package =
      Package::fromMemory(file.data(), file.size(), "toy.ftp");
  EXPECT_TRUE(package) << package.error().str();
  return package ? *std::move(package) : nullptr;
}

TEST(Inspect, Json) {
  std::unique_ptr<Package> package = toy();
  Result<json::Value> parsed = json::parse(inspectJson(*package), "inspect");
  ASSERT_TRUE(parsed) << parsed.error().str();
  const json::Value &value = *parsed;
  EXPECT_EQ(*value.find("target")->asString(), "cpu");
  EXPECT_EQ(*value.find("arch")->asString(), "x86-64");
  EXPECT_EQ(value.find("tokens")->asInt64(), Toy::tokens);

  const json::Value &entry = value.find("entry_points")->elements()[0];
  EXPECT_EQ(value.find("entry_points")->elements().size(), 5u);
  EXPECT_EQ(*entry.find("name")->asString(), "train_step");
  EXPECT_EQ(entry.find("launches")->asInt64(), 7);

  const json::Value &memory = *value.find("memory");
  auto bytes = [&](const char *name) { return memory.find(name)->asInt64().value_or(-1); };
  EXPECT_EQ(bytes("parameters"), 880);
  EXPECT_EQ(bytes("trainable"), 128);
  EXPECT_EQ(bytes("gradients"), 128);
  EXPECT_EQ(bytes("optimizer"), 128);
  EXPECT_EQ(bytes("tables"), 128);
  EXPECT_EQ(bytes("peak"), bytes("parameters") + bytes("trainable") + bytes("gradients") +
                               bytes("optimizer") + bytes("arena"));
  EXPECT_EQ(bytes("saved_activations"), 24 * 20 * 4 + 24 * 4);
  EXPECT_EQ(bytes("workspace"), 0);
  const json::Value &at = *memory.find("peak_at");
  EXPECT_EQ(*at.find("entry")->asString(), "train_step");
  EXPECT_EQ(at.find("launch")->asInt64(), 6);
  EXPECT_EQ(*at.find("site")->asString(), "model");

  // The counts of kernels are those of one train_step.
  int64_t launches = 0;
  for (const json::Value &kernel : value.find("kernels")->elements()) {
    launches += *kernel.find("count")->asInt64();
    EXPECT_TRUE(kernel.find("family")->isString());
    EXPECT_TRUE(kernel.find("flops")->isInteger());
    EXPECT_TRUE(kernel.find("bytes")->isInteger());
    EXPECT_EQ(kernel.find("launches")->find("train_step")->asInt64(),
              kernel.find("count")->asInt64());
  }
  EXPECT_EQ(launches, 7);
  const json::Value &fresh = value.find("kernels")->elements()[5];
  EXPECT_EQ(*fresh.find("name")->asString(), "fresh_gradient");
  EXPECT_EQ(fresh.find("count")->asInt64(), 0);
  EXPECT_EQ(fresh.find("launches")->find("gradients")->asInt64(), 1);

  const json::Value &pass = value.find("passes")->elements()[0];
  EXPECT_EQ(*pass.find("name")->asString(), "ft-test");
  EXPECT_EQ(pass.find("statistics")->find("things")->asInt64(), 7);
  EXPECT_EQ(*pass.find("remarks")->elements()[0].asString(), "a remark");
  ASSERT_EQ(pass.find("decisions")->elements().size(), 1u);
  const json::Value &decision = pass.find("decisions")->elements()[0];
  EXPECT_EQ(*decision.find("question")->asString(), "which way");
  EXPECT_EQ(*decision.find("site")->asString(), "model.layers.*.mlp");
  EXPECT_EQ(decision.find("count")->asInt64(), 32);
  ASSERT_EQ(decision.find("candidates")->elements().size(), 2u);
  const json::Value &candidate = decision.find("candidates")->elements()[1];
  EXPECT_EQ(*candidate.find("name")->asString(), "this");
  EXPECT_EQ(*candidate.find("why")->asString(), "is smaller");
  EXPECT_TRUE(*candidate.find("chosen")->asBool());
  EXPECT_FALSE(*decision.find("candidates")->elements()[0].find("chosen")->asBool());
  EXPECT_EQ(candidate.find("scores")->find("bytes")->asInt64(), 1024);
  EXPECT_TRUE(value.find("collectives")->isArray());
  EXPECT_EQ(*value.find("provenance")->find("schema_hash")->asString(), schemaHash());
  EXPECT_EQ(value.find("train_config")->find("learning_rate")->asDouble(), 0.5);
  EXPECT_EQ(value.find("tensors")->find("base")->find("tensors")->asInt64(), 1);
}

TEST(Inspect, ShadowsCountAsTrainable) {
  PackageMaker maker = toyPackage(fakeCode());
  maker.tensor("w.shadow", Role::shadow, package::DType::bf16, {1, Toy::width}, InitKind::master,
               1);
  maker.sumUp();
  std::vector<uint8_t> file = finishPackage(maker.content);
  Result<std::unique_ptr<Package>> package =
      Package::fromMemory(file.data(), file.size(), "toy.ftp");
  ASSERT_TRUE(package) << package.error().str();
  Result<json::Value> value = json::parse(inspectJson(**package), "inspect");
  ASSERT_TRUE(value) << value.error().str();
  EXPECT_EQ(value->find("memory")->find("trainable")->asInt64(), 128 + 64);
  const json::Value &shadows = *value->find("tensors")->find("shadow");
  EXPECT_EQ(shadows.find("tensors")->asInt64(), 1);
  EXPECT_EQ(shadows.find("bytes")->asInt64(), 2 * Toy::width);
}

TEST(Inspect, SameTextEachTime) {
  EXPECT_EQ(inspectJson(*toy()), inspectJson(*toy()));
  EXPECT_EQ(inspectText(*toy()), inspectText(*toy()));
}

TEST(Inspect, Text) {
  // Statistics and remarks that do not fit one line.
  PackageMaker maker = toyPackage(fakeCode());
  package::PassT &pass = *maker.content.passes[0];
  for (int i = 0; i < 40; ++i) {
    pass.statistics.push_back(std::make_unique<package::StatisticT>());
    pass.statistics.back()->name =
        (i < 20 ? "train_step.number_" : "update.number_") + std::to_string(i);
    pass.remarks[0] += " and another word";
    pass.decisions.push_back(std::make_unique<package::DecisionT>(*pass.decisions[0]));
    if (i < 30)
      pass.decisions[0]->candidates[0]->why += " word";
  }
  std::vector<uint8_t> file = finishPackage(maker.content);
  Result<std::unique_ptr<Package>> package =
      Package::fromMemory(file.data(), file.size(), "toy.ftp");
  ASSERT_TRUE(package) << package.error().str();
  std::string text = inspectText(**package);
  for (const char *part :
       {"toy.ftp\n", "target cpu x86-64", "24 tokens (2 x 12)", "parameters", "880 B", "train_step",
        "embed", "ft-test\n    things = 7", "a remark and another word and",
        "; train_step: number_0 = 0, number_1 = 0",
        "    which way?\n      model.layers.*.mlp, 32 x\n        - that  ",
        "\n        > this                                   is smaller (1.00 KiB)\n",
        "      and 39 more (--json shows all)\n", "the arena is fullest in train_step",
        "  live there\n    L*_rows                                 2 x ", " B  saved\n    run  "})
    EXPECT_NE(text.find(part), std::string::npos) << part << '\n' << text;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - begin, 100u) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(Inspect, HumanBytes) {
  EXPECT_EQ(humanBytes(0), "0 B");
  EXPECT_EQ(humanBytes(1023), "1023 B");
  EXPECT_EQ(humanBytes(1024), "1.00 KiB");
  EXPECT_EQ(humanBytes((1 << 20) - 1), "1.00 MiB");
  EXPECT_EQ(humanBytes(uint64_t{3} << 29), "1.50 GiB");
  EXPECT_EQ(humanBytes(~uint64_t{0}), "16.00 EiB");
}

} // namespace
