//===- PeakTest.cpp - operations needed, and operations a second -----------===//
// The toy's products by hand, and what measuring leaves as it was.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "RuntimeFixture.h"

#include <chrono>

using namespace ftc;
using namespace ftc::test;

namespace {

TEST(Peak, OperationsFollowTheTokens) {
  PackageMaker maker = toyPackage(testKernels());
  // The toy's launches cost 1 each: two products whose size is that of the tokens.
  for (auto &entry : maker.content.entries)
    for (auto &launch : entry->launches)
      if (maker.content.kernels[launch->kernel]->gemm)
        launch->flops = 2 * Toy::tokens * Toy::width;
  PackagePtr package = load(maker.content);
  InstancePtr instance = instanceOf(package, 1);
  ToyBatch source;
  ftc_batch batch = source.view();
  ftc_error error;
  double flops = 0;
  // Before anything is bound, too.
  ASSERT_EQ(ftc_batch_flops(instance.get(), &batch, &flops, &error), FTC_OK) << error.message;
  EXPECT_EQ(flops, 2.0 * 2 * 17 * Toy::width);
  batch.length = 9;
  batch.segments = 1;
  ASSERT_EQ(ftc_batch_flops(instance.get(), &batch, &flops, &error), FTC_OK) << error.message;
  EXPECT_EQ(flops, 2.0 * 2 * 9 * Toy::width);
  source.ids[3] = Toy::vocab;
  EXPECT_EQ(ftc_batch_flops(instance.get(), &batch, &flops, &error), FTC_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.message).find("input_ids[3]"), std::string::npos) << error.message;
}

TEST(Peak, IsMeasuredBesideTheInstance) {
  PackagePtr package = load(toyPackage(testKernels()).content);
  InstancePtr instance = instanceOf(package, 2);
  std::vector<float> table = toyTable();
  bindToy(instance, table);
  ToyBatch source;
  ftc_batch batch = source.view();
  ftc_run run = toyRun(1, 0.125);
  ftc_error error;
  ftc_result before = {}, after = {};
  ASSERT_EQ(ftc_run_entry(instance.get(), "evaluate", &batch, &run, &before, &error), FTC_OK);
  uint64_t bytes = ftc_instance_bytes(instance.get());
  double peak = 0;
  auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(ftc_measure_peak(instance.get(), 0.05, &peak, &error), FTC_OK) << error.message;
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took.count(), 0.05);
  // Between a machine of long ago and one that is not yet built.
  EXPECT_GT(peak, 1e7);
  EXPECT_LT(peak, 1e16);
  EXPECT_EQ(ftc_instance_bytes(instance.get()), bytes);
  ASSERT_EQ(ftc_run_entry(instance.get(), "evaluate", &batch, &run, &after, &error), FTC_OK);
  EXPECT_EQ(before.loss, after.loss);
}

TEST(Peak, RefusesWhatIsNoTime) {
  PackagePtr package = load(toyPackage(testKernels()).content);
  InstancePtr instance = instanceOf(package, 1);
  ftc_error error;
  double peak = 0;
  for (double seconds : {0.0, -1.0, 61.0, std::nan("")})
    EXPECT_EQ(ftc_measure_peak(instance.get(), seconds, &peak, &error), FTC_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.message).find("seconds: must be above 0 and at most 60"),
            std::string::npos)
      << error.message;
  EXPECT_EQ(ftc_measure_peak(nullptr, 1, &peak, &error), FTC_INVALID_ARGUMENT);
  EXPECT_EQ(ftc_measure_peak(instance.get(), 1, nullptr, &error), FTC_INVALID_ARGUMENT);
  EXPECT_EQ(ftc_batch_flops(instance.get(), nullptr, &peak, &error), FTC_INVALID_ARGUMENT);
}

} // namespace
