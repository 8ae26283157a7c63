//===- ExecutionTest.cpp - native execution against the interpreter -------===//
// All cases on the CPU target, in f32 and in bf16.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Execution.h"

INSTANTIATE_TEST_SUITE_P(Cases, Execution, ::testing::ValuesIn(allCases()),
                         [](const auto &info) { return std::string(info.param.name); });
INSTANTIATE_TEST_SUITE_P(Bf16, Execution, ::testing::ValuesIn(bf16Cases()),
                         [](const auto &info) { return std::string(info.param.name); });
INSTANTIATE_TEST_SUITE_P(Cases, LossRows, ::testing::ValuesIn(lossCases()),
                         [](const auto &info) { return std::string(info.param.name); });
