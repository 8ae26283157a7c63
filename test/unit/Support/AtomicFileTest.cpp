//===- AtomicFileTest.cpp - tests of files that appear whole ---------------===//
// Nothing under the final name before commit, nothing left behind after failure.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/AtomicFile.h"

#include "TestFiles.h"
#include "ftc/Support/MappedFile.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

using namespace ftc;

namespace {

size_t entriesIn(const std::string &directory) {
  size_t count = 0;
  for (auto it = std::filesystem::directory_iterator(directory);
       it != std::filesystem::directory_iterator(); ++it)
    ++count;
  return count;
}

TEST(AtomicFile, AppearsOnCommit) {
  test::TempDirectory directory;
  std::string path = directory.file("out.bin");
  {
    Result<AtomicFile> file = AtomicFile::create(path);
    ASSERT_TRUE(static_cast<bool>(file));
    ASSERT_TRUE(static_cast<bool>(file->write("hello ")));
    ASSERT_TRUE(static_cast<bool>(file->write("world")));
    ASSERT_TRUE(static_cast<bool>(file->writeAt(0, "J", 1)));
    EXPECT_FALSE(fileExists(path));
    EXPECT_EQ(file->temporaryPath(), directory.file(".out.bin.tmp-" + std::to_string(::getpid())));
    ASSERT_TRUE(static_cast<bool>(file->commit()));
    EXPECT_FALSE(static_cast<bool>(file->commit()));
  }
  EXPECT_EQ(test::readAll(path), "Jello world");
  EXPECT_EQ(entriesIn(directory.path()), 1u);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  test::TempDirectory directory;
  std::string path = directory.write("out.txt", "old");
  {
    Result<AtomicFile> file = AtomicFile::create(path);
    ASSERT_TRUE(static_cast<bool>(file));
    ASSERT_TRUE(static_cast<bool>(file->write("new")));
  }
  EXPECT_EQ(test::readAll(path), "old");
  EXPECT_EQ(entriesIn(directory.path()), 1u);
}

TEST(AtomicFile, ReplacesTheOldFile) {
  test::TempDirectory directory;
  std::string path = directory.write("out.txt", "old and longer");
  directory.write("out.txt", "new");
  EXPECT_EQ(test::readAll(path), "new");
}

TEST(AtomicFile, SurvivesALeftoverOfTheSameProcessNumber) {
  test::TempDirectory directory;
  std::string leftover = ".out.txt.tmp-" + std::to_string(::getpid());
  std::ofstream(directory.file(leftover)) << "from a killed run";
  directory.write("out.txt", "new");
  EXPECT_EQ(test::readAll(directory.file("out.txt")), "new");
  EXPECT_EQ(test::readAll(directory.file(leftover)), "from a killed run");
}

TEST(AtomicFile, TwoAtOnce) {
  test::TempDirectory directory;
  Result<AtomicFile> first = AtomicFile::create(directory.file("x"));
  Result<AtomicFile> second = AtomicFile::create(directory.file("x"));
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(first->write("1") && second->write("2"));
  ASSERT_TRUE(second->commit() && first->commit());
  EXPECT_EQ(test::readAll(directory.file("x")), "1");
}

TEST(AtomicFile, MovesOwnership) {
  test::TempDirectory directory;
  Result<AtomicFile> file = AtomicFile::create(directory.file("x"));
  ASSERT_TRUE(static_cast<bool>(file));
  AtomicFile moved = std::move(*file);
  ASSERT_TRUE(static_cast<bool>(moved.write("1")));
  ASSERT_TRUE(static_cast<bool>(moved.commit()));
  EXPECT_EQ(entriesIn(directory.path()), 1u);
}

TEST(AtomicFile, Failures) {
  test::TempDirectory directory;
  std::string missing = directory.file("no/such/x");
  EXPECT_EQ(AtomicFile::create(missing).error().str(),
            missing + ": cannot create: No such file or directory");
  EXPECT_EQ(AtomicFile::create(directory.path() + "/").error().str(),
            directory.path() + "/: is not a name for a new file or directory");
  std::string taken = directory.file("taken");
  ASSERT_TRUE(static_cast<bool>(makeDirectories(taken)));
  Status s = writeFileAtomically(taken, "x");
  ASSERT_FALSE(static_cast<bool>(s));
  EXPECT_EQ(s.error().str(), taken + ": is a directory; give the path of a file");
  EXPECT_EQ(entriesIn(directory.path()), 1u);
}

TEST(AtomicFile, WriteFailureIsReportedAndCleanedUp) {
  test::TempDirectory directory;
  // A limit on file size stands for a full disk: the write comes up short, then fails.
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit limited = before;
  limited.rlim_cur = 100;
  auto oldHandler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  std::string content(1000, 'x');
  Status s = writeFileAtomically(directory.file("x"), content);
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, oldHandler);
  ASSERT_FALSE(static_cast<bool>(s));
  EXPECT_EQ(s.error().str(), directory.file("x") + ": cannot write: File too large");
  EXPECT_EQ(entriesIn(directory.path()), 0u);
}

TEST(AtomicDirectory, AppearsOnCommit) {
  test::TempDirectory directory;
  std::string path = directory.file("adapter");
  {
    Result<AtomicDirectory> made = AtomicDirectory::create(path + "/");
    ASSERT_TRUE(static_cast<bool>(made));
    EXPECT_EQ(made->path(), directory.file(".adapter.tmp-" + std::to_string(::getpid())));
    ASSERT_TRUE(static_cast<bool>(writeFileAtomically(made->path() + "/a", "1")));
    ASSERT_TRUE(static_cast<bool>(makeDirectories(made->path() + "/deep/er")));
    ASSERT_TRUE(static_cast<bool>(writeFileAtomically(made->path() + "/deep/er/b", "2")));
    EXPECT_FALSE(fileExists(path));
    ASSERT_TRUE(static_cast<bool>(made->commit()));
    EXPECT_FALSE(static_cast<bool>(made->commit()));
  }
  EXPECT_EQ(test::readAll(path + "/deep/er/b"), "2");
  EXPECT_EQ(entriesIn(directory.path()), 1u);
}

TEST(AtomicDirectory, LeavesNothingWithoutCommit) {
  test::TempDirectory directory;
  {
    Result<AtomicDirectory> made = AtomicDirectory::create(directory.file("x"));
    ASSERT_TRUE(static_cast<bool>(made));
    ASSERT_TRUE(static_cast<bool>(writeFileAtomically(made->path() + "/a", "1")));
  }
  EXPECT_EQ(entriesIn(directory.path()), 0u);
}

TEST(AtomicDirectory, TakesAnEmptyDirectoryButNotAFullOne) {
  test::TempDirectory directory;
  std::string path = directory.file("x");
  ASSERT_TRUE(static_cast<bool>(makeDirectories(path)));
  {
    Result<AtomicDirectory> made = AtomicDirectory::create(path);
    ASSERT_TRUE(made && writeFileAtomically(made->path() + "/a", "1") && made->commit());
  }
  {
    Result<AtomicDirectory> made = AtomicDirectory::create(path);
    ASSERT_TRUE(static_cast<bool>(made));
    Status s = made->commit();
    ASSERT_FALSE(static_cast<bool>(s));
    EXPECT_EQ(s.error().str(),
              path + ": exists and is not empty; give a new or an empty directory");
  }
  EXPECT_EQ(test::readAll(path + "/a"), "1");
  EXPECT_EQ(entriesIn(directory.path()), 1u);
}

TEST(AtomicFile, SourceThatIsTruncated) {
  test::TempDirectory directory;
  Result<MappedFile> source = MappedFile::open(directory.write("source", std::string(40000, 's')));
  ASSERT_TRUE(static_cast<bool>(source));
  ASSERT_EQ(::truncate(source->path().c_str(), 5000), 0);
  Result<AtomicFile> file = AtomicFile::create(directory.file("copy"));
  ASSERT_TRUE(static_cast<bool>(file));
  for (Status s : {file->write(source->data(), source->size()),
                   file->writeAt(7, source->data(), source->size())}) {
    ASSERT_FALSE(static_cast<bool>(s));
    EXPECT_EQ(s.error().str(),
              source->path() + ": was truncated while in use; restore it, and leave files that a "
                               "run reads as they are until it ends");
  }
}

TEST(MakeDirectories, MakesWhatIsMissing) {
  test::TempDirectory directory;
  std::string deep = directory.file("a//b/./c/");
  EXPECT_TRUE(static_cast<bool>(makeDirectories(deep)));
  EXPECT_TRUE(isDirectory(directory.file("a/b/c")));
  EXPECT_TRUE(static_cast<bool>(makeDirectories(deep)));
  EXPECT_TRUE(static_cast<bool>(makeDirectories(".")));
  EXPECT_TRUE(static_cast<bool>(makeDirectories("/")));
  std::string file = directory.write("file", "1");
  EXPECT_EQ(makeDirectories(file + "/x").error().str(), file + ": is not a directory");
  ASSERT_EQ(::symlink("nowhere", directory.file("link").c_str()), 0);
  EXPECT_EQ(makeDirectories(directory.file("link")).error().str(),
            directory.file("link") + ": is not a directory");
  EXPECT_EQ(makeDirectories(directory.file(std::string(300, 'x'))).error().message,
            "cannot make the directory: File name too long");
}

TEST(RemoveTree, DoesNotFollowLinks) {
  test::TempDirectory directory;
  directory.write("kept", "1");
  ASSERT_TRUE(static_cast<bool>(makeDirectories(directory.file("gone"))));
  ASSERT_EQ(::symlink(directory.path().c_str(), directory.file("gone/link").c_str()), 0);
  ASSERT_TRUE(static_cast<bool>(removeTree(directory.file("gone"))));
  EXPECT_TRUE(static_cast<bool>(removeTree(directory.file("gone"))));
  EXPECT_EQ(test::readAll(directory.file("kept")), "1");
}

TEST(Paths, Text) {
  EXPECT_EQ(baseName("a/b.c"), "b.c");
  EXPECT_EQ(baseName("b"), "b");
  EXPECT_EQ(baseName("a/"), "");
  EXPECT_EQ(directoryName("a/b"), "a");
  EXPECT_EQ(directoryName("b"), ".");
  EXPECT_EQ(directoryName("/b"), "/");
  EXPECT_EQ(joinPath("a", "b"), "a/b");
  EXPECT_EQ(joinPath("a/", "b"), "a/b");
  EXPECT_EQ(joinPath("", "b"), "b");
}

TEST(MappedFile, MapsAndReportsItsSize) {
  test::TempDirectory directory;
  Result<MappedFile> file = MappedFile::open(directory.write("x", "hello"));
  ASSERT_TRUE(static_cast<bool>(file));
  EXPECT_EQ(std::string_view(reinterpret_cast<const char *>(file->data()), file->size()), "hello");
  EXPECT_EQ(*file->sizeOnDisk(), 5u);
  ASSERT_EQ(::truncate(file->path().c_str(), 2), 0);
  EXPECT_EQ(*file->sizeOnDisk(), 2u);
  MappedFile moved = std::move(*file);
  EXPECT_EQ(moved.data()[1], 'e');
}

TEST(MappedFile, EmptyAndWrong) {
  test::TempDirectory directory;
  Result<MappedFile> empty = MappedFile::open(directory.write("x", ""));
  ASSERT_TRUE(static_cast<bool>(empty));
  EXPECT_EQ(empty->size(), 0u);
  EXPECT_EQ(empty->data(), nullptr);
  EXPECT_EQ(MappedFile::open(directory.path()).error().str(),
            directory.path() + ": is a directory; give a file");
  std::string none = directory.file("none");
  EXPECT_EQ(MappedFile::open(none).error().str(),
            none + ": cannot open: No such file or directory");
}

} // namespace
