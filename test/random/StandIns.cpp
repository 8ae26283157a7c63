//===- StandIns.cpp - CUDA without a GPU, for random programs -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "StandIns.h"

#include "CudaOnCpu.h"

#include <cstdlib>

void ftc::test::useStandIns() { ::setenv("FTC_CUDA_LIBRARY_PATH", FTC_STANDINS, /*overwrite=*/0); }

// Bytes of 0xff are floats that are not numbers, of 0x3e small ones.
void ftc::test::setOtherOrder(uint64_t seed) {
  ftc_on_cpu::setOrder(ftc_on_cpu::Order::Random, seed);
  ftc_on_cpu::setFill(0x3e);
}

void ftc::test::setUsualOrder() {
  ftc_on_cpu::setOrder(ftc_on_cpu::Order::Forward);
  ftc_on_cpu::setFill(0xff);
}
