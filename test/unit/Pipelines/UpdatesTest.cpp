//===- UpdatesTest.cpp - updates within the backward, on the CPU ----------===//
// Every case of full fine-tuning, interpreted in f32 and bf16 and compiled in f32.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Updates.h"

static std::string nameOf(const ::testing::TestParamInfo<Case> &info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(F32, Updates, ::testing::ValuesIn(updateCases(false, "cpu")), nameOf);
INSTANTIATE_TEST_SUITE_P(Bf16, Updates, ::testing::ValuesIn(updateCases(true, "cpu")), nameOf);
INSTANTIATE_TEST_SUITE_P(F32, NativeUpdates, ::testing::ValuesIn(updateCases(false, "cpu")),
                         nameOf);
