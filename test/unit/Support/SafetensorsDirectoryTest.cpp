//===- SafetensorsDirectoryTest.cpp - tests of sharded weights -------------===//
// Which file is taken, what an index may say, tensors across shards.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Safetensors.h"

#include "TestFiles.h"

#include <unistd.h>

using namespace ftc;
using test::TempDirectory;

namespace {

/// A file with U8 scalars of these names, all of this value.
std::string scalars(const std::vector<std::string> &names, char value) {
  std::string header = "{";
  for (size_t i = 0; i < names.size(); ++i)
    header += (i ? ",\"" : "\"") + names[i] +
              "\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[" + std::to_string(i) + "," +
              std::to_string(i + 1) + "]}";
  return test::safetensorsBytes(header + "}", std::string(names.size(), value));
}

std::string refusal(const TempDirectory &directory) {
  Result<SafetensorsDirectory> opened = SafetensorsDirectory::open(directory.path());
  EXPECT_FALSE(static_cast<bool>(opened));
  return opened ? "" : formatError(opened.error());
}

TEST(SafetensorsDirectory, SingleFile) {
  TempDirectory directory;
  directory.write("model.safetensors", scalars({"b", "a"}, 1));
  directory.write("adapter_model.safetensors", scalars({"c"}, 2));
  for (const std::string &path : {directory.path(), directory.file("model.safetensors")}) {
    Result<SafetensorsDirectory> opened = SafetensorsDirectory::open(path);
    ASSERT_TRUE(static_cast<bool>(opened)) << opened.error().str();
    ASSERT_EQ(opened->tensors().size(), 2u);
    EXPECT_EQ(opened->tensors()[0]->name, "a");
    EXPECT_EQ(opened->path(), directory.file("model.safetensors"));
    EXPECT_EQ(opened->find("c"), nullptr);
  }
}

TEST(SafetensorsDirectory, Adapter) {
  TempDirectory directory;
  directory.write("adapter_model.safetensors", scalars({"c"}, 2));
  Result<SafetensorsDirectory> opened = SafetensorsDirectory::open(directory.path());
  ASSERT_TRUE(static_cast<bool>(opened));
  EXPECT_EQ(*opened->find("c")->toInt64(), (std::vector<int64_t>{2}));
}

TEST(SafetensorsDirectory, Shards) {
  TempDirectory directory;
  directory.write("model-00001-of-00002.safetensors", scalars({"z", "a"}, 1));
  directory.write("model-00002-of-00002.safetensors", scalars({"m"}, 2));
  std::string index = directory.write("model.safetensors.index.json", R"({
    "metadata": {"total_size": 3},
    "weight_map": {"a": "model-00001-of-00002.safetensors",
                   "m": "model-00002-of-00002.safetensors",
                   "z": "model-00001-of-00002.safetensors"}})");
  for (const std::string &path : {directory.path(), index}) {
    Result<SafetensorsDirectory> opened = SafetensorsDirectory::open(path);
    ASSERT_TRUE(static_cast<bool>(opened)) << opened.error().str();
    ASSERT_EQ(opened->tensors().size(), 3u);
    EXPECT_EQ(opened->tensors()[1]->name, "m");
    EXPECT_EQ(*opened->find("m")->toInt64(), (std::vector<int64_t>{2}));
    EXPECT_EQ(*opened->find("z")->toInt64(), (std::vector<int64_t>{1}));
    EXPECT_EQ(opened->fileOf("m"), directory.file("model-00002-of-00002.safetensors"));
    EXPECT_EQ(opened->fileOf("none"), "");
    EXPECT_EQ(opened->files().size(), 2u);
  }
}

TEST(SafetensorsDirectory, ShardsMayBeLinks) {
  // As in the cache of the Hugging Face hub.
  TempDirectory directory;
  TempDirectory blobs;
  blobs.write("0123abcd", scalars({"a"}, 5));
  ASSERT_EQ(::symlink(blobs.file("0123abcd").c_str(), directory.file("model.safetensors").c_str()),
            0);
  Result<SafetensorsDirectory> opened = SafetensorsDirectory::open(directory.path());
  ASSERT_TRUE(static_cast<bool>(opened)) << opened.error().str();
  EXPECT_EQ(*opened->find("a")->toInt64(), (std::vector<int64_t>{5}));
}

TEST(SafetensorsDirectory, NoWeights) {
  TempDirectory directory;
  directory.write("pytorch_model.bin", "x");
  EXPECT_EQ(refusal(directory),
            "error: " + directory.path() +
                ": has no weights; model.safetensors, model.safetensors.index.json or "
                "adapter_model.safetensors is expected\n");
  EXPECT_EQ(SafetensorsDirectory::open(directory.file("none")).error().str(),
            directory.file("none") + ": cannot open: No such file or directory");
}

TEST(SafetensorsDirectory, ShardNamesStayInTheDirectory) {
  TempDirectory directory;
  directory.write("s.safetensors", scalars({"a"}, 1));
  std::string index = directory.file("model.safetensors.index.json");
  for (const char *name : {"../x.safetensors", "/etc/passwd", "..", ".", "", "a/b.safetensors",
                           ".hidden", "a\\\\b", "s.safetensors\\u0000", "sub/../s.safetensors"}) {
    directory.write("model.safetensors.index.json",
                    std::string("{\"weight_map\":{\"a\":\"") + name + "\"}}");
    std::string text = refusal(directory);
    EXPECT_EQ(text.substr(0, text.find("got ")),
              "error: " + index + ":1:20: tensor 'a': the shard must be a plain file name, ")
        << name;
  }
  for (const char *value : {"1", "null", "[\"s.safetensors\"]"}) {
    directory.write("model.safetensors.index.json",
                    std::string("{\"weight_map\":{\"a\":") + value + "}}");
    EXPECT_NE(refusal(directory).find("must be a plain file name"), std::string::npos) << value;
  }
  directory.write("model.safetensors.index.json",
                  "{\"weight_map\":{\"a\":\"" + std::string(256, 'n') + "\"}}");
  EXPECT_NE(refusal(directory).find("must be a plain file name"), std::string::npos);
}

TEST(SafetensorsDirectory, BadIndexes) {
  TempDirectory directory;
  std::string index = directory.file("model.safetensors.index.json");
  struct {
    const char *text;
    const char *message;
  } cases[] = {
      {"", ":1:1: the text is empty; a JSON value was expected"},
      {"[]", ":1:1: the file's value must be an object, got an array"},
      {"{}", ":1:1: 'weight_map' is missing; it must be an object"},
      {R"({"weight_map":[]})", ":1:15: 'weight_map' must be an object, got an array"},
      {R"({"weight_map":{}})", ":1:15: 'weight_map' is empty; it must name at least one tensor"},
      {R"({"weight_map":{"a":"s","a":"s"}})",
       ":1:24: key 'a' is given twice; remove one of the two"},
  };
  for (auto &[text, message] : cases) {
    directory.write("model.safetensors.index.json", text);
    std::string got = refusal(directory);
    EXPECT_EQ(got.substr(0, got.find('\n')), "error: " + index + message) << text;
  }
}

TEST(SafetensorsDirectory, ShardsMustAgreeWithTheIndex) {
  TempDirectory directory;
  std::string index =
      directory.write("model.safetensors.index.json",
                      R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  directory.write("1.safetensors", scalars({"a"}, 1));
  EXPECT_EQ(refusal(directory), "error: " + directory.file("2.safetensors") +
                                    ": cannot open: No such file or directory\nnote: " + index +
                                    ":1:40: the index names this shard here\n");
  directory.write("2.safetensors", scalars({"c"}, 1));
  EXPECT_EQ(refusal(directory), "error: " + index +
                                    ":1:36: tensor 'b' is not in '2.safetensors', "
                                    "where the index says it is\n");
  directory.write("2.safetensors", scalars({"a", "b"}, 1));
  EXPECT_EQ(refusal(directory), "error: " + index +
                                    ": tensor 'a' is in '1.safetensors' and "
                                    "'2.safetensors'; it must be in one shard only\n");
  directory.write("2.safetensors", "garbage and more");
  std::string text = refusal(directory);
  EXPECT_NE(text.find("2.safetensors: the header's length"), std::string::npos) << text;
  directory.write("2.safetensors", scalars({"b"}, 1));
  EXPECT_TRUE(static_cast<bool>(SafetensorsDirectory::open(directory.path())));
}

} // namespace
