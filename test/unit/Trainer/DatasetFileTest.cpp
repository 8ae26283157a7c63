//===- DatasetFileTest.cpp - data that are read again ----------------------===//
// Lines by place: changed files, pipes, long lines, and the scanner beside the JSON reader.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "lib/Trainer/DatasetLine.h"
#include "lib/Trainer/LineFile.h"
#include "test/unit/Support/TestFiles.h"

#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>

namespace ftc::trainer {
namespace {

using Ids = std::vector<int32_t>;

class DatasetFileTest : public ::testing::Test {
protected:
  Dataset good(const std::string &path, DatasetLimits limits = {300, 8}) {
    Result<Dataset> data = Dataset::load(path, limits);
    EXPECT_TRUE(static_cast<bool>(data)) << data.error().str();
    return std::move(*data);
  }
  static void overwrite(const std::string &path, std::string_view text) {
    std::ofstream(path, std::ios::trunc) << text;
  }

  test::TempDirectory files;
};

TEST_F(DatasetFileTest, ALineThatChangedIsAnError) {
  std::string first = "{\"input_ids\": [1, 2, 3]}\n", second = "{\"input_ids\": [4, 5]}\n";
  std::string path = files.write("d.jsonl", first + second);
  Dataset data = good(path);
  overwrite(path, first + "{\"input_ids\": [4, 6]}\n");
  EXPECT_TRUE(static_cast<bool>(data.sequence(0)));
  std::string message = path + ":2: the line is not what it was when the run began; data must stay "
                               "as they are while they are used";
  EXPECT_EQ(data.sequence(1).error().str(), message);
  overwrite(path, first);
  EXPECT_EQ(data.sequence(1).error().str(), message);
  // Lines behind those that were read change nothing; a file put in its place is another file.
  overwrite(path, first + second + "{\"input_ids\": [7, 8]}\n");
  EXPECT_TRUE(static_cast<bool>(data.sequence(1)));
  files.write("d.jsonl", "x");
  EXPECT_EQ(data.sequence(1)->inputIds, (Ids{4, 5}));
}

TEST_F(DatasetFileTest, ReadsAPipeAgain) {
  std::string text = "{\"input_ids\": [1, 2, 3]}\n\n{\"text\": \"ab\"}";
  std::string pipe = files.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << text; });
  Dataset data = good(pipe);
  writer.join();
  ASSERT_EQ(data.size(), 2u);
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(data.sequence(0)->inputIds, (Ids{1, 2, 3}));
    EXPECT_EQ(data.sequence(1)->labels, (Ids{256, 'a', 'b', 257}));
  }
  EXPECT_EQ(data.line(1), 3u);
  EXPECT_EQ(data.identity(), good(files.write("d.jsonl", text)).identity());
}

TEST_F(DatasetFileTest, KeepsThePiecesOfLongLines) {
  std::string text(600000, 'x');
  for (size_t i = 0; i < text.size(); ++i)
    text[i] = static_cast<char>('a' + i * i % 23);
  std::string path = files.write("d.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"" + text + "\"}\n");
  Dataset data = good(path, {300, 1000});
  ASSERT_EQ(data.size(), 1u + 601u);
  EXPECT_EQ(data.length(601), 2);
  // Even when the file is gone, since it is not asked again for them.
  overwrite(path, "");
  Ids all;
  for (size_t i = 1; i < data.size(); ++i) {
    EXPECT_EQ(data.line(i), 2u);
    Result<Sequence> piece = data.sequence(i);
    ASSERT_TRUE(static_cast<bool>(piece));
    EXPECT_EQ(piece->labels, piece->inputIds);
    all.insert(all.end(), piece->inputIds.begin(), piece->inputIds.end());
  }
  EXPECT_EQ(all, byte_tokenizer::encode(text));
  EXPECT_FALSE(static_cast<bool>(data.sequence(0)));
}

TEST_F(DatasetFileTest, LinesAcrossBlocks) {
  // Lines of all lengths around the block of a mebibyte in which the file is read.
  std::string text;
  Ids lengths;
  for (int i = 0; text.size() < (size_t{5} << 20); ++i) {
    int length = 1 + (i * 7919) % 4001;
    text += "{\"text\": \"" + std::string(static_cast<size_t>(length), 'y') + "\"}\n";
    lengths.push_back(length + 2);
  }
  Dataset data = good(files.write("d.jsonl", text), {300, 5000});
  ASSERT_EQ(data.size(), lengths.size());
  for (size_t i = 0; i < data.size(); ++i) {
    ASSERT_EQ(data.length(i), lengths[i]) << i;
    if (i % 37 == 0)
      EXPECT_EQ(data.sequence(i)->inputIds.size(), static_cast<size_t>(lengths[i]));
  }
}

TEST_F(DatasetFileTest, RefusesALineWithoutEnd) {
  std::string path = files.file("d.jsonl");
  std::ofstream(path) << "{\"text\": \"a\"}\n" << std::string((size_t{64} << 20) + 1, ' ');
  Result<Dataset> data = Dataset::load(path, {300, 8});
  ASSERT_FALSE(static_cast<bool>(data));
  EXPECT_EQ(data.error().str(),
            path + ":2: the line has more than 64 MiB; cut the text into several lines");
}

TEST_F(DatasetFileTest, SaysWhereAPipeCannotBeKept) {
  std::string pipe = files.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  ::setenv("TMPDIR", files.file("no").c_str(), 1);
  Descriptor otherEnd(::open(pipe.c_str(), O_RDWR | O_CLOEXEC));
  Result<Dataset> data = Dataset::load(pipe, {300, 8});
  ::unsetenv("TMPDIR");
  ASSERT_FALSE(static_cast<bool>(data));
  EXPECT_EQ(data.error().str(), files.file("no") + ": cannot keep what " + pipe +
                                    " gives there: No such file or directory");
}

TEST(DatasetLine, ScansWhatTheReaderReads) {
  DatasetLimits limits{300, 8};
  const char *const plain[] = {
      "{\"input_ids\":[0]}",
      " { \"input_ids\" : [ 1 , 299 ] } \r",
      "{\"labels\": [-100, 7], \"input_ids\": [3, 4]}",
  };
  const char *const others[] = {
      "{}",
      "{\"input_ids\": []}",
      "{\"input_ids\": [01]}",
      "{\"input_ids\": [-0]}",
      "{\"input_ids\": [300]}",
      "{\"input_ids\": [-100]}",
      "{\"input_ids\": [1.0]}",
      "{\"input_ids\": [1e0]}",
      "{\"input_ids\": [12345678901]}",
      "{\"input_ids\": [99999999999999999999]}",
      "{\"input_ids\": [1,]}",
      "{\"input_ids\": [1]",
      "{\"input_ids\": [1}",
      "{\"input_ids\": [1]}}",
      "{\"input_ids\": [1] \"labels\": [1]}",
      "{\"input_ids\": [1],}",
      "{\"input_ids\": [1], \"input_ids\": [1]}",
      "{\"input_ids\": [1], \"labels\": [1, 2]}",
      "{\"input_ids\": [1], \"labels\": [-1]}",
      "{\"input_ids\": [1], \"labels\": [1], \"labels\": [1]}",
      "{\"labels\": [1]}",
      "{\"input_ids\": [1], \"x\": 1}",
      "{\"input_ids\": 1}",
      "[1]",
      "",
      "{\"input_ids",
      "{\"input_ids\": [",
      "{\"input_ids\": [-",
  };
  for (const char *text : plain) {
    LineTokens scanned, read;
    ASSERT_TRUE(scanTokenLine(text, limits, scanned)) << text;
    // A member that the scanner does not know takes the long way.
    std::string longer = text;
    longer.insert(longer.find('{') + 1, "\"x\": 0,");
    ASSERT_TRUE(static_cast<bool>(readDataLine(longer, "f", 1, limits, read))) << longer;
    EXPECT_EQ(scanned.ids, read.ids) << text;
    EXPECT_EQ(scanned.labels, read.labels) << text;
  }
  for (const char *text : others) {
    LineTokens scanned;
    EXPECT_FALSE(scanTokenLine(text, limits, scanned)) << text;
  }
}

} // namespace
} // namespace ftc::trainer
