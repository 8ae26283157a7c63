//===- BatchFileTest.cpp - batches from safetensors ------------------------===//
// Layouts that are right, and the message of each that is not.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "test/unit/Support/TestFiles.h"

#include "ftc/Support/SafetensorsWriter.h"
#include "ftc/Trainer/BatchFile.h"

namespace ftc::trainer {
namespace {

struct Tensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  std::vector<int64_t> values;
};

class BatchFileTest : public ::testing::Test {
protected:
  std::string write(const std::vector<Tensor> &tensors) {
    std::string path = files.file("b.safetensors");
    std::vector<TensorDeclaration> declarations;
    for (const Tensor &tensor : tensors)
      declarations.push_back({tensor.name, tensor.dtype, tensor.shape});
    Result<SafetensorsWriter> writer = SafetensorsWriter::create(path, declarations);
    EXPECT_TRUE(static_cast<bool>(writer));
    for (const Tensor &tensor : tensors)
      for (int64_t value : tensor.values)
        EXPECT_TRUE(static_cast<bool>(
            writer->write(tensor.name, &value, dtypeBytes(tensor.dtype)))); // little-endian
    EXPECT_TRUE(static_cast<bool>(writer->finish()));
    return path;
  }
  std::string error(const std::vector<Tensor> &tensors) {
    std::string path = write(tensors);
    Result<BatchFile> batch = BatchFile::load(path, nullptr);
    if (batch)
      return "no error";
    EXPECT_EQ(batch.error().where, path);
    return batch.error().message;
  }

  test::TempDirectory files;
};

TEST_F(BatchFileTest, ReadsRows) {
  std::string path = write({{"input_ids", DType::I64, {2, 3}, {1, 2, 3, 4, 5, 6}},
                            {"labels", DType::I32, {2, 3}, {1, 2, 3, 4, -100, 6}},
                            {"attention_mask", DType::BOOL, {2, 3}, {1, 1, 1, 0, 1, 1}},
                            {"label", DType::I64, {1}, {1}}});
  std::vector<std::string> warnings;
  Result<BatchFile> file = BatchFile::load(path, &warnings);
  ASSERT_TRUE(static_cast<bool>(file)) << file.error().str();
  ftc_batch batch = file->view();
  EXPECT_EQ(batch.struct_size, sizeof batch);
  EXPECT_EQ(batch.rank, 2);
  EXPECT_EQ(batch.rows, 2);
  EXPECT_EQ(batch.length, 3);
  EXPECT_EQ(batch.input_ids[5], 6);
  EXPECT_EQ(batch.labels[4], -100);
  EXPECT_EQ(batch.attention_mask[3], 0);
  EXPECT_EQ(batch.position_ids, nullptr);
  EXPECT_EQ(batch.cu_seqlens, nullptr);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0], path + ": tensor 'label' is ignored; did you mean 'labels'?");
}

TEST_F(BatchFileTest, ReadsPackedTokens) {
  std::string path = write({{"input_ids", DType::I32, {4}, {1, 2, 3, 4}},
                            {"labels", DType::I64, {4}, {1, 2, 3, 4}},
                            {"position_ids", DType::I64, {4}, {0, 1, 0, 1}},
                            {"cu_seqlens", DType::I32, {3}, {0, 2, 4}}});
  Result<BatchFile> file = BatchFile::load(path, nullptr);
  ASSERT_TRUE(static_cast<bool>(file)) << file.error().str();
  ftc_batch batch = file->view();
  EXPECT_EQ(batch.rank, 1);
  EXPECT_EQ(batch.rows, 1);
  EXPECT_EQ(batch.length, 4);
  EXPECT_EQ(batch.segments, 2);
  EXPECT_EQ(batch.cu_seqlens[1], 2);
  EXPECT_EQ(batch.position_ids[2], 0);
}

TEST_F(BatchFileTest, RefusesWhatIsNoBatch) {
  Tensor ids{"input_ids", DType::I32, {2}, {1, 2}}, labels{"labels", DType::I32, {2}, {1, 2}};
  EXPECT_EQ(error({labels}), "has no tensor 'input_ids'; a batch has input_ids and labels");
  EXPECT_EQ(error({ids}), "has no tensor 'labels'; a batch has input_ids and labels");
  EXPECT_EQ(error({ids, {"labels", DType::I32, {1, 2}, {1, 2}}}),
            "tensor 'labels' has shape [1, 2] and 'input_ids' [2]; they must be equal");
  EXPECT_EQ(error({ids, {"labels", DType::I16, {2}, {1, 2}}}),
            "tensor 'labels' is I16 [2]; it must be I32 or I64");
  EXPECT_EQ(error({{"input_ids", DType::I64, {2}, {1, int64_t{1} << 31}}, labels}),
            "tensor 'input_ids' element 1 is 2147483648; it must fit 32 bits");
  EXPECT_EQ(error({{"input_ids", DType::I64, {}, {1}}, {"labels", DType::I64, {}, {1}}}),
            "tensor 'input_ids' is I64 []; it must be [batch, length] or packed [length], and not "
            "empty");
  EXPECT_EQ(error({ids, labels, {"attention_mask", DType::I32, {2}, {1, 1}}}),
            "tensor 'attention_mask' belongs to input_ids [batch, length]; packed input_ids have "
            "cu_seqlens or position_ids");
  EXPECT_EQ(
      error({{"input_ids", DType::I32, {1, 2}, {1, 2}},
             {"labels", DType::I32, {1, 2}, {1, 2}},
             {"cu_seqlens", DType::I32, {2}, {0, 2}}}),
      "tensor 'cu_seqlens' is I32 [2] beside input_ids [1, 2]; it belongs to packed input_ids "
      "[length] and must be [segments + 1]");
}

TEST_F(BatchFileTest, ReadsTheGoldenBatches) {
  for (const char *name : {"lora_qv", "padded", "packed"}) {
    std::string path = std::string(FTC_TEST_DIR "/golden/") + name + "/batch.safetensors";
    std::vector<std::string> warnings;
    Result<BatchFile> file = BatchFile::load(path, &warnings);
    ASSERT_TRUE(static_cast<bool>(file)) << file.error().str();
    EXPECT_TRUE(warnings.empty());
    EXPECT_EQ(file->view().attention_mask != nullptr, std::string(name) == "padded");
    EXPECT_EQ(file->view().cu_seqlens != nullptr, std::string(name) == "packed");
  }
}

} // namespace
} // namespace ftc::trainer
