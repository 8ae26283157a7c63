//===- AllocationTest.cpp - what is planned, and nothing in a step ---------===//
// Counts malloc and mmap calls of the whole process, OpenBLAS's included, and their bytes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaFixture.h"

#include <algorithm>
#include <atomic>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

std::atomic<bool> counting{false};
std::atomic<int> calls{0};
std::atomic<uint64_t> heapBytes{0}; ///< asked for, whatever was freed meanwhile
std::atomic<uint64_t> pages[64];    ///< lengths of mappings that may be written
std::atomic<unsigned> mappings{0};

void noteCall() {
  if (counting.load(std::memory_order_relaxed))
    calls.fetch_add(1, std::memory_order_relaxed);
}
void noteHeap(size_t bytes) {
  noteCall();
  if (counting.load(std::memory_order_relaxed))
    heapBytes.fetch_add(bytes, std::memory_order_relaxed);
}
void notePages(size_t bytes, int protection) {
  noteCall();
  if (counting.load(std::memory_order_relaxed) && (protection & PROT_WRITE))
    pages[mappings.fetch_add(1) % std::size(pages)] = bytes;
}

} // namespace

// The C library's own, under the names that its malloc's replacement leaves reachable.
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

void *malloc(size_t size) {
  noteHeap(size);
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  noteHeap(count * size);
  return __libc_calloc(count, size);
}
void *realloc(void *memory, size_t size) {
  noteHeap(size);
  return __libc_realloc(memory, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  noteHeap(size);
  return __libc_memalign(alignment, size);
}
void *memalign(size_t alignment, size_t size) {
  noteHeap(size);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void **memory, size_t alignment, size_t size) {
  noteHeap(size);
  *memory = __libc_memalign(alignment, size);
  return *memory ? 0 : 12;
}
void free(void *memory) { __libc_free(memory); }
void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  notePages(length, protection);
  return reinterpret_cast<void *>(
      syscall(SYS_mmap, address, length, protection, flags, descriptor, offset));
}
}

using namespace ftc;
using namespace ftc::test;

namespace {

TEST(Allocation, TheCountersCount) {
  calls = 0;
  counting = true;
  // Through a volatile, since the compiler may leave out what is freed at once.
  void *volatile kept = malloc(10);
  free(kept);
  int *volatile number = new int(3);
  delete number;
  void *page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  counting = false;
  munmap(page, 4096);
  EXPECT_EQ(calls, 3);
}

/// What creating an instance takes: the lengths of its writable mappings, and bytes of the heap.
struct Taken {
  std::vector<uint64_t> mapped;
  uint64_t heap = 0, reported = 0;
};

Taken takenBy(const PackageMaker &maker, int threads) {
  PackagePtr package = load(maker.content);
  heapBytes = 0;
  mappings = 0;
  counting = true;
  InstancePtr instance = instanceOf(package, threads);
  counting = false;
  Taken taken;
  taken.heap = heapBytes;
  taken.reported = ftc_instance_bytes(instance.get());
  for (unsigned i = 0; i < mappings; ++i)
    taken.mapped.push_back(pages[i]);
  return taken;
}

/// Arena, state and scratch as the package's certificate has them, and of the heap nothing that
/// grows with them.
TEST(Allocation, AnInstanceTakesWhatIsPlanned) {
  auto maker = [](uint64_t more) {
    PackageMaker toy = toyPackage(testKernels());
    toy.content.kernels[0]->scratch_bytes = 100 + more;
    package::EntryT &step = *toy.content.entries[0];
    step.live.back()->bytes += alignedBytes(more);
    PackageMaker::buffer(step, more);
    toy.sumUp();
    return toy;
  };
  for (int threads : {1, 2}) {
    (void)takenBy(maker(0), threads); // what the process takes once
    Taken small = takenBy(maker(0), threads), large = takenBy(maker(123456789), threads);
    for (const auto &[taken, more] : {std::pair(small, 0), std::pair(large, 123456789)}) {
      const package::MemoryT memory = *maker(static_cast<uint64_t>(more)).content.memory;
      uint64_t scratch = memory.workspace * static_cast<uint64_t>(threads);
      EXPECT_EQ(taken.reported, memory.arena + memory.state + scratch);
      std::vector<uint64_t> rest;
      std::vector<uint64_t> planned = {memory.arena, memory.state, scratch};
      for (uint64_t bytes : taken.mapped)
        if (auto found = std::find(planned.begin(), planned.end(), bytes); found != planned.end())
          planned.erase(found);
        else
          rest.push_back(bytes);
      EXPECT_TRUE(planned.empty()) << planned.size() << " parts were not mapped";
      EXPECT_TRUE(rest.empty()) << rest.front();
    }
    EXPECT_EQ(small.heap, large.heap);
    EXPECT_LT(small.heap, 65536u);
  }
}

TEST(Allocation, StepsOfTheToy) {
  PackagePtr package = load(toyPackage(testKernels()).content);
  for (int threads : {1, 2}) {
    InstancePtr instance = instanceOf(package, threads);
    std::vector<float> table = toyTable();
    bindToy(instance, table);
    ToyBatch batch;
    ftc_batch view = batch.view();
    ftc_run run = toyRun(1, 1.0 / 12);
    ftc_result result;
    ftc_error error;
    for (int step = 0; step < 5; ++step) {
      calls = 0;
      counting = step > 0;
      bool ok = true;
      int64_t items;
      for (const char *entry : {"train_step", "accumulate", "update", "evaluate", "gradients"})
        ok &= ftc_run_entry(instance.get(), entry,
                            std::string_view(entry) == "update" ? nullptr : &view, &run, &result,
                            &error) == FTC_OK;
      ok &= ftc_batch_items(instance.get(), &view, &items, &error) == FTC_OK;
      counting = false;
      ASSERT_TRUE(ok) << error.message;
      EXPECT_EQ(calls, 0) << "step " << step << " with " << threads << " threads";
    }
  }
}

/// Products large enough for OpenBLAS's buffers, in tiles and panels on both threads.
TEST(Allocation, StepsOfLargeProducts) {
  PackageMaker maker(1, 4, 1, 2);
  auto input = [&](const char *name, package::DType dtype, std::vector<int64_t> shape) {
    maker.tensor(name, Role::trainable, dtype, std::move(shape), InitKind::kaiming_uniform);
  };
  input("a", package::DType::f32, {512, 1500});
  input("b", package::DType::bf16, {1200, 1500});
  maker.tensor("c", Role::trainable, package::DType::f32, {512, 1200}, InitKind::zeros);
  uint32_t kernel = maker.gemm("p", 512, 1200, 1500, false, true, false, package::DType::f32,
                               package::DType::bf16);
  package::EntryT &entry = maker.entry("work");
  for (int i = 0; i < 3; ++i)
    maker.launch(entry, kernel, 1, {maker.place("a"), maker.place("b"), maker.place("c")});
  maker.sumUp();
  PackagePtr package = load(maker.content);
  InstancePtr instance = instanceOf(package, 2);
  ftc_error error;
  ASSERT_EQ(ftc_init_state(instance.get(), 9, &error), FTC_OK);
  ftc_run run = toyRun(1, 1);
  for (int step = 0; step < 5; ++step) {
    calls = 0;
    counting = step > 0;
    ftc_code code = ftc_run_entry(instance.get(), "work", nullptr, &run, nullptr, &error);
    counting = false;
    ASSERT_EQ(code, FTC_OK) << error.message;
    EXPECT_EQ(calls, 0) << "step " << step;
  }
}

/// A function of the stand-ins for CUDA's libraries, whose own allocations do not count.
/// `Which`: two functions of one type have an original each.
template <int Which, class Result, class... Parameters> struct Uncounted {
  using Function = Result (*)(Parameters...);
  static Function original;
  static Result call(Parameters... arguments) {
    bool before = counting.exchange(false);
    Result result = original(arguments...);
    counting = before;
    return result;
  }
};
template <int Which, class Result, class... Parameters>
typename Uncounted<Which, Result, Parameters...>::Function
    Uncounted<Which, Result, Parameters...>::original;

template <int Which, class Result, class... Parameters>
void doNotCount(Result (*const &entry)(Parameters...)) {
  using Wrapper = Uncounted<Which, Result, Parameters...>;
  Wrapper::original = entry;
  const_cast<Result (*&)(Parameters...)>(entry) = Wrapper::call;
}

TEST(Allocation, StepsOnAGpu) {
  const cuda::Driver *driver = nullptr;
  const cuda::BlasLt *blas = nullptr;
  TestDevice::expectOk(cuda::load(driver));
  TestDevice::expectOk(cuda::load(blas));
  ASSERT_TRUE(driver && blas);
  doNotCount<0>(driver->launchKernel);
  doNotCount<1>(blas->matmul);
  doNotCount<2>(driver->copyToDevice);
  doNotCount<3>(driver->copyToHost);
  doNotCount<4>(driver->streamSynchronize);
  PackagePtr package = load(cudaToy(cudaKernels()).content);
  InstancePtr instance = instanceOf(package, 0);
  bindToy(instance, toyTable());
  ToyBatch batch;
  ftc_batch view = batch.view();
  ftc_run run = toyRun(1, 1.0 / 12);
  ftc_result result;
  ftc_error error;
  for (int step = 0; step < 5; ++step) {
    calls = 0;
    counting = step > 0;
    bool ok = true;
    for (const char *entry : {"train_step", "accumulate", "update", "evaluate", "gradients"})
      ok &= ftc_run_entry(instance.get(), entry,
                          std::string_view(entry) == "update" ? nullptr : &view, &run, &result,
                          &error) == FTC_OK;
    counting = false;
    ASSERT_TRUE(ok) << error.message;
    EXPECT_EQ(calls, 0) << "step " << step;
  }
}

} // namespace
