//===- StandIns.h - CUDA without a GPU, for random programs -----*- C++ -*-===//
// The stand-ins of test/cuda: where they are, and the order in which they run threads.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_RANDOM_STANDINS_H
#define FTC_TEST_RANDOM_STANDINS_H

#include <cstdint>

namespace ftc::test {

/// Has the runtime load the build's stand-ins, unless FTC_CUDA_LIBRARY_PATH names other libraries.
/// Before the first instance.
void useStandIns();

/// Blocks, and threads between barriers, in a random order from now on, and shared memory that
/// begins with other bytes. Means nothing to a GPU.
void setOtherOrder(uint64_t seed);
void setUsualOrder();

} // namespace ftc::test

#endif
