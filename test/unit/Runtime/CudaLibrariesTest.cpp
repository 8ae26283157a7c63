//===- CudaLibrariesTest.cpp - a machine without CUDA ----------------------===//
// Packages of the target cuda load everywhere; running one says what is missing. NVRTC needs no
// GPU. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaFixture.h"

#include "../../../lib/Runtime/CudaModule.h"

#include <dlfcn.h>

using namespace ftc;
using namespace ftc::test;

namespace {

class NoCuda : public ::testing::Test {
protected:
  ftc_error error = {};

  /// What creating an instance of the toy says with libraries searched in `folders` first.
  ftc_code createWith(const std::string &folders) {
    ::setenv("FTC_CUDA_LIBRARY_PATH", folders.c_str(), 1);
    PackagePtr package = load(cudaToy(cudaKernels()).content);
    ftc_package_info info;
    ftc_package_get_info(package.get(), &info);
    EXPECT_STREQ(info.target, "cuda");
    ftc_instance *instance = nullptr;
    ftc_code code = ftc_instance_create(package.get(), nullptr, &instance, &error);
    ftc_instance_free(instance);
    ::unsetenv("FTC_CUDA_LIBRARY_PATH");
    return code;
  }
  void expectMessage(const char *part) {
    EXPECT_NE(std::string(error.message).find(part), std::string::npos) << error.message;
    EXPECT_EQ(std::string(error.message).find('\n'), std::string::npos) << error.message;
  }
};

TEST_F(NoCuda, IsSaidByWhatIsMissing) {
  if (void *driver = ::dlopen("libcuda.so.1", RTLD_LAZY)) {
    ::dlclose(driver);
    GTEST_SKIP() << "this machine has a CUDA driver";
  }
  EXPECT_EQ(createWith("/nowhere"), FTC_UNSUPPORTED);
  expectMessage("package: libcuda.so.1: cannot be loaded: ");
  expectMessage("; install NVIDIA's driver");
  expectMessage(", or name its folder in FTC_CUDA_LIBRARY_PATH; a package compiled with "
                "--target=cpu runs without it");
}

TEST_F(NoCuda, ALibraryThatIsNoDriver) {
  // A shared object of that name, in the second of two folders, without any function of the driver.
  TempDirectory directory;
  std::vector<uint8_t> image = testKernels();
  ASSERT_TRUE(writeFileAtomically(
      joinPath(directory.path(), "libcuda.so.1"),
      std::string_view(reinterpret_cast<const char *>(image.data()), image.size())));
  EXPECT_EQ(createWith("/nowhere::" + directory.path()), FTC_UNSUPPORTED);
  expectMessage("libcuda.so.1: has no function cuInit; ");
}

Result<std::vector<char>> compile(const std::string &source) {
  std::vector<uint8_t> file = finishPackage(cudaToy(source).content);
  Result<std::unique_ptr<Package>> package =
      Package::fromMemory(file.data(), file.size(), "toy.ftp");
  EXPECT_TRUE(package) << package.error().str();
  return compileSources(**package, "sm_80");
}

bool hasNvrtc() {
  const cuda::Nvrtc *nvrtc = nullptr;
  return bool(cuda::load(nvrtc));
}

TEST(Nvrtc, CompilesFromMemory) {
  if (!hasNvrtc())
    GTEST_SKIP() << "libnvrtc.so.13 is not on this machine";
  Result<std::vector<char>> cubin = compile(cudaKernels());
  ASSERT_TRUE(cubin) << formatError(cubin.error());
  ASSERT_GT(cubin->size(), 64u);
  EXPECT_EQ(std::string(cubin->data(), 4), "\x7f"
                                           "ELF");
}

TEST(Nvrtc, SaysWhatDoesNotCompile) {
  if (!hasNvrtc())
    GTEST_SKIP() << "libnvrtc.so.13 is not on this machine";
  Result<std::vector<char>> cubin =
      compile("#include \"toy/Sizes.h\"\n__device__ int f() { return undeclared; }\n");
  ASSERT_FALSE(cubin);
  EXPECT_EQ(cubin.error().str(),
            "toy.ftp: NVRTC cannot compile its sources for sm_80: NVRTC_ERROR_COMPILATION");
  ASSERT_FALSE(cubin.error().notes.empty());
  EXPECT_NE(cubin.error().notes[0].find("kernels.cu(2): error: identifier \"undeclared\""),
            std::string::npos)
      << cubin.error().notes[0];
}

} // namespace
