//===- CpuGoldenTest.cpp - bf16 on the CPU against transformers + PEFT ----===//
// The golden cases in bf16 on the CPU target. Those in f32 are test/golden/*.test.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "GoldenExecution.h"

using CpuGolden = GoldenExecution;

TEST_P(CpuGolden, Bf16) { expectWithinPlainPrograms("cpu"); }

INSTANTIATE_TEST_SUITE_P(Cases, CpuGolden, ::testing::ValuesIn(kGoldenCases),
                         [](const auto &info) { return std::string(info.param); });
