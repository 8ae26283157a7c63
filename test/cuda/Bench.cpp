//===- Bench.cpp - what threads, barriers and shuffles cost ---------------===//
// For people: `ninja cuda-on-cpu-bench`, then run it. Nanoseconds per thread.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaOnCpu.h"

#include <chrono>
#include <cstdio>

FTC_KERNEL(threads_only, 1024, long long *out, int count) {
  if (count < 0)
    *out = threadIdx.x;
}

FTC_KERNEL(barriers, 1024, long long *out, int count) {
  for (int i = 0; i < count; ++i)
    __syncthreads();
}

FTC_KERNEL(shuffles, 1024, long long *out, int count) {
  int value = static_cast<int>(threadIdx.x);
  for (int i = 0; i < count; ++i)
    value = __shfl_xor_sync(0xffffffffu, value, 1);
  if (value < 0)
    *out = value;
}

namespace {

template <typename Launch> double nanoseconds(Launch launch) {
  launch();
  double best = 1e30;
  for (int i = 0; i < 5; ++i) {
    auto start = std::chrono::steady_clock::now();
    launch();
    std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
    best = elapsed.count() < best ? elapsed.count() : best;
  }
  return best;
}

} // namespace

int main() {
  long long out = 0;
  constexpr unsigned blocks = 100;
  constexpr int times = 20;
  for (unsigned threads : {32u, 128u, 256u, 1024u}) {
    double all = double(blocks) * threads;
    double thread =
        nanoseconds([&] { (void)FTC_LAUNCH(threads_only, blocks, threads, 0, nullptr, &out, 0); });
    double first =
        nanoseconds([&] { (void)FTC_LAUNCH(barriers, blocks, threads, 0, nullptr, &out, 1); });
    double barrier = nanoseconds(
        [&] { (void)FTC_LAUNCH(barriers, blocks, threads, 0, nullptr, &out, times + 1); });
    double shuffle =
        nanoseconds([&] { (void)FTC_LAUNCH(shuffles, blocks, threads, 0, nullptr, &out, times); });
    std::printf("%4u threads: thread %5.1f ns, with a barrier %5.1f, a further barrier %5.1f, "
                "a shuffle %5.1f\n",
                threads, thread / all, first / all, (barrier - first) / all / times,
                (shuffle - thread) / all / times);
  }
  return 0;
}
