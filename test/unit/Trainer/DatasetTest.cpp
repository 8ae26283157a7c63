//===- DatasetTest.cpp - JSONL data, good and bad lines --------------------===//
// What a line may be, and the place and text of each error.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "test/unit/Support/TestFiles.h"

#include "ftc/Trainer/Dataset.h"

namespace ftc::trainer {
namespace {

using Ids = std::vector<int32_t>;

class DatasetTest : public ::testing::Test {
protected:
  Result<Dataset> load(std::string_view text, DatasetLimits limits = {300, 8}) {
    return Dataset::load(files.write("d.jsonl", text), limits);
  }
  Dataset good(std::string_view text, DatasetLimits limits = {300, 8}) {
    Result<Dataset> data = load(text, limits);
    EXPECT_TRUE(static_cast<bool>(data)) << data.error().str();
    return std::move(*data);
  }
  /// The error without the path of the temporary directory.
  std::string error(std::string_view text, DatasetLimits limits = {300, 8}) {
    Result<Dataset> data = load(text, limits);
    if (data)
      return "no error";
    std::string message = formatError(data.error());
    for (size_t at; (at = message.find(files.path() + '/')) != std::string::npos;)
      message.erase(at, files.path().size() + 1);
    return message;
  }
  static Sequence read(const Dataset &data, size_t index) {
    Result<Sequence> sequence = data.sequence(index);
    EXPECT_TRUE(static_cast<bool>(sequence)) << sequence.error().str();
    return sequence ? *sequence : Sequence();
  }

  test::TempDirectory files;
};

TEST_F(DatasetTest, ReadsIdsLabelsAndText) {
  Dataset data = good("{\"input_ids\": [1, 2, 3]}\n"
                      "\n"
                      "{\"input_ids\": [4, 5, 6], \"labels\": [-100, -100, 7], \"id\": \"x\"}\r\n"
                      "{\"text\": \"h\\u00e9\"}");
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(read(data, 0).inputIds, (Ids{1, 2, 3}));
  EXPECT_EQ(read(data, 0).labels, (Ids{1, 2, 3}));
  EXPECT_EQ(read(data, 1).inputIds, (Ids{4, 5, 6}));
  EXPECT_EQ(read(data, 1).labels, (Ids{-100, -100, 7}));
  EXPECT_EQ(data.line(1), 3u);
  EXPECT_EQ(read(data, 2).inputIds, (Ids{256, 'h', 0xc3, 0xa9, 257}));
  EXPECT_EQ(read(data, 2).labels, read(data, 2).inputIds);
  EXPECT_EQ(data.tokens(), 11);
  EXPECT_EQ(data.predictedTokens(), 2 + 1 + 4);
  EXPECT_EQ(data.lengths(), (std::vector<int64_t>{3, 3, 5}));
}

TEST_F(DatasetTest, SplitsLongSequences) {
  Dataset data = good("{\"input_ids\": [0,1,2,3,4,5,6,7,8,9]}\n{\"input_ids\": [10,11]}", {300, 4});
  ASSERT_EQ(data.size(), 4u);
  EXPECT_EQ(read(data, 0).inputIds, (Ids{0, 1, 2, 3}));
  EXPECT_EQ(read(data, 1).inputIds, (Ids{4, 5, 6, 7}));
  EXPECT_EQ(read(data, 2).inputIds, (Ids{8, 9}));
  EXPECT_EQ(read(data, 3).inputIds, (Ids{10, 11}));
  EXPECT_EQ(data.line(2), 1u);
  EXPECT_EQ(data.splits(), 2);
  EXPECT_EQ(data.predictedTokens(), 3 + 3 + 1 + 1);
}

TEST_F(DatasetTest, IdentityIsThatOfIdsLabelsAndLengths) {
  Hash128 one = good("{\"input_ids\": [1, 2, 3]}\n{\"input_ids\": [4, 5]}").identity();
  // Blank lines, other members, spelled-out labels and lines left out change nothing.
  EXPECT_EQ(one, good("\n{\"x\": 1, \"input_ids\": [1,2,3], \"labels\": [1,2,3]}\n"
                      "{\"input_ids\": [9]}\n\n{\"input_ids\": [4,5]}\n")
                     .identity());
  for (const char *other : {"{\"input_ids\": [4, 5]}\n{\"input_ids\": [1, 2, 3]}",
                            "{\"input_ids\": [1, 2, 3]}\n{\"input_ids\": [4, 6]}",
                            "{\"input_ids\": [1, 2]}\n{\"input_ids\": [3, 4, 5]}",
                            "{\"input_ids\": [1, 2, 3, 4, 5]}", "{\"input_ids\": [1, 2, 3]}",
                            "{\"input_ids\": [1, 2, 3]}\n{\"input_ids\": [4, 5], \"labels\": "
                            "[-100, 5]}"})
    EXPECT_NE(one, good(other).identity()) << other;
  std::string ten = "{\"input_ids\": [0,1,2,3,4,5,6,7,8,9]}";
  EXPECT_NE(good(ten, {300, 4}).identity(), good(ten, {300, 5}).identity());
}

TEST_F(DatasetTest, LeavesOutWhatPredictsNothing) {
  // A last piece of one token, a sequence of one, one whose only label is never predicted.
  Dataset data = good("{\"input_ids\": [0,1,2,3,4]}\n{\"input_ids\": [5]}\n"
                      "{\"input_ids\": [6,7], \"labels\": [6,-100]}",
                      {300, 4});
  ASSERT_EQ(data.size(), 1u);
  EXPECT_EQ(data.leftOut(), 3);
  EXPECT_EQ(data.tokens(), 4);
}

TEST_F(DatasetTest, RefusesBadLines) {
  std::string first = "{\"input_ids\": [1, 2]}\n";
  EXPECT_EQ(error(first + "{\"input_ids\": [1, 300]}"),
            "error: d.jsonl:2:19: 'input_ids' element 1 must be an integer from 0 to 299 (the "
            "model's vocabulary), got '300'\n");
  EXPECT_EQ(error("{\"input_ids\": [1, -1]}"),
            "error: d.jsonl:1:19: 'input_ids' element 1 must be an integer from 0 to 299 (the "
            "model's vocabulary), got '-1'\n");
  EXPECT_EQ(error("{\"input_ids\": [1, 2.0]}"),
            "error: d.jsonl:1:19: 'input_ids' element 1 must be an integer from 0 to 299 (the "
            "model's vocabulary), got '2.0'\n");
  EXPECT_EQ(error("{\"input_ids\": 3}"), "error: d.jsonl:1:15: 'input_ids' must be an array of "
                                         "integers, got an integer\n");
  EXPECT_EQ(error("{\"input_ids\": []}"),
            "error: d.jsonl:1: 'input_ids' is empty; leave the line out\n");
  EXPECT_EQ(error("{\"input_ids\": [1, 2], \"labels\": [1]}"),
            "error: d.jsonl:1: 'labels' has 1 elements and 'input_ids' 2; they must have the same "
            "length\n");
  EXPECT_EQ(error("{\"input_ids\": [1, 2], \"labels\": [1, -1]}"),
            "error: d.jsonl:1:37: 'labels' element 1 must be -100 (no target) or an integer from 0 "
            "to 299, got '-1'\n");
  EXPECT_EQ(error("{\"input_ids\": [1, 2], \"attention_mask\": [1, 0]}"),
            "error: d.jsonl:1:45: 'attention_mask' hides a token; leave padding out of "
            "'input_ids'\n");
  EXPECT_EQ(error("{\"input_ids\": [1, 2], \"attention_mask\": [1]}"),
            "error: d.jsonl:1:41: 'attention_mask' must be an array of as many ones as 'input_ids' "
            "has elements; leave it out\n");
  EXPECT_EQ(error("[1, 2]"), "error: d.jsonl:1: a line of training data must be an object with "
                             "'input_ids' or 'text', got an array\n");
  EXPECT_EQ(error("{\"input_id\": [1]}"),
            "error: d.jsonl:1: has neither 'input_ids' nor 'text'; 'input_id' is none of them\n");
  EXPECT_EQ(error("{\"text\": 1}"),
            "error: d.jsonl:1:10: 'text' must be a string, got an integer\n");
  EXPECT_EQ(error("{\"text\": \"a\", \"labels\": [1]}"),
            "error: d.jsonl:1: 'labels' needs 'input_ids': the tokens of 'text' are the targets\n");
  EXPECT_EQ(
      error("{\"text\": \"a\"}", {258, 8}),
      "error: d.jsonl:1: 'text' is read with the byte tokenizer of 259 ids, and the model has "
      "258; give 'input_ids'\n");
}

TEST_F(DatasetTest, JsonErrorsNameTheLineOfTheFile) {
  EXPECT_EQ(error("{\"text\": \"a\"}\n{\"text\": \"b\"").rfind("error: d.jsonl:2:", 0), 0u);
  std::string twice = error("\n\n{\"text\": \"a\", \"text\": \"b\"}");
  EXPECT_EQ(twice.rfind("error: d.jsonl:3:15:", 0), 0u) << twice;
  EXPECT_NE(twice.find("d.jsonl:3:2"), std::string::npos) << twice;
  EXPECT_EQ(twice.find(":1:"), std::string::npos) << twice;
}

TEST_F(DatasetTest, RefusesFilesWithNothingToLearn) {
  EXPECT_EQ(error(""), "error: d.jsonl: holds no sequence; a line is an object with 'input_ids' or "
                       "'text'\n");
  EXPECT_EQ(error("\n \n"), "error: d.jsonl: holds no sequence; a line is an object with "
                            "'input_ids' or 'text'\n");
  EXPECT_EQ(
      error("{\"input_ids\": [1]}"),
      "error: d.jsonl: predicts no token: every label but a sequence's first is -100, or every "
      "sequence has one token\n");
}

TEST_F(DatasetTest, RefusesWhatIsNoFile) {
  Result<Dataset> directory = Dataset::load(files.path(), {300, 8});
  ASSERT_FALSE(static_cast<bool>(directory));
  EXPECT_EQ(directory.error().str(),
            files.path() + ": is a directory; training data are one JSONL file");
  Result<Dataset> missing = Dataset::load(files.file("no.jsonl"), {300, 8});
  ASSERT_FALSE(static_cast<bool>(missing));
  EXPECT_EQ(missing.error().str(),
            files.file("no.jsonl") + ": cannot open: No such file or directory");
}

TEST_F(DatasetTest, ReadsTheGoldenData) {
  std::string path = FTC_TEST_DIR "/golden/packed/data.jsonl";
  Result<Dataset> data = Dataset::load(path, {4096, 48});
  ASSERT_TRUE(static_cast<bool>(data)) << data.error().str();
  EXPECT_GT(data->predictedTokens(), 0);
  // The golden batch has a segment of one token, which predicts nothing.
  EXPECT_EQ(data->leftOut(), 1);
}

} // namespace
} // namespace ftc::trainer
