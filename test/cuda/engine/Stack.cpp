//===- Stack.cpp - stacks of fibers, and the switch between them -----------===//
// x86-64, System V calling convention.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Stack.h"

#include <sys/mman.h>

#ifdef FTC_ON_CPU_ASAN
#include <sanitizer/asan_interface.h>
#endif

#ifndef __x86_64__
#error "the switch between fibers is written for x86-64"
#endif

namespace ftc_on_cpu {

namespace {
constexpr size_t pageBytes = 4096;
} // namespace

// The callee-saved registers; MXCSR and the x87 control word are the same in all fibers.
__asm__(R"(
.text
.globl ftc_on_cpu_switch
.type ftc_on_cpu_switch,@function
ftc_on_cpu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size ftc_on_cpu_switch, .-ftc_on_cpu_switch
)");

bool Stack::guards(const void *address) const {
  const char *byte = static_cast<const char *>(address);
  return byte >= bottom - pageBytes && byte < bottom;
}

StackPool::~StackPool() {
  for (const std::unique_ptr<Stack> &stack : all)
    munmap(stack->bottom - pageBytes, Stack::bytes + pageBytes);
}

Stack *StackPool::take() {
  if (!free.empty()) {
    Stack *stack = free.back();
    free.pop_back();
    return stack;
  }
  void *mapped = mmap(nullptr, Stack::bytes + pageBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    return nullptr;
  mprotect(mapped, pageBytes, PROT_NONE);
  char *bottom = static_cast<char *>(mapped) + pageBytes;
  // Tops in different cache sets: a thousand stacks at one offset would share a few of them.
  char *top = bottom + Stack::bytes - (all.size() % 32) * 128;
  all.push_back(std::make_unique<Stack>(Stack{bottom, top}));
  return all.back().get();
}

void StackPool::reclaim() {
  free.clear();
  for (const std::unique_ptr<Stack> &stack : all) {
#ifdef FTC_ON_CPU_ASAN
    // Frames that nobody returned from have left their red zones.
    __asan_unpoison_memory_region(stack->bottom, Stack::bytes);
#endif
    free.push_back(stack.get());
  }
}

void *prepareStack(Stack &stack, void (*entry)()) {
  void **pointer = reinterpret_cast<void **>(stack.top);
  *--pointer = nullptr; // the return address of `entry`: none, and the alignment that a call leaves
  *--pointer = reinterpret_cast<void *>(entry);
  for (int saved = 0; saved < 6; ++saved)
    *--pointer = nullptr;
  return pointer;
}

} // namespace ftc_on_cpu
