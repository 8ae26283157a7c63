//===- CudaRuntimeTest.cpp - packages for the target cuda ------------------===//
// Steps against the CPU's, tensors in and out, memory, code chosen and compiled, and errors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaFixture.h"

#include "../../../lib/Runtime/CudaModule.h"
#include "ftc/Support/DType.h"

#include <thread>

using namespace ftc;
using namespace ftc::test;

namespace {

class Cuda : public ::testing::Test {
protected:
  std::vector<float> table = toyTable();
  ftc_error error = {};

  ftc_result run(const InstancePtr &instance, const char *entry, const ToyBatch *batch,
                 const ftc_run &values) {
    ftc_batch view = {};
    if (batch)
      view = batch->view();
    ftc_result result = {-1, -1};
    EXPECT_EQ(
        ftc_run_entry(instance.get(), entry, batch ? &view : nullptr, &values, &result, &error),
        FTC_OK)
        << error.message;
    return result;
  }

  /// What creating an instance says.
  ftc_code create(const package::PackageT &content) {
    PackagePtr package = load(content);
    ftc_instance *instance = nullptr;
    ftc_code code = ftc_instance_create(package.get(), nullptr, &instance, &error);
    InstancePtr owned(instance);
    EXPECT_EQ(code == FTC_OK, instance != nullptr);
    return code;
  }
  void expectMessage(const std::string &part) {
    EXPECT_NE(std::string(error.message).find(part), std::string::npos) << error.message;
  }
};

TEST_F(Cuda, MeasuresThePeak) {
  PackagePtr package = load(cudaToy(cudaKernels()).content);
  InstancePtr instance = instanceOf(package, 0);
  uint64_t bytes = ftc_instance_bytes(instance.get());
  double peak = 0;
  ASSERT_EQ(ftc_measure_peak(instance.get(), 0.05, &peak, &error), FTC_OK) << error.message;
  EXPECT_GT(peak, 1e5);
  EXPECT_LT(peak, 1e16);
  EXPECT_EQ(ftc_instance_bytes(instance.get()), bytes);
}

TEST_F(Cuda, StepsAreThoseOfTheCpu) {
  PackagePtr packages[] = {load(cudaToy(cudaKernels()).content),
                           load(toyPackage(testKernels()).content)};
  InstancePtr gpu = instanceOf(packages[0], 0), cpu = instanceOf(packages[1], 1);
  bindToy(gpu, table);
  bindToy(cpu, table);
  EXPECT_EQ(readTensor(gpu, "w", Toy::width), readTensor(cpu, "w", Toy::width));
  ToyBatch batch, other(3);
  struct Call {
    const char *entry;
    const ToyBatch *batch;
  };
  for (int64_t step = 1; step <= 3; ++step)
    for (Call call :
         {Call{"train_step", &batch}, Call{"evaluate", &other}, Call{"accumulate", &batch},
          Call{"accumulate", &other}, Call{"update", nullptr}, Call{"gradients", &other}}) {
      SCOPED_TRACE(call.entry);
      ftc_run values = toyRun(step, 1.0 / 12);
      ftc_result ours = run(gpu, call.entry, call.batch, values);
      ftc_result theirs = run(cpu, call.entry, call.batch, values);
      EXPECT_NEAR(ours.loss, theirs.loss, 1e-5 * theirs.loss);
      EXPECT_NEAR(ours.grad_norm, theirs.grad_norm, 1e-5 * theirs.grad_norm);
      for (const char *name : {"w", "w.accumulator", "w.moment1"}) {
        std::vector<float> mine = readTensor(gpu, name, Toy::width),
                           yours = readTensor(cpu, name, Toy::width);
        for (size_t j = 0; j < Toy::width; ++j)
          EXPECT_NEAR(mine[j], yours[j], 1e-4 * (1 + std::fabs(yours[j]))) << name << ' ' << j;
      }
    }
}

TEST_F(Cuda, StepsRepeatBitForBit) {
  PackagePtr package = load(cudaToy(cudaKernels()).content);
  std::vector<float> results[2];
  for (std::vector<float> &result : results) {
    InstancePtr instance = instanceOf(package, 0);
    bindToy(instance, table);
    ToyBatch batch;
    for (int64_t step = 1; step <= 3; ++step)
      run(instance, "train_step", &batch, toyRun(step, 1.0 / 12));
    result = readTensor(instance, "w", Toy::width);
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST_F(Cuda, InstancesOnOtherThreads) {
  PackagePtr package = load(cudaToy(cudaKernels()).content);
  InstancePtr here = instanceOf(package, 0), moved = instanceOf(package, 0);
  ToyBatch batch;
  bindToy(here, table);
  ftc_result expected = run(here, "evaluate", &batch, toyRun(1, 1.0 / 12)), actual = {};
  std::thread([&] {
    bindToy(moved, table);
    actual = run(moved, "evaluate", &batch, toyRun(1, 1.0 / 12));
    moved.reset();
  }).join();
  EXPECT_EQ(actual.loss, expected.loss);
}

TEST_F(Cuda, TensorsInAndOut) {
  PackagePtr package = load(cudaToy(cudaKernels(), package::DType::bf16).content);
  InstancePtr instance = instanceOf(package, 0);
  std::vector<uint16_t> stored;
  for (float value : table)
    stored.push_back(f32ToBf16(value));
  const int64_t shape[] = {Toy::vocab, Toy::width};
  ASSERT_EQ(ftc_bind_tensor(instance.get(), "table", FTC_BF16, 2, shape, stored.data(), &error),
            FTC_OK)
      << error.message;
  std::vector<uint16_t> copied(stored.size());
  ASSERT_EQ(ftc_state_read(instance.get(), "table", copied.data(), copied.size() * 2, &error),
            FTC_OK);
  EXPECT_EQ(copied, stored);
  std::fill(stored.begin(), stored.end(), uint16_t{0x7fc0}); // the GPU has its own copy by now
  ASSERT_EQ(ftc_init_state(instance.get(), 3, &error), FTC_OK) << error.message;
  std::vector<float> cosines = readTensor(instance, "cos", 32);
  EXPECT_EQ(cosines[0], 0.5f);
  EXPECT_EQ(cosines[31], float(std::cos(15 * 0.25)) * 0.5f);
  std::vector<float> w(Toy::width, 0.25f);
  ASSERT_EQ(ftc_state_write(instance.get(), "w", w.data(), 80, &error), FTC_OK);
  EXPECT_EQ(readTensor(instance, "w", Toy::width), w);
  ToyBatch batch;
  ftc_result result = run(instance, "gradients", &batch, toyRun(1, 0.25));
  Expected expected = expectedOf(batch, table, w, 0.25); // the table is exact in bf16
  EXPECT_NEAR(result.loss, expected.loss, 1e-5 * expected.loss);
}

TEST_F(Cuda, FilesAreWidenedAndLetGo) {
  PackagePtr package = load(cudaToy(cudaKernels()).content);
  InstancePtr instance = instanceOf(package, 0);
  {
    TempDirectory directory;
    directory.write("model.safetensors",
                    {{{"table", ftc::DType::BF16, {Toy::vocab, Toy::width}}, table}});
    ASSERT_EQ(ftc_bind_directory(instance.get(), directory.path().c_str(), &error), FTC_OK)
        << error.message;
    directory.write("adapter_model.safetensors", {{{"adapter.w", ftc::DType::F32, {1, Toy::width}},
                                                   std::vector<float>(Toy::width, 2.0f)}});
    ASSERT_EQ(ftc_init_state(instance.get(), 3, &error), FTC_OK);
    ASSERT_EQ(ftc_load_adapter(instance.get(), directory.path().c_str(), &error), FTC_OK)
        << error.message;
  }
  EXPECT_EQ(readTensor(instance, "table", table.size()), table);
  EXPECT_EQ(readTensor(instance, "w", Toy::width), std::vector<float>(Toy::width, 2.0f));
}

TEST_F(Cuda, NotBoundIsNotRun) {
  PackagePtr package = load(cudaToy(cudaKernels()).content);
  InstancePtr instance = instanceOf(package, 0);
  ftc_run values = toyRun(1, 1);
  ToyBatch batch;
  ftc_batch view = batch.view();
  EXPECT_EQ(ftc_run_entry(instance.get(), "evaluate", &view, &values, nullptr, &error),
            FTC_NOT_BOUND);
}

TEST_F(Cuda, MemoryIsWhatIsSaidAndStaysSo) {
  TestDevice other;
  other.open();
  size_t before = other.freeBytes();
  PackageMaker maker = cudaToy(cudaKernels());
  std::vector<uint8_t> file = finishPackage(maker.content);
  PackagePtr package = load(maker.content);
  InstancePtr instance = instanceOf(package, 0);
  bindToy(instance, table);
  ToyBatch batch;
  run(instance, "train_step", &batch, toyRun(1, 1.0 / 12));
  size_t during = other.freeBytes();
  EXPECT_LT(during, before);
  for (int64_t step = 2; step <= 5; ++step)
    for (const char *entry : {"train_step", "accumulate", "evaluate", "gradients"})
      run(instance, entry, &batch, toyRun(step, 1.0 / 12));
  EXPECT_EQ(other.freeBytes(), during);
  // Weights of 880 bytes take 1024; two batched launches have two groups each; inputs of 36 and
  // three times 96 bytes, and two results; the largest tensor fits the memory for transfers.
  const package::Memory &plan = *package::GetSizePrefixedPackage(file.data())->memory();
  uint64_t tables = 2 * (2 * 136 + 3 * 8), boundary = 64 + 3 * 128 + 8;
  EXPECT_EQ(ftc_instance_bytes(instance.get()),
            plan.arena() + plan.state() + 1024 + 4096 + tables + boundary + 880);
  instance.reset();
  EXPECT_EQ(other.freeBytes(), before);
}

TEST_F(Cuda, MoreMemoryThanTheDeviceHas) {
  PackageMaker maker = cudaToy(cudaKernels());
  maker.tensor("large", Role::base, package::DType::f32, {int64_t{1} << 30, int64_t{1} << 20},
               InitKind::file);
  maker.sumUp();
  maker.content.memory->workspace = maker.content.product_workspace;
  EXPECT_EQ(create(maker.content), FTC_OUT_OF_MEMORY);
  expectMessage(" bytes of device memory (weights 4503599627371520, state 512, arena ");
  expectMessage(" free of ");
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

TEST_F(Cuda, ACubinNeedsNoCompiler) {
  TestDevice other;
  other.open();
  PackageMaker maker = cudaToy(cudaKernels());
  std::vector<uint8_t> file = finishPackage(maker.content);
  Result<std::unique_ptr<Package>> package = Package::fromMemory(file.data(), file.size());
  ASSERT_TRUE(package);
  Result<std::vector<char>> cubin = compileSources(**package, other.device.arch());
  ASSERT_TRUE(cubin) << cubin.error().str();
  maker.content.sources[0]->text = "this is no C++\n";
  maker.content.cubins.push_back(std::make_unique<package::CubinT>());
  maker.content.cubins.back()->arch = other.device.arch();
  maker.content.cubins.back()->code.assign(cubin->begin(), cubin->end());
  EXPECT_EQ(create(maker.content), FTC_OK) << error.message;
  // For a device of another generation it is of no use.
  maker.content.cubins.back()->arch = "sm_999";
  EXPECT_EQ(create(maker.content), FTC_UNSUPPORTED);
  expectMessage("has no code for " + other.device.name() + " (" + other.device.arch() +
                "): it has cubins for sm_999, and NVRTC cannot compile its sources for " +
                other.device.arch());
  expectMessage("\nnote: ");
}

TEST_F(Cuda, KernelsThatAreNotThere) {
  PackageMaker maker = cudaToy(cudaKernels());
  maker.content.kernels[0]->symbol = "absent";
  EXPECT_EQ(create(maker.content), FTC_INVALID_PACKAGE);
  expectMessage("its device code has no kernel 'absent'");
  maker = cudaToy(cudaKernels());
  maker.content.kernels.back()->symbol = "toy_embed"; // of which there is no batched form
  EXPECT_EQ(create(maker.content), FTC_INVALID_PACKAGE);
  expectMessage("its device code has no kernel 'toy_embed_batched'");
}

TEST_F(Cuda, AFailingLaunchIsNamed) {
  PackageMaker maker = cudaToy(cudaKernels() + R"(
FTC_KERNEL(broken, 32, const float *gradient, float *total, long long grid) {
  total[(threadIdx.x + 1ll) << 40] = *gradient;
}
)");
  maker.content.kernels[6]->symbol = "broken";
  maker.content.strings = {"model.norm"};
  for (bool wait : {false, true}) {
    ASSERT_EQ(::setenv("FTC_CUDA_SYNC", wait ? "1" : "0", 1), 0);
    PackagePtr package = load(maker.content);
    InstancePtr instance = instanceOf(package, 0);
    ::unsetenv("FTC_CUDA_SYNC");
    bindToy(instance, table);
    ToyBatch batch;
    ftc_batch view = batch.view();
    ftc_run values = toyRun(1, 1.0 / 12);
    EXPECT_EQ(ftc_run_entry(instance.get(), "train_step", &view, &values, nullptr, &error),
              FTC_INTERNAL);
    expectMessage("cannot run launch 5 of 'train_step' ('norm' at 'model.norm')");
    EXPECT_EQ(std::string(error.message).find("or one before it") == std::string::npos, wait)
        << error.message;
  }
}

class FittingCubin : public ::testing::Test {
protected:
  std::string choose(std::vector<const char *> archs, int major, int minor) {
    PackageMaker maker = cudaToy("//");
    for (const char *arch : archs) {
      maker.content.cubins.push_back(std::make_unique<package::CubinT>());
      maker.content.cubins.back()->arch = arch;
      maker.content.cubins.back()->code = testKernels();
    }
    std::vector<uint8_t> file = finishPackage(maker.content);
    Result<std::unique_ptr<Package>> package = Package::fromMemory(file.data(), file.size());
    EXPECT_TRUE(package) << package.error().str();
    std::optional<uint32_t> found = fittingCubin((*package)->root(), major, minor);
    return found ? archs[*found] : "none";
  }
};

TEST_F(FittingCubin, IsOfTheSameMajorAndNotNewer) {
  EXPECT_EQ(choose({"sm_80", "sm_90"}, 9, 0), "sm_90");
  EXPECT_EQ(choose({"sm_80", "sm_86", "sm_90"}, 8, 9), "sm_86");
  EXPECT_EQ(choose({"sm_86"}, 8, 0), "none");
  EXPECT_EQ(choose({"sm_90"}, 10, 0), "none");
  EXPECT_EQ(choose({"sm_100"}, 10, 3), "sm_100");
  EXPECT_EQ(choose({}, 9, 0), "none");
}

TEST_F(FittingCubin, OfExactlyThisDeviceIsBest) {
  EXPECT_EQ(choose({"sm_90", "sm_90a"}, 9, 0), "sm_90a");
  EXPECT_EQ(choose({"sm_100a"}, 10, 3), "none");
}

} // namespace
