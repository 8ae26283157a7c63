//===- TruncationHandlerTest.cpp - tests of files cut off while mapped -----===//
// An error line and exit status 1 for our mappings; every other SIGBUS as before.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/TruncationHandler.h"

#include "TestFiles.h"
#include "ftc/Support/MappedFile.h"

#include <csignal>
#include <cstdio>
#include <optional>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace ftc;

namespace {

constexpr uint64_t fileBytes = 40000;

class TruncationHandler : public ::testing::Test {
protected:
  test::TempDirectory directory;
  std::string path = directory.write("weights.bin", std::string(fileBytes, 'w'));

  Result<MappedFile> map() const { return MappedFile::open(path); }
  void cut(off_t bytes) const { ASSERT_EQ(::truncate(path.c_str(), bytes), 0); }
};

/// A sanitizer has a handler of its own: the default action is what is tested.
void install() {
  std::signal(SIGBUS, SIG_DFL);
  installTruncationHandler();
}

int readByte(const uint8_t *address) { return *static_cast<const volatile uint8_t *>(address); }

TEST_F(TruncationHandler, NamesTheFile) {
  Result<MappedFile> other = MappedFile::open(directory.write("other.bin", "other"));
  Result<MappedFile> file = map();
  ASSERT_TRUE(file && other);
  cut(100);
  EXPECT_EXIT(
      {
        install();
        readByte(file->data() + fileBytes - 1);
      },
      ::testing::ExitedWithCode(1),
      "^error: .*weights.bin: was truncated while in use, from 40000 to 100 bytes; restore it, and "
      "leave files that a run reads as they are until it ends\n$");
}

TEST_F(TruncationHandler, FollowsAMovedMapping) {
  std::vector<MappedFile> files;
  for (int i = 0; i < 20; ++i) {
    Result<MappedFile> file =
        MappedFile::open(directory.write(std::to_string(i), std::string(fileBytes, 'x')));
    ASSERT_TRUE(static_cast<bool>(file));
    files.push_back(std::move(*file));
  }
  std::string twelfth = files[12].path();
  ASSERT_EQ(::truncate(twelfth.c_str(), 0), 0);
  EXPECT_EXIT(
      {
        install();
        readByte(files[12].data());
      },
      ::testing::ExitedWithCode(1), "/12: was truncated while in use, from 40000 to 0 bytes");
}

TEST_F(TruncationHandler, TellsOnceFromManyThreads) {
  Result<MappedFile> file = map();
  ASSERT_TRUE(static_cast<bool>(file));
  cut(0);
  EXPECT_EXIT(
      {
        install();
        std::vector<std::thread> threads;
        for (int i = 0; i < 8; ++i)
          threads.emplace_back([&] { readByte(file->data() + 4096 * i); });
        for (std::thread &thread : threads)
          thread.join();
      },
      ::testing::ExitedWithCode(1), "^error: [^\n]*\n$");
}

TEST_F(TruncationHandler, LeavesOtherBusErrors) {
  EXPECT_EXIT(
      {
        install();
        ::raise(SIGBUS);
      },
      ::testing::KilledBySignal(SIGBUS), "");
  int descriptor = ::open(path.c_str(), O_RDONLY);
  void *address = ::mmap(nullptr, fileBytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
  ASSERT_NE(address, MAP_FAILED);
  cut(0);
  EXPECT_EXIT(
      {
        install();
        readByte(static_cast<const uint8_t *>(address));
      },
      ::testing::KilledBySignal(SIGBUS), "^$");
  ::munmap(address, fileBytes);
  ::close(descriptor);
}

TEST_F(TruncationHandler, ForgetsWhatIsUnmapped) {
  const uint8_t *address = nullptr;
  {
    Result<MappedFile> file = map();
    ASSERT_TRUE(static_cast<bool>(file));
    address = file->data();
  }
  int descriptor = ::open(path.c_str(), O_RDONLY);
  void *again = ::mmap(const_cast<uint8_t *>(address), fileBytes, PROT_READ,
                       MAP_PRIVATE | MAP_FIXED_NOREPLACE, descriptor, 0);
  ASSERT_EQ(again, address);
  cut(0);
  EXPECT_EXIT(
      {
        install();
        readByte(address);
      },
      ::testing::KilledBySignal(SIGBUS), "^$");
  ::munmap(again, fileBytes);
  ::close(descriptor);
}

TEST_F(TruncationHandler, LastPageReadsAsZeroAndTheSizeTells) {
  Result<MappedFile> file = map();
  ASSERT_TRUE(static_cast<bool>(file));
  cut(fileBytes - 1);
  EXPECT_EQ(readByte(file->data() + fileBytes - 1), 0);
  Result<uint64_t> size = file->sizeOnDisk();
  ASSERT_TRUE(static_cast<bool>(size));
  EXPECT_EQ(*size, fileBytes - 1);
}

} // namespace
