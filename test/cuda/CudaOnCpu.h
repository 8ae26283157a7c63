//===- CudaOnCpu.h - the CUDA execution model on the CPU -------------------===//
// Included before device code, compiles it as C++: the words of CUDA, and the checks behind them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// The threads of a block are cooperative fibers; blocks run one after the other. The engine is one
// shared library (libftc_cuda_on_cpu.so), so programs and kernels loaded at run time share it.
//
// A mistake of a kernel ends its launch: launch() returns an error number, and lastError() is one
// line, `FILE:LINE: kernel K, block B, thread T: what, and what would be right`, which also goes to
// standard error. README.md lists what is detected, and the environment variables.
//
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_CUDAONCPU_H
#define FTC_TEST_CUDA_CUDAONCPU_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#define FTC_ON_CPU 1

/// 1 where the compiler instruments loads and stores for the engine (ftc_check_cuda_code in
/// CMakeLists.txt, FTC_STANDIN_CHECK=1).
#ifndef FTC_ON_CPU_CHECKED
#define FTC_ON_CPU_CHECKED 0
#endif
#define FTC_ON_CPU_UNCHECKED __attribute__((no_sanitize("kernel-address")))

//===----------------------------------------------------------------------===//
// Built-in types
//===----------------------------------------------------------------------===//

struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct uint3 {
  unsigned x, y, z;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

//===----------------------------------------------------------------------===//
// The engine
//===----------------------------------------------------------------------===//

namespace ftc_on_cpu {

/// What a kernel sees of its block.
struct Block {
  uint3 index;
  dim3 size; // threads
  dim3 grid; // blocks
  unsigned char *shared;
  size_t sharedBytes;
};

/// What a kernel sees of its thread.
struct Thread {
  uint3 index;
  unsigned lane;
  unsigned warp;
  const Block *block;
};

/// The calling thread of a kernel. A call is `const` in the compiler's sense, since a fiber stays
/// the same thread as long as its kernel runs. Outside a kernel the program ends with a message.
[[gnu::const]] const Thread &self();

/// One kernel, as FTC_KERNEL describes it.
struct Kernel {
  const char *name;
  void (*run)(void **arguments); // arguments[i] points to argument i, as in cuLaunchKernel
  unsigned maxThreads;           // the launch bound
  unsigned arguments;
  const char *file;
  int line;
  const unsigned short *argumentBytes = nullptr; // the size of each argument
  bool checked = FTC_ON_CPU_CHECKED;             // its loads and stores are instrumented
};

/// Runs a grid of `blocks` x `threads`, one-dimensional, with exactly `sharedBytes` of dynamic
/// shared memory a block. Returns 0, or a number of CUDA's: 1 (invalid value: the launch itself is
/// wrong) or 719 (launch failure: a mistake found while it ran).
int launch(const Kernel &kernel, unsigned blocks, unsigned threads, size_t sharedBytes,
           void **arguments);

/// The first part of that: 1 where the launch itself is wrong.
int checkLaunch(const Kernel &kernel, unsigned blocks, unsigned threads, size_t sharedBytes);

/// The error line of the last launch of this process, "" when it was well.
const char *lastError();

/// The order in which the threads of a block, and the blocks, get their turn. A race shows as a
/// result that depends on it. The environment variable FTC_CUDA_ON_CPU_ORDER sets it as `forward`,
/// `reverse` or `random:SEED`.
enum class Order { Forward, Reverse, Random };
void setOrder(Order order, uint64_t seed = 1);

/// The byte that fills shared memory before each block (default 0xff, which makes every float a
/// NaN; FTC_CUDA_ON_CPU_FILL). Reading what nobody wrote shows as a result that depends on it.
void setFill(unsigned char byte);

/// Operating-system threads that share the blocks of a launch (default 1; FTC_CUDA_ON_CPU_THREADS).
void setThreads(unsigned count);

/// Runs every launch twice on the registered memory, the second time in reverse order and with
/// other fill bytes, and compares the memory (FTC_CUDA_ON_CPU_TWICE=1).
void setTwice(bool twice);

/// Device memory: with at least one range registered, checkRange and the access checks refuse
/// everything outside. `name` is used in messages.
void registerRange(const void *address, size_t bytes, const char *name);
void unregisterRange(const void *address);

/// True where [address, address + bytes) is in one registered range.
bool isRegistered(const void *address, size_t bytes);

//===----------------------------------------------------------------------===//
// Checks and primitives for device code
//===----------------------------------------------------------------------===//

/// Ends the launch with this message.
[[noreturn]] void fail(const char *message, const char *file = __builtin_FILE(),
                       int line = __builtin_LINE());

/// Ends the launch unless `address` is a multiple of `bytes`.
void misaligned(const void *address, size_t bytes, const char *file, int line);
inline void checkAligned(const void *address, size_t bytes, const char *file = __builtin_FILE(),
                         int line = __builtin_LINE()) {
  if (reinterpret_cast<uintptr_t>(address) % bytes)
    misaligned(address, bytes, file, line);
}

/// Ends the launch unless [address, address + bytes) is in registered memory, in the block's shared
/// memory or on this thread's stack.
void checkRange(const void *address, size_t bytes, const char *file = __builtin_FILE(),
                int line = __builtin_LINE());

/// __syncthreads.
void blockBarrier(const char *file = __builtin_FILE(), int line = __builtin_LINE());

/// What the lanes of a warp have given each other.
struct WarpSlots {
  static constexpr unsigned bytes = 64;
  alignas(16) unsigned char lane[32][bytes];

  template <typename T> T get(unsigned from) const {
    static_assert(sizeof(T) <= bytes && std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, lane[from], sizeof(T));
    return value;
  }
};

/// The collective under every warp instruction: each lane of `mask` gives `bytes` (at most 64) and
/// sees what all gave. All lanes of `mask` must call with the same mask, operation and place. The
/// result is valid until this lane's next exchange. `ordersMemory` as __syncwarp does; a shuffle
/// does not.
const WarpSlots &warpExchange(unsigned mask, const void *value, size_t bytes, const char *operation,
                              const char *file = __builtin_FILE(), int line = __builtin_LINE(),
                              bool ordersMemory = false);

/// cp.async of 4, 8 or 16 bytes (zeros unless `valid`), done no earlier than waitAsync allows.
void copyAsync(void *shared, const void *global, unsigned bytes, bool valid = true,
               const char *file = __builtin_FILE(), int line = __builtin_LINE());
/// cp.async.commit_group.
void commitAsync();
/// cp.async.wait_group: all but the newest `pending` groups are done.
void waitAsync(unsigned pending);

//===----------------------------------------------------------------------===//
// Behind the macros
//===----------------------------------------------------------------------===//

template <typename... P, size_t... I>
FTC_ON_CPU_UNCHECKED inline void callWith(void (*kernel)(P...), void **arguments,
                                          std::index_sequence<I...>) {
  (void)arguments;
  kernel(*static_cast<P *>(arguments[I])...);
}
template <typename... P>
FTC_ON_CPU_UNCHECKED inline void call(void (*kernel)(P...), void **arguments) {
  callWith(kernel, arguments, std::index_sequence_for<P...>());
}
template <typename... P> constexpr unsigned countArguments(void (*)(P...)) { return sizeof...(P); }
template <typename... P> constexpr unsigned short sizesOf[] = {sizeof(P)..., 0};
template <typename... P> constexpr const unsigned short *argumentSizes(void (*)(P...)) {
  return sizesOf<P...>;
}

template <typename... P, size_t... I>
inline int launchWith(const Kernel &kernel, unsigned blocks, unsigned threads, size_t sharedBytes,
                      std::tuple<P...> &values, std::index_sequence<I...>) {
  void *pointers[] = {
      const_cast<void *>(static_cast<const volatile void *>(&std::get<I>(values)))..., nullptr};
  return launch(kernel, blocks, threads, sharedBytes, pointers);
}
template <typename... P, typename... A>
inline int launchTyped(const Kernel &kernel, void (*)(P...), unsigned blocks, unsigned threads,
                       size_t sharedBytes, A &&...arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "a kernel takes all of its arguments");
  std::tuple<P...> values{static_cast<P>(arguments)...};
  return launchWith(kernel, blocks, threads, sharedBytes, values, std::index_sequence_for<P...>());
}

/// The lane that a shuffle reads; CUDA leaves reading a lane outside the mask undefined.
inline unsigned checkedLane(unsigned mask, unsigned lane, const char *file, int line) {
  if (!(mask >> lane & 1))
    fail("shuffle reads a lane outside its mask", file, line);
  return lane;
}
template <typename T>
inline T shuffle(unsigned mask, T value, int lane, int width, const char *file, int line) {
  const WarpSlots &slots = warpExchange(mask, &value, sizeof value, "__shfl_sync", file, line);
  unsigned from = (self().lane & ~unsigned(width - 1)) | (unsigned(lane) & unsigned(width - 1));
  return slots.get<T>(checkedLane(mask, from, file, line));
}
template <typename T>
inline T shuffleXor(unsigned mask, T value, int bits, int width, const char *file, int line) {
  const WarpSlots &slots = warpExchange(mask, &value, sizeof value, "__shfl_xor_sync", file, line);
  unsigned lane = self().lane, from = lane ^ unsigned(bits);
  if (from >= (lane & ~unsigned(width - 1)) + unsigned(width))
    from = lane;
  return slots.get<T>(checkedLane(mask, from, file, line));
}
template <typename T>
inline T shuffleDown(unsigned mask, T value, unsigned delta, int width, const char *file,
                     int line) {
  const WarpSlots &slots = warpExchange(mask, &value, sizeof value, "__shfl_down_sync", file, line);
  unsigned lane = self().lane, from = lane + delta;
  if (from >= (lane & ~unsigned(width - 1)) + unsigned(width))
    from = lane;
  return slots.get<T>(checkedLane(mask, from, file, line));
}
template <typename T>
inline T shuffleUp(unsigned mask, T value, unsigned delta, int width, const char *file, int line) {
  const WarpSlots &slots = warpExchange(mask, &value, sizeof value, "__shfl_up_sync", file, line);
  unsigned lane = self().lane, first = lane & ~unsigned(width - 1);
  unsigned from = lane >= first + delta ? lane - delta : lane;
  return slots.get<T>(checkedLane(mask, from, file, line));
}
inline unsigned ballot(unsigned mask, bool value, const char *file, int line) {
  const WarpSlots &slots = warpExchange(mask, &value, sizeof value, "__ballot_sync", file, line);
  unsigned bits = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1 && slots.get<bool>(lane))
      bits |= 1u << lane;
  return bits;
}

template <typename T>
inline T shuffleSite(const char *file, int line, unsigned mask, T value, int lane, int width = 32) {
  return shuffle(mask, value, lane, width, file, line);
}
template <typename T>
inline T shuffleXorSite(const char *file, int line, unsigned mask, T value, int bits,
                        int width = 32) {
  return shuffleXor(mask, value, bits, width, file, line);
}
template <typename T>
inline T shuffleDownSite(const char *file, int line, unsigned mask, T value, unsigned delta,
                         int width = 32) {
  return shuffleDown(mask, value, delta, width, file, line);
}
template <typename T>
inline T shuffleUpSite(const char *file, int line, unsigned mask, T value, unsigned delta,
                       int width = 32) {
  return shuffleUp(mask, value, delta, width, file, line);
}

struct Mask {
  unsigned lanes = 0xffffffffu;
  Mask() = default;
  Mask(unsigned lanes) : lanes(lanes) {}
};
inline void syncWarp(const char *file, int line, Mask mask) {
  warpExchange(mask.lanes, nullptr, 0, "__syncwarp", file, line, true);
}

} // namespace ftc_on_cpu

//===----------------------------------------------------------------------===//
// The words of CUDA
//===----------------------------------------------------------------------===//

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)

#define threadIdx (ftc_on_cpu::self().index)
#define blockIdx (ftc_on_cpu::self().block->index)
#define blockDim (ftc_on_cpu::self().block->size)
#define gridDim (ftc_on_cpu::self().block->grid)

// Macros, so that a message names the line of the call.
#define __syncthreads() ftc_on_cpu::blockBarrier(__FILE__, __LINE__)
#define __syncwarp(...) ftc_on_cpu::syncWarp(__FILE__, __LINE__, {__VA_ARGS__})
#define __shfl_sync(...) ftc_on_cpu::shuffleSite(__FILE__, __LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) ftc_on_cpu::shuffleXorSite(__FILE__, __LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) ftc_on_cpu::shuffleDownSite(__FILE__, __LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) ftc_on_cpu::shuffleUpSite(__FILE__, __LINE__, __VA_ARGS__)
#define __ballot_sync(mask, value) ftc_on_cpu::ballot(mask, value, __FILE__, __LINE__)

//===----------------------------------------------------------------------===//
// The words of ftc/Kernels/CUDA/Device.h
//===----------------------------------------------------------------------===//

#define FTC_DEVICE inline
#define FTC_UNROLL // unrolling would only make the compiler slower
#define FTC_SHARED(name) unsigned char *name = ftc_on_cpu::self().block->shared

// Defines NAME(arguments), NAME_on_cpu(void **) and the description NAME_on_cpu_kernel.
#define FTC_KERNEL(name, threads, ...)                                                             \
  extern "C" void name(__VA_ARGS__);                                                               \
  extern "C" FTC_ON_CPU_UNCHECKED void name##_on_cpu(void **arguments) {                           \
    ftc_on_cpu::call(&name, arguments);                                                            \
  }                                                                                                \
  extern "C" const ftc_on_cpu::Kernel name##_on_cpu_kernel;                                        \
  const ftc_on_cpu::Kernel name##_on_cpu_kernel = {#name,                                          \
                                                   &name##_on_cpu,                                 \
                                                   threads,                                        \
                                                   ftc_on_cpu::countArguments(&name),              \
                                                   __FILE__,                                       \
                                                   __LINE__,                                       \
                                                   ftc_on_cpu::argumentSizes(&name)};              \
  extern "C" void name(__VA_ARGS__)

// Runs at once; the stream is not used. Its value is that of ftc_on_cpu::launch.
#define FTC_LAUNCH(name, blocks, threads, sharedBytes, stream, ...)                                \
  ((void)(stream),                                                                                 \
   ftc_on_cpu::launchTyped(name##_on_cpu_kernel, &name, static_cast<unsigned>(blocks),             \
                           static_cast<unsigned>(threads), sharedBytes, __VA_ARGS__))

#endif // FTC_TEST_CUDA_CUDAONCPU_H
