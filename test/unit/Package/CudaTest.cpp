//===- CudaTest.cpp - packages for the target cuda -------------------------===//
// What the verifier refuses of them, one change at a time, and what inspect shows.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaPackage.h"
#include "FakeCode.h"
#include "ftc/Package/Inspect.h"
#include "ftc/Support/Json.h"

#include "gtest/gtest.h"

#include <functional>

using namespace ftc;
using namespace ftc::test;

namespace {

using P = package::PackageT;

/// With cubins for two architectures.
PackageMaker withCubins() {
  PackageMaker maker = cudaToy("// kernels\n");
  for (const char *arch : {"sm_80", "sm_90a"}) {
    maker.content.cubins.push_back(std::make_unique<package::CubinT>());
    maker.content.cubins.back()->arch = arch;
    maker.content.cubins.back()->code = fakeCode();
  }
  return maker;
}

Result<std::unique_ptr<Package>> read(const P &content) {
  std::vector<uint8_t> file = finishPackage(content);
  return Package::fromMemory(file.data(), file.size(), "toy.ftp");
}

struct Refusal {
  const char *name;
  std::function<void(P &)> change;
  const char *message; ///< must be part of the error
};
void PrintTo(const Refusal &refusal, std::ostream *out) { *out << refusal.name; }

class CudaRefused : public ::testing::TestWithParam<Refusal> {};

TEST_P(CudaRefused, WithAMessageThatNamesThePlace) {
  PackageMaker maker = withCubins();
  ASSERT_TRUE(read(maker.content));
  GetParam().change(maker.content);
  Result<std::unique_ptr<Package>> package = read(maker.content);
  ASSERT_FALSE(package);
  EXPECT_EQ(package.error().where, "toy.ftp");
  EXPECT_NE(package.error().message.find(GetParam().message), std::string::npos)
      << package.error().message;
  EXPECT_EQ(package.error().message.find('\n'), std::string::npos);
}

/// The batched launch: the last of train_step.
package::LaunchT &batched(P &p) { return *p.entries[0]->launches.back(); }

void setBytes(Operand &operand, uint64_t offset, uint64_t bytes) {
  operand = Operand(offset, bytes, operand.index(), operand.region());
}

const Refusal header[] = {
    {"arch", [](P &p) { p.arch = "x86-64-v3"; }, "arch: 'x86-64-v3' is no architecture of CUDA"},
    {"arch_short", [](P &p) { p.arch = "sm_9"; }, "arch: 'sm_9' is no"},
    {"arch_letter", [](P &p) { p.arch = "sm_90x"; }, "arch: 'sm_90x' is no"},
    {"code", [](P &p) { p.code = fakeCode(); }, "code: is for the target 'cpu'"},
    {"workspace", [](P &p) { p.product_workspace = uint64_t{1} << 50; }, "product_workspace: is"},
    {"workspace_reported", [](P &p) { p.memory->workspace = 64; },
     "memory.workspace: is 64 bytes, but product_workspace is 4096"},
};
INSTANTIATE_TEST_SUITE_P(Header, CudaRefused, ::testing::ValuesIn(header));

const Refusal kernels[] = {
    {"threads_none", [](P &p) { p.kernels[0]->threads = 0; },
     "kernel 0 'embed': threads is 0, not a multiple of 32"},
    {"threads_odd", [](P &p) { p.kernels[0]->threads = 48; }, "threads is 48"},
    {"threads_many", [](P &p) { p.kernels[0]->threads = 1056; }, "threads is 1056"},
    {"items", [](P &p) { p.kernels[0]->items = 0; }, "items is 0, below 1"},
    {"shared", [](P &p) { p.kernels[0]->shared_bytes = 232449; }, "shared_bytes is 232449, over"},
    {"symbol", [](P &p) { p.kernels[0]->symbol = "a-b"; }, "the symbol 'a-b' is no identifier"},
    {"symbol_digit", [](P &p) { p.kernels[0]->symbol = "1a"; }, "the symbol '1a' is no identifier"},
    {"product_types", [](P &p) { p.kernels[1]->args[1]->dtype = DType::bf16; },
     "kernel 1 'product': the operands of a product on a GPU are both f32 or both bf16, not f32 "
     "and bf16"},
    {"product_f16",
     [](P &p) { p.kernels[1]->args[0]->dtype = p.kernels[1]->args[1]->dtype = DType::f16; },
     "both f32 or both bf16, not f16 and f16"},
    {"product_result", [](P &p) { p.kernels[1]->args[2]->dtype = DType::bf16; },
     "argument 2 of this product is f32, write"},
    {"product_result_f16",
     [](P &p) {
       p.kernels[1]->args[0]->dtype = p.kernels[1]->args[1]->dtype = DType::bf16;
       p.kernels[1]->args[2]->dtype = DType::f16;
     },
     "argument 2 of this product is f32 or bf16, write"},
};
INSTANTIATE_TEST_SUITE_P(Kernels, CudaRefused, ::testing::ValuesIn(kernels));

const Refusal launches[] = {
    {"batch_none", [](P &p) { batched(p).batch = 0; }, "launch 6 of 'descend': batch is 0"},
    {"batch_operands", [](P &p) { batched(p).operands.pop_back(); },
     "has 9 operands, but the kernel has 5 arguments for each of 2 groups"},
    {"batch_single", [](P &p) { batched(p).batch = 1; }, "has 10 operands, but the kernel has 5"},
    {"batch_huge", [](P &p) { batched(p).batch = UINT32_MAX; }, "for each of 4294967295 groups"},
    {"batch_product",
     [](P &p) {
       package::LaunchT &product = *p.entries[0]->launches[1];
       product.batch = 2;
       product.grids = {1, 1};
     },
     "batch is 2, but only kernels of CUDA can be batched, and no product"},
    {"grids_missing", [](P &p) { batched(p).grids.clear(); }, "has 0 grids, but 2 groups"},
    {"grids_unasked", [](P &p) { p.entries[0]->launches[0]->grids = {24}; },
     "has 1 grids, but 1 group, whose"},
    {"grid_sum", [](P &p) { batched(p).grids[0] = 9; }, "its groups' add up to another number"},
    {"grid_none", [](P &p) { batched(p).grids[0] = 0; }, "grid 0 is 0, not within 1"},
    {"grid_negative", [](P &p) { batched(p).grids[1] = INT64_MIN; }, "grid 1 is -9223372036854"},
    {"grid_overflow", [](P &p) { batched(p).grids = {INT64_MAX, INT64_MAX}; }, "grid 0 is 92233"},
    {"blocks", [](P &p) { p.entries[0]->launches[0]->grid = int64_t{1} << 40; },
     "has 68719476736 blocks, over 2147483647"},
    {"arguments",
     [](P &p) {
       for (int i = 0; i < 12; ++i)
         p.kernels.back()->args.push_back(
             std::make_unique<package::KernelArgT>(*p.kernels.back()->args.back()));
     },
     "it is batched, but the kernel has 17 arguments, over 16"},
    {"overlap_of_groups", [](P &p) { setBytes(batched(p).operands[5], 0, 48); },
     "operands 0 and 5 overlap, and one of them is written"},
    {"outside", [](P &p) { setBytes(batched(p).operands[5], 1 << 20, 48); },
     "operand 5: lies at 1048576"},
};
INSTANTIATE_TEST_SUITE_P(Launches, CudaRefused, ::testing::ValuesIn(launches));

const Refusal code[] = {
    {"no_sources", [](P &p) { p.sources.clear(); }, "sources: are missing"},
    {"first_empty", [](P &p) { p.sources[0]->text.clear(); },
     "source 0 'kernels.cu': the text is empty"},
    {"nul", [](P &p) { p.sources[1]->text[3] = '\0'; }, "source 1 'toy/Sizes.h': the text is"},
    {"twice", [](P &p) { p.sources[1]->name = "kernels.cu"; }, "two are named 'kernels.cu'"},
    {"name", [](P &p) { p.sources[1]->name = ""; }, "source 1: the name is empty"},
    {"rooted", [](P &p) { p.sources[1]->name = "/etc/x.h"; }, "no path below a folder"},
    {"parent", [](P &p) { p.sources[1]->name = "a/../../x.h"; }, "no path below a folder"},
    {"folder", [](P &p) { p.sources[1]->name = "a/"; }, "no path below a folder"},
    {"cubin_arch", [](P &p) { p.cubins[1]->arch = "sm_1234"; },
     "cubin 1: arch 'sm_1234' is no architecture"},
    {"cubin_twice", [](P &p) { p.cubins[1]->arch = "sm_80"; }, "cubins: two are for 'sm_80'"},
    {"cubin_code", [](P &p) { p.cubins[0]->code.clear(); }, "cubin 0: is no 64-bit ELF image"},
    {"cubin_magic", [](P &p) { p.cubins[0]->code[0] = 0; }, "cubin 0: is no 64-bit ELF image"},
};
INSTANTIATE_TEST_SUITE_P(Code, CudaRefused, ::testing::ValuesIn(code));

TEST(CudaPackage, OtherTargetsHaveNoneOfIt) {
  PackageMaker maker = toyPackage(fakeCode());
  maker.content.product_workspace = 1;
  Result<std::unique_ptr<Package>> package = read(maker.content);
  ASSERT_FALSE(package);
  EXPECT_NE(package.error().message.find("are for the target 'cuda'"), std::string::npos);
  maker = toyPackage(fakeCode());
  splitIntoGroups(batched(maker.content), 8);
  package = read(maker.content);
  ASSERT_FALSE(package);
  EXPECT_NE(package.error().message.find("only kernels of CUDA can be batched"), std::string::npos);
}

TEST(CudaPackage, ProductsMayKeepTheTypeOfTheirOperands) {
  PackageMaker maker = cudaToy("// kernels\n");
  maker.gemm("half", 4, 4, 4, false, false, false, DType::bf16, DType::bf16);
  maker.content.kernels.back()->args[2]->dtype = DType::bf16;
  Result<std::unique_ptr<Package>> package = read(maker.content);
  EXPECT_TRUE(package) << package.error().str();
}

TEST(CudaPackage, InspectJson) {
  Result<std::unique_ptr<Package>> package = read(withCubins().content);
  ASSERT_TRUE(package);
  Result<json::Value> parsed = json::parse(inspectJson(**package), "inspect");
  ASSERT_TRUE(parsed) << parsed.error().str();
  EXPECT_EQ(*parsed->find("target")->asString(), "cuda");
  EXPECT_EQ(*parsed->find("arch")->asString(), "sm_90");
  const json::Value &cuda = *parsed->find("cuda");
  EXPECT_EQ(cuda.find("product_workspace")->asInt64(), 4096);
  ASSERT_EQ(cuda.find("sources")->elements().size(), 2u);
  EXPECT_EQ(*cuda.find("sources")->elements()[1].find("name")->asString(), "toy/Sizes.h");
  EXPECT_EQ(cuda.find("sources")->elements()[0].find("bytes")->asInt64(), 11);
  ASSERT_EQ(cuda.find("cubins")->elements().size(), 2u);
  EXPECT_EQ(*cuda.find("cubins")->elements()[1].find("arch")->asString(), "sm_90a");
  EXPECT_EQ(cuda.find("cubins")->elements()[1].find("bytes")->asInt64(), 64);
  const std::vector<json::Value> &kernels = parsed->find("kernels")->elements();
  const json::Value &descend = kernels.back(), &sum = kernels[3];
  EXPECT_EQ(*descend.find("name")->asString(), "descend");
  EXPECT_EQ(descend.find("threads")->asInt64(), 32);
  EXPECT_EQ(descend.find("items")->asInt64(), 8);
  EXPECT_EQ(descend.find("blocks")->asInt64(), 3); // 1 of 8 items, 2 of 12
  EXPECT_EQ(descend.find("batch")->asInt64(), 2);
  EXPECT_EQ(*sum.find("name")->asString(), "sum");
  EXPECT_EQ(sum.find("shared_bytes")->asInt64(), 128);
  EXPECT_EQ(kernels[1].find("threads"), nullptr); // a product
}

TEST(CudaPackage, InspectText) {
  Result<std::unique_ptr<Package>> package = read(withCubins().content);
  ASSERT_TRUE(package);
  std::string text = inspectText(**package);
  for (const char *part :
       {"target cuda sm_90",
        "  device code: 2 sources of 50 B, cubins for sm_80 (64 B), sm_90a (64 B)\n",
        "Launch shapes: largest launches of 5 kernels, by bytes\n",
        "  descend                                             3      32         8          0 B   "
        "   2\n",
        "of products, apart"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nis not in\n" << text;
  package = read(cudaToy("// kernels\n").content);
  ASSERT_TRUE(package);
  EXPECT_NE(inspectText(**package).find("no cubins: compiled when it is loaded"),
            std::string::npos);
}

} // namespace
