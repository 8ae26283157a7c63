//===- CudaUpdatesTest.cpp - updates within the backward, on CUDA ---------===//
// Some cases of full fine-tuning (compiling kernels takes seconds) in f32 and bf16: on a GPU where
// FTC_CUDA_LIBRARY_PATH names real libraries, else on the stand-ins of test/cuda.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Updates.h"

#include <cstdlib>

static std::string nameOf(const ::testing::TestParamInfo<Case> &info) { return info.param.name; }

static std::vector<Case> cudaCases(bool bf16) {
  // Before the first library is loaded; what the caller says goes first.
  ::setenv("FTC_CUDA_LIBRARY_PATH", FTC_STANDINS, /*overwrite=*/0);
  std::vector<Case> cases;
  for (const Case &one : updateCases(bf16, "cuda"))
    for (const char *name : {"full_biases_mqa", "full_tiles_and_chunks", "some_weights"})
      if (llvm::StringRef(one.name).starts_with(name))
        cases.push_back(one);
  return cases;
}

INSTANTIATE_TEST_SUITE_P(F32, NativeUpdates, ::testing::ValuesIn(cudaCases(false)), nameOf);
INSTANTIATE_TEST_SUITE_P(Bf16, NativeUpdates, ::testing::ValuesIn(cudaCases(true)), nameOf);
// Launches of equal kernels are one here; none of them may stand in front of a reader.
INSTANTIATE_TEST_SUITE_P(Bf16, Updates, ::testing::ValuesIn(cudaCases(true)), nameOf);
