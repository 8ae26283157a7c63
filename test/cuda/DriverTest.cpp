//===- DriverTest.cpp - the stand-ins for the driver and NVRTC -------------===//
// A program compiled, loaded and launched as the runtime does it, and the mistakes on that way.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "StandIns.h"

#include <cstdlib>
#include <filesystem>
#include <vector>

namespace {

const char *const header = R"(
#ifndef SCALE_H
#define SCALE_H
FTC_DEVICE float scaled(float value, float factor) { return value * factor; }
#endif
)";

const char *const source = R"(
#include "device/Scale.h"

FTC_KERNEL(scale, 64, const float *in, float *out, float factor, long long grid) {
  long long i = blockIdx.x * 64ll + threadIdx.x;
  if (i < grid)
    out[i] = scaled(in[i], factor);
}

FTC_KERNEL(large, 32, float *out) {
  FTC_SHARED(memory);
  reinterpret_cast<float *>(memory)[threadIdx.x + 16 * 1024] = 1.0f;
  __syncthreads();
  out[threadIdx.x] = reinterpret_cast<float *>(memory)[16 * 1024 + 31 - threadIdx.x];
}

FTC_KERNEL(races, 32, float *out) {
  FTC_SHARED(memory);
  reinterpret_cast<float *>(memory)[threadIdx.x] = 1.0f;
  out[threadIdx.x] = reinterpret_cast<float *>(memory)[threadIdx.x ^ 1];
}

FTC_KERNEL(diverges, 32, float *out) {
  if (threadIdx.x < 7)
    __syncthreads();
}
)";

class Programs : public DriverTest {
protected:
  /// The image of a text, or "" with the log.
  std::string compile(const std::string &text, std::vector<const char *> options,
                      int expected = 0) {
    void *program = nullptr;
    const char *headers[] = {header}, *names[] = {"device/Scale.h"};
    const char *const *headerTexts = headers, *const *includeNames = names;
    const char *const *words = options.data();
    EXPECT_EQ(nvrtc("nvrtcCreateProgram", &program, text.c_str(), "kernels.cu", 1, headerTexts,
                    includeNames),
              0);
    EXPECT_EQ(nvrtc("nvrtcCompileProgram", program, static_cast<int>(options.size()), words),
              expected);
    size_t bytes = 0;
    EXPECT_EQ(nvrtc("nvrtcGetProgramLogSize", program, &bytes), 0);
    log.resize(bytes);
    EXPECT_EQ(nvrtc("nvrtcGetProgramLog", program, log.data()), 0);
    std::string image;
    if (!expected) {
      EXPECT_EQ(nvrtc("nvrtcGetCUBINSize", program, &bytes), 0) << log;
      image.resize(bytes);
      if (bytes)
        EXPECT_EQ(nvrtc("nvrtcGetCUBIN", program, image.data()), 0);
    }
    EXPECT_EQ(nvrtc("nvrtcDestroyProgram", &program), 0);
    return image;
  }

  void load(const char *arch = "--gpu-architecture=sm_90") {
    std::string image = compile(source, {arch, "--std=c++17"});
    ASSERT_EQ(libraryLoad(image), 0) << log;
  }
  int libraryLoad(const std::string &image) {
    int *options = nullptr;
    void **values = nullptr;
    return cuda("cuLibraryLoadData", &library, static_cast<const void *>(image.data()), options,
                values, 0u, options, values, 0u);
  }
  void unload() { EXPECT_EQ(cuda("cuLibraryUnload", library), 0); }

  void *kernel(const char *name) {
    void *found = nullptr;
    EXPECT_EQ(cuda("cuLibraryGetKernel", &found, library, name), 0);
    return found;
  }
  int launch(void *function, unsigned blocks, unsigned threads, unsigned shared, void **arguments) {
    return cuda("cuLaunchKernel", function, blocks, 1u, 1u, threads, 1u, 1u, shared, stream,
                arguments, static_cast<void **>(nullptr));
  }

  /// What heals a context that a launch has spoiled: everything in it is gone.
  void renewContext() {
    expectRefusal(0, "that nobody has freed",
                  [&] { return cuda("cuDevicePrimaryCtxRelease_v2", 0); });
    EXPECT_EQ(cuda("cuDevicePrimaryCtxRetain", &context, 0), 0);
  }

  StandInLibrary nvrtc{"libnvrtc.so.13"};
  std::string log;
  void *library = nullptr;
  void *stream = nullptr;
};

TEST_F(Programs, CompileLoadLaunch) {
  load();
  EXPECT_EQ(cuda("cuStreamCreate", &stream, 1u), 0);
  std::vector<float> in(1000), out(1000);
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = static_cast<float>(i);
  size_t bytes = in.size() * sizeof(float);
  uint64_t deviceIn = allocate(bytes), deviceOut = allocate(bytes);
  EXPECT_EQ(deviceIn % 256, 0u);
  EXPECT_EQ(
      cuda("cuMemcpyHtoDAsync_v2", deviceIn, static_cast<const void *>(in.data()), bytes, stream),
      0);
  float factor = 3;
  long long grid = 1000;
  void *arguments[] = {&deviceIn, &deviceOut, &factor, &grid};
  EXPECT_EQ(launch(kernel("scale"), 16, 64, 0, arguments), 0);
  EXPECT_EQ(cuda("cuMemcpyDtoHAsync_v2", static_cast<void *>(out.data()), deviceOut, bytes, stream),
            0);
  EXPECT_EQ(cuda("cuStreamSynchronize", stream), 0);
  for (size_t i = 0; i < in.size(); ++i)
    ASSERT_EQ(out[i], 3.0f * in[i]);
  EXPECT_EQ(cuda("cuStreamDestroy_v2", stream), 0);
  free(deviceIn);
  free(deviceOut);
  unload();
}

TEST_F(Programs, SharedMemoryBeyond48KiBIsOptedInto) {
  load();
  uint64_t out = allocate(128);
  void *arguments[] = {&out};
  void *large = kernel("large"), *function = nullptr;
  EXPECT_EQ(cuda("cuKernelGetFunction", &function, large), 0);
  unsigned bytes = (16 * 1024 + 32) * 4;
  expectRefusal(1, "set CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES",
                [&] { return launch(function, 1, 32, bytes, arguments); });
  expectRefusal(1, "this device has 232448",
                [&] { return cuda("cuKernelSetAttribute", 8, 240000, large, 0); });
  EXPECT_EQ(cuda("cuKernelSetAttribute", 8, static_cast<int>(bytes), large, 0), 0);
  EXPECT_EQ(launch(function, 1, 32, bytes, arguments), 0);
  float result[32] = {};
  EXPECT_EQ(cuda("cuMemcpyDtoH_v2", static_cast<void *>(result), out, sizeof result), 0);
  EXPECT_EQ(result[31], 1.0f);
  free(out);
  unload();
}

TEST_F(Programs, AFailedLaunchSpoilsTheContext) {
  load();
  uint64_t out = allocate(128);
  void *arguments[] = {&out};
  expectRefusal(719,
                "kernels.cu:25: kernel diverges, block 0, thread 7: barrier divergence: thread 0 "
                "waits here in __syncthreads and this thread has returned",
                [&] { return launch(kernel("diverges"), 1, 32, 0, arguments); });
  expectRefusal(719, "an earlier launch has failed",
                [&] { return cuda("cuStreamSynchronize", stream); });
  const char *name = nullptr;
  EXPECT_EQ(cuda("cuGetErrorName", 719, &name), 0);
  EXPECT_STREQ(name, "CUDA_ERROR_LAUNCH_FAILED");
  renewContext();
  EXPECT_EQ(cuda("cuStreamSynchronize", stream), 0);
  expectRefusal(1, "freed already", [&] { return cuda("cuMemFree_v2", out); });
  unload();
}

TEST_F(Programs, CodeThatDoesNotFit) {
  std::string other = compile(source, {"--gpu-architecture=sm_80"});
  expectRefusal(209, "the image is for sm_80, the device is sm_90",
                [&] { return libraryLoad(other); });
  expectRefusal(200, "not an image of the stand-in for NVRTC",
                [&] { return libraryLoad(std::string(64, 'x')); });
  load();
  void *found = nullptr;
  expectRefusal(500, "no kernel scales in this library",
                [&] { return cuda("cuLibraryGetKernel", &found, library, "scales"); });
  void *arguments[] = {nullptr, nullptr, nullptr, nullptr};
  expectRefusal(1, "kernel scale: argument 0 is null; it takes 4",
                [&] { return launch(kernel("scale"), 1, 64, 0, arguments); });
  expectRefusal(1, "kernel scale: a block of 128 threads; the launch bound is 64", [&] {
    uint64_t number = 0;
    void *four[] = {&number, &number, &number, &number};
    return launch(kernel("scale"), 1, 128, 0, four);
  });
  unload();
  expectRefusal(400, "no such library",
                [&] { return cuda("cuLibraryGetKernel", &found, library, "scale"); });
}

TEST_F(Programs, TextsThatDoNotCompile) {
  EXPECT_EQ(
      compile("FTC_KERNEL(bad, 32, int *out) { out = 1.5; }", {"--gpu-architecture=sm_90"}, 6), "");
  EXPECT_NE(log.find("kernels.cu:1:"), std::string::npos) << log;
  // NVRTC has no standard headers.
  compile("#include <math.h>\n", {"--gpu-architecture=sm_90"}, 6);
  EXPECT_NE(log.find("'math.h' file not found"), std::string::npos) << log;
  compile(source, {"--gpu-architecture=sm_90", "--resource-usage"}, 5);
  EXPECT_NE(log.find("unrecognized option --resource-usage"), std::string::npos) << log;
  // As NVRTC: a virtual architecture gives PTX only.
  EXPECT_EQ(compile(source, {"--gpu-architecture=compute_90"}), "");
}

TEST_F(Programs, EqualTextsAreCompiledOnce) {
  namespace fs = std::filesystem;
  fs::path cache = fs::path(testing::TempDir()) / ("ftc-cache-" + std::to_string(getpid()));
  setenv("FTC_STANDIN_CACHE", cache.c_str(), 1);
  auto count = [&] {
    auto files = fs::directory_iterator(cache);
    return std::distance(fs::begin(files), fs::end(files));
  };
  std::string text = "FTC_KERNEL(one, 32, int *out) { *out = 1; }";
  std::string first = compile(text, {"--gpu-architecture=sm_90"});
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(compile(text, {"--gpu-architecture=sm_90"}), first);
  EXPECT_EQ(count(), 1);
  compile(text + " ", {"--gpu-architecture=sm_90"});
  EXPECT_EQ(count(), 2);
  unsetenv("FTC_STANDIN_CACHE");
  fs::remove_all(cache);
}

TEST_F(Programs, KernelsStayInTheirBuffers) {
  load();
  uint64_t in = allocate(4096), out = allocate(4096);
  float factor = 1;
  long long grid = 1025; // one element too many, and behind 4096 bytes the page ends
  void *arguments[] = {&in, &out, &factor, &grid};
  expectRefusal(719, "block 16, thread 0: access at 0 bytes past the end of `allocation ",
                [&] { return launch(kernel("scale"), 17, 64, 0, arguments); });
  renewContext();
  unload();
}

TEST_F(Programs, KernelsAreChecked) {
#if FTC_TESTS_CHECK
  setenv("FTC_STANDIN_CHECK", "1", 1);
  load();
  unsetenv("FTC_STANDIN_CHECK");
  uint64_t out = allocate(128);
  void *arguments[] = {&out};
  expectRefusal(719,
                "kernels.cu:20: kernel races, block 0, thread 0: reads byte 4 of shared memory, "
                "which nobody has "
                "written",
                [&] { return launch(kernel("races"), 1, 32, 128, arguments); });
  renewContext();
  unload();
#else
  GTEST_SKIP() << "this compiler or build does not instrument loads and stores";
#endif
}

class Memory : public DriverTest {};

TEST_F(Memory, CopiesAndFills) {
  uint64_t a = allocate(100), b = allocate(100);
  unsigned char bytes[100];
  EXPECT_EQ(cuda("cuMemcpyDtoH_v2", static_cast<void *>(bytes), a, sizeof bytes), 0);
  EXPECT_EQ(bytes[99], 0xff); // nobody has written it
  void *stream = nullptr;
  unsigned char value = 7;
  EXPECT_EQ(cuda("cuMemsetD8Async", a, value, size_t(100), stream), 0);
  EXPECT_EQ(cuda("cuMemsetD32Async", a + 4, 0x01020304u, size_t(2), stream), 0);
  EXPECT_EQ(cuda("cuMemcpyDtoDAsync_v2", b, a, size_t(100), stream), 0);
  EXPECT_EQ(cuda("cuMemcpyDtoHAsync_v2", static_cast<void *>(bytes), b, sizeof bytes, stream), 0);
  EXPECT_EQ(bytes[3], 7);
  EXPECT_EQ(bytes[4], 4);
  EXPECT_EQ(bytes[11], 1);
  EXPECT_EQ(bytes[12], 7);
  free(a);
  free(b);
}

// Run once more with FTC_STANDIN_LAZY=1, where work waits until somebody asks for it.
class Late : public DriverTest {
protected:
  void SetUp() override {
    DriverTest::SetUp();
    for (void *&stream : streams)
      ASSERT_EQ(cuda("cuStreamCreate", &stream, 1u), 0);
    device = allocate(sizeof(int));
    ASSERT_EQ(cuda("cuMemHostAlloc", &pinned, sizeof(int), 0u), 0);
  }
  void TearDown() override {
    for (void *stream : streams)
      EXPECT_EQ(cuda("cuStreamDestroy_v2", stream), 0);
    free(device);
    EXPECT_EQ(cuda("cuMemFreeHost", pinned), 0);
    DriverTest::TearDown();
  }
  int upload(const void *from, void *stream) {
    return cuda("cuMemcpyHtoDAsync_v2", device, from, sizeof(int), stream);
  }
  int fill(unsigned value, void *stream) {
    return cuda("cuMemsetD32Async", device, value, size_t(1), stream);
  }
  int onDevice() {
    int value = 0;
    EXPECT_EQ(cuda("cuMemcpyDtoH_v2", static_cast<void *>(&value), device, sizeof value), 0);
    return value;
  }

  const bool isLazy = std::getenv("FTC_STANDIN_LAZY") != nullptr;
  void *streams[2] = {};
  uint64_t device = 0;
  void *pinned = nullptr;
};

TEST_F(Late, PinnedMemoryIsReadWhenTheCopyRuns) {
  int &number = *static_cast<int *>(pinned);
  number = 1;
  EXPECT_EQ(upload(pinned, streams[0]), 0);
  number = 2; // too early: a mistake that only a late copy shows
  EXPECT_EQ(cuda("cuStreamSynchronize", streams[0]), 0);
  EXPECT_EQ(onDevice(), isLazy ? 2 : 1);
  EXPECT_EQ(cuda("cuMemcpyDtoHAsync_v2", pinned, device, sizeof(int), streams[0]), 0);
  EXPECT_EQ(fill(3, streams[0]), 0);
  number = 0;
  EXPECT_EQ(cuda("cuStreamSynchronize", streams[0]), 0);
  EXPECT_EQ(number, isLazy ? 2 : 0);
}

TEST_F(Late, PageableMemoryIsReadAtOnce) {
  int number = 1;
  EXPECT_EQ(upload(&number, streams[0]), 0);
  number = 2;
  EXPECT_EQ(cuda("cuStreamSynchronize", streams[0]), 0);
  EXPECT_EQ(onDevice(), 1);
}

TEST_F(Late, EventsOrderStreams) {
  void *event = nullptr;
  EXPECT_EQ(cuda("cuEventCreate", &event, 0u), 0);
  EXPECT_EQ(fill(1, streams[0]), 0);
  EXPECT_EQ(cuda("cuEventRecord", event, streams[0]), 0);
  EXPECT_EQ(cuda("cuStreamWaitEvent", streams[1], event, 0u), 0);
  EXPECT_EQ(fill(2, streams[1]), 0);
  EXPECT_EQ(cuda("cuStreamSynchronize", streams[1]), 0);
  EXPECT_EQ(onDevice(), 2);
  // Without the event nothing says which comes first; lazily it is the one that is waited for.
  EXPECT_EQ(fill(3, streams[0]), 0);
  EXPECT_EQ(fill(4, streams[1]), 0);
  EXPECT_EQ(cuda("cuStreamSynchronize", streams[1]), 0);
  EXPECT_EQ(cuda("cuStreamSynchronize", streams[0]), 0);
  EXPECT_EQ(onDevice(), isLazy ? 3 : 4);
  EXPECT_EQ(cuda("cuEventDestroy_v2", event), 0);
}

TEST_F(Memory, MistakesAreRefused) {
  uint64_t a = allocate(100);
  unsigned char bytes[200] = {};
  const void *from = bytes;
  void *to = bytes, *stream = nullptr;
  expectRefusal(1, "101 bytes at offset 0 of an allocation of 100",
                [&] { return cuda("cuMemcpyHtoD_v2", a, from, size_t(101)); });
  expectRefusal(1, "10 bytes at offset 95 of an allocation of 100",
                [&] { return cuda("cuMemcpyDtoHAsync_v2", to, a + 95, size_t(10), stream); });
  expectRefusal(1, "is no device memory", [&] {
    return cuda("cuMemcpyHtoD_v2", reinterpret_cast<uint64_t>(bytes), from, size_t(10));
  });
  expectRefusal(1, "the host's side of the copy is device memory", [&] {
    return cuda("cuMemcpyHtoD_v2", a, reinterpret_cast<const void *>(a + 50), size_t(10));
  });
  expectRefusal(1, "overlap", [&] { return cuda("cuMemcpyDtoD_v2", a, a + 5, size_t(10)); });
  expectRefusal(400, "no such stream",
                [&] { return cuda("cuMemcpyHtoDAsync_v2", a, from, size_t(1), to); });
  expectRefusal(1, "is no allocation", [&] { return cuda("cuMemFree_v2", a + 1); });
  free(a);
  expectRefusal(1, "freed already", [&] { return cuda("cuMemFree_v2", a); });
  expectRefusal(1, "is no device memory, or no more",
                [&] { return cuda("cuMemcpyHtoD_v2", a, from, size_t(1)); });
}

TEST_F(Memory, EndsSomewhere) {
  size_t free = 0, total = 0;
  EXPECT_EQ(cuda("cuMemGetInfo_v2", &free, &total), 0);
  EXPECT_EQ(free, total);
  uint64_t a = 0;
  EXPECT_EQ(cuda("cuMemAlloc_v2", &a, total + 1), 2);
  void *pinned = nullptr;
  EXPECT_EQ(cuda("cuMemHostAlloc", &pinned, size_t(1000), 0u), 0);
  EXPECT_EQ(cuda("cuMemFreeHost", pinned), 0);
  expectRefusal(1, "freed already", [&] { return cuda("cuMemFreeHost", pinned); });
}

TEST_F(Memory, NeedsAContext) {
  EXPECT_EQ(cuda("cuCtxSetCurrent", static_cast<void *>(nullptr)), 0);
  uint64_t a = 0;
  expectRefusal(201, "no context is current on this thread",
                [&] { return cuda("cuMemAlloc_v2", &a, size_t(100)); });
  EXPECT_EQ(cuda("cuCtxSetCurrent", context), 0);
  int strange = 0;
  expectRefusal(1, "attribute 12345, which the stand-in does not know",
                [&] { return cuda("cuDeviceGetAttribute", &strange, 12345, 0); });
}

TEST_F(Memory, TheDeviceIsWhatIsAskedFor) {
  int major = 0, shared = 0;
  EXPECT_EQ(cuda("cuDeviceGetAttribute", &major, 75, 0), 0);
  EXPECT_EQ(cuda("cuDeviceGetAttribute", &shared, 97, 0), 0);
  EXPECT_EQ(major, 9);
  EXPECT_EQ(shared, 227 * 1024);
  void *function = nullptr;
  int status = -1;
  EXPECT_EQ(cuda("cuGetProcAddress_v2", "cuMemAlloc", &function, 13000, uint64_t(0), &status), 0);
  EXPECT_NE(function, nullptr);
  EXPECT_EQ(status, 0);
}

TEST_F(Memory, StreamsAndEvents) {
  void *stream = nullptr, *first = nullptr, *last = nullptr;
  EXPECT_EQ(cuda("cuStreamCreate", &stream, 1u), 0);
  EXPECT_EQ(cuda("cuEventCreate", &first, 0u), 0);
  EXPECT_EQ(cuda("cuEventCreate", &last, 0u), 0);
  EXPECT_EQ(cuda("cuEventRecord", first, stream), 0);
  float milliseconds = -1;
  expectRefusal(400, "never recorded",
                [&] { return cuda("cuEventElapsedTime_v2", &milliseconds, first, last); });
  EXPECT_EQ(cuda("cuEventRecord", last, stream), 0);
  EXPECT_EQ(cuda("cuEventElapsedTime_v2", &milliseconds, first, last), 0);
  EXPECT_GE(milliseconds, 0.0f);
  EXPECT_EQ(cuda("cuStreamWaitEvent", stream, last, 0u), 0);
  EXPECT_EQ(cuda("cuEventDestroy_v2", first), 0);
  EXPECT_EQ(cuda("cuEventDestroy_v2", last), 0);
  expectRefusal(400, "no such event", [&] { return cuda("cuEventSynchronize", last); });
  EXPECT_EQ(cuda("cuStreamDestroy_v2", stream), 0);
  expectRefusal(400, "no such stream", [&] { return cuda("cuStreamSynchronize", stream); });
}

} // namespace
