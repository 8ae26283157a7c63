//===- StandIns.h - the stand-in libraries, for tests ----------------------===//
// Loads them as programs load the real ones, by name and by symbol.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_STANDINS_H
#define FTC_TEST_CUDA_STANDINS_H

#include <gtest/gtest.h>

#include <cstdint>
#include <dlfcn.h>
#include <string>

/// One of the libraries in FTC_STANDINS.
class StandInLibrary {
public:
  explicit StandInLibrary(const char *file)
      : handle(dlopen((std::string(FTC_STANDINS "/") + file).c_str(), RTLD_NOW | RTLD_LOCAL)) {
    EXPECT_NE(handle, nullptr) << dlerror();
  }

  /// Calls a function; the arguments have exactly the types of the parameters. Its value is an int.
  template <typename... A> int operator()(const char *name, A... arguments) const {
    void *symbol = handle ? dlsym(handle, name) : nullptr;
    if (!symbol) {
      ADD_FAILURE() << "no function " << name;
      return -1;
    }
    return reinterpret_cast<int (*)(A...)>(symbol)(arguments...);
  }

private:
  void *handle;
};

/// The driver with a current context; and what it said on standard error.
class DriverTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_EQ(cuda("cuInit", 0u), 0);
    ASSERT_EQ(cuda("cuDevicePrimaryCtxRetain", &context, 0), 0);
    ASSERT_EQ(cuda("cuCtxSetCurrent", context), 0);
  }
  void TearDown() override {
    EXPECT_EQ(cuda("cuCtxSetCurrent", static_cast<void *>(nullptr)), 0);
    EXPECT_EQ(cuda("cuDevicePrimaryCtxRelease_v2", 0), 0);
  }

  /// The call is refused with this code and these words.
  template <typename Call> static void expectRefusal(int code, const char *words, Call call) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(call(), code);
    std::string said = testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find(words), std::string::npos) << said << "does not say " << words;
  }

  uint64_t allocate(size_t bytes) {
    uint64_t address = 0;
    EXPECT_EQ(cuda("cuMemAlloc_v2", &address, bytes), 0);
    return address;
  }
  void free(uint64_t address) { EXPECT_EQ(cuda("cuMemFree_v2", address), 0); }

  StandInLibrary cuda{"libcuda.so.1"};
  void *context = nullptr;
};

#endif // FTC_TEST_CUDA_STANDINS_H
