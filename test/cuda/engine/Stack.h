//===- Stack.h - stacks of fibers, and the switch between them -------------===//
// Stacks end in a guard page; the switch is written by hand, since ucontext makes two system calls.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_ENGINE_STACK_H
#define FTC_TEST_CUDA_ENGINE_STACK_H

#include "CudaOnCpu.h"

#include <memory>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define FTC_ON_CPU_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FTC_ON_CPU_ASAN 1
#endif
#endif

namespace ftc_on_cpu {

struct Stack {
  static constexpr size_t bytes =
#ifdef FTC_ON_CPU_ASAN
      256 * 1024;
#else
      64 * 1024;
#endif
  char *bottom; // lowest usable address; the guard page ends here
  char *top;

  bool guards(const void *address) const;
};

/// Stacks are mapped when first needed and kept.
class StackPool {
public:
  ~StackPool();

  /// Null when there is no more address space.
  Stack *take();
  void give(Stack *stack) { free.push_back(stack); }
  /// After an error: all of them are free, whoever had them.
  void reclaim();

private:
  std::vector<std::unique_ptr<Stack>> all;
  std::vector<Stack *> free;
};

/// Where the engine waits while fibers run.
struct SchedulerContext {
  void *stackPointer = nullptr;
  void *fakeStack = nullptr;
  const void *bottom = nullptr; // of its stack, as AddressSanitizer reports it
  size_t bytes = 0;
};

/// A stack pointer from which switchStack starts `entry` on `stack`.
void *prepareStack(Stack &stack, void (*entry)());

/// Saves the caller's registers on its stack, its stack pointer in *from, and continues at `to`.
extern "C" void ftc_on_cpu_switch(void **from, void *to);

} // namespace ftc_on_cpu

#endif // FTC_TEST_CUDA_ENGINE_STACK_H
