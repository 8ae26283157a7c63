//===- Faults.cpp - what the processor reports while a kernel runs ---------===//
// A fault in a fiber ends its launch with a message; everybody else's goes where it went before.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Engine.h"

#include <csignal>
#include <cstdlib>
#include <mutex>
#include <ucontext.h>

#ifdef FTC_ON_CPU_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace ftc_on_cpu {

namespace {

constexpr int signals[] = {SIGSEGV, SIGBUS, SIGFPE};
struct sigaction previous[sizeof signals / sizeof signals[0]];

struct Fault {
  int signal;
  const void *address;
  const char *instruction;
};
thread_local Fault lastFault;

// Runs on the fiber's stack, whose frames nobody needs any more.
void reportFault() {
  Fiber &fiber = *currentFiber();
  fiber.engine->blame(lastFault.instruction + 1);
  if (lastFault.signal == SIGFPE)
    fiber.engine->fail(fiber.place, "integer division by zero or overflow");
  if (fiber.stack->guards(lastFault.address))
    fiber.engine->fail(fiber.place, "the stack of the thread overflows (%zu KiB)",
                       Stack::bytes / 1024);
  fiber.engine->fail(fiber.place, "%s", fiber.engine->describeOutside(lastFault.address, 0));
}

void passOn(int signal) {
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; ++i)
    if (signals[i] == signal)
      sigaction(signal, &previous[i], nullptr); // and the instruction faults again
}

void handle(int signal, siginfo_t *info, void *context) {
  Fiber *fiber = currentFiber();
  if (!fiber || !fiber->stack) {
    passOn(signal);
    return;
  }
  greg_t *registers = static_cast<ucontext_t *>(context)->uc_mcontext.gregs;
  lastFault = {signal, info->si_addr, reinterpret_cast<const char *>(registers[REG_RIP])};
#ifdef FTC_ON_CPU_ASAN
  __asan_unpoison_memory_region(fiber->stack->bottom, Stack::bytes);
#endif
  // As if called: 8 bytes below a multiple of 16.
  registers[REG_RSP] = static_cast<greg_t>(reinterpret_cast<uintptr_t>(fiber->stack->top) - 8);
  registers[REG_RIP] = reinterpret_cast<greg_t>(&reportFault);
}

/// A stack for the handler, since the fiber's may be what overflowed.
struct HandlerStack {
  static constexpr size_t bytes = 64 * 1024;
  void *memory = nullptr;

  HandlerStack() {
    stack_t now;
    if (sigaltstack(nullptr, &now) != 0 || !(now.ss_flags & SS_DISABLE))
      return;
    memory = std::malloc(bytes);
    stack_t stack = {};
    stack.ss_sp = memory;
    stack.ss_size = bytes;
    if (memory)
      sigaltstack(&stack, nullptr);
  }
  ~HandlerStack() {
    if (!memory)
      return;
    stack_t none = {};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
    std::free(memory);
  }
};

} // namespace

void catchFaults() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; ++i)
      sigaction(signals[i], &action, &previous[i]);
  });
  static thread_local HandlerStack stack;
  (void)stack;
}

} // namespace ftc_on_cpu
