//===- CudaExecutionTest.cpp - CUDA execution against the interpreter -----===//
// All cases on the CUDA target, in f32 and in bf16: the real runtime and the printed kernels, on a
// GPU where FTC_CUDA_LIBRARY_PATH names real libraries, else on the stand-ins of test/cuda.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Execution.h"

#include <cstdlib>

static std::vector<Case> onCuda(std::vector<Case> cases) {
  // Before the first library is loaded; what the caller says goes first.
  ::setenv("FTC_CUDA_LIBRARY_PATH", FTC_STANDINS, /*overwrite=*/0);
  for (Case &one : cases) {
    one.target = "cuda";
    one.name += "_on_cuda";
  }
  return cases;
}

static std::vector<Case> cudaCases() {
  std::vector<Case> cases = allCases();
  cases.insert(cases.end(), bf16Cases().begin(), bf16Cases().end());
  return onCuda(cases);
}

static std::vector<Case> cudaLossCases() {
  std::vector<Case> cases = lossCases();
  for (const Case &one : lossCases()) {
    cases.push_back(one);
    cases.back().name += "_bf16";
    cases.back().train += R"(, "bf16": true)";
  }
  return onCuda(cases);
}

INSTANTIATE_TEST_SUITE_P(Cuda, Execution, ::testing::ValuesIn(cudaCases()),
                         [](const auto &info) { return std::string(info.param.name); });
INSTANTIATE_TEST_SUITE_P(Cuda, LossRows, ::testing::ValuesIn(cudaLossCases()),
                         [](const auto &info) { return std::string(info.param.name); });
