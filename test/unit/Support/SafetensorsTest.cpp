//===- SafetensorsTest.cpp - tests of reading and writing safetensors ------===//
// The bytes of the reference implementation, and round trips.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Safetensors.h"

#include "TestFiles.h"
#include "ftc/Support/SafetensorsWriter.h"

#include <filesystem>

using namespace ftc;
using test::safetensorsBytes;
using test::TempDirectory;

namespace {

/// What safetensors 0.8.0 (Python, `save`) writes for eleven small tensors and metadata
/// {"format": "pt"}: header, then data.
const char kReferenceHeader[] =
    R"({"__metadata__":{"format":"pt"},"u":{"dtype":"U64","shape":[1],"data_offsets":[0,8]},)"
    R"("b":{"dtype":"I64","shape":[2,3],"data_offsets":[8,56]},)"
    R"("d":{"dtype":"F64","shape":[1],"data_offsets":[56,64]},)"
    R"("a.weight":{"dtype":"F32","shape":[2],"data_offsets":[64,72]},)"
    R"("e":{"dtype":"F32","shape":[0,4],"data_offsets":[72,72]},)"
    R"("s":{"dtype":"F32","shape":[],"data_offsets":[72,76]},)"
    R"("i32":{"dtype":"I32","shape":[1],"data_offsets":[76,80]},)"
    R"("h":{"dtype":"F16","shape":[1],"data_offsets":[80,82]},)"
    R"("i":{"dtype":"I16","shape":[1],"data_offsets":[82,84]},)"
    "\"q\\\"\\n\\u0001\xc3\xa9/\""
    R"(:{"dtype":"U8","shape":[1],"data_offsets":[84,85]},)"
    R"("z":{"dtype":"BOOL","shape":[3],"data_offsets":[85,88]}}     )";

std::string referenceData() {
  const char hex[] =
      "09000000000000000100000000000000020000000000000003000000000000000400000000000000"
      "05000000000000000600000000000000000000000000f03f0000c03f000000c00000e04009000000"
      "003c050001010001";
  std::string bytes;
  for (const char *p = hex; *p; p += 2)
    bytes += static_cast<char>(std::stoi(std::string(p, 2), nullptr, 16));
  return bytes;
}

template <class T> std::string bytesOf(std::vector<T> values) {
  return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
}

TEST(SafetensorsWriter, WritesTheBytesOfTheReference) {
  TempDirectory directory;
  std::string path = directory.file("x.safetensors");
  std::string odd = "q\"\n\x01é/";
  Result<SafetensorsWriter> writer = SafetensorsWriter::create(path,
                                                               {{"z", DType::BOOL, {3}},
                                                                {odd, DType::U8, {1}},
                                                                {"a.weight", DType::F32, {2}},
                                                                {"s", DType::F32, {}},
                                                                {"e", DType::F32, {0, 4}},
                                                                {"b", DType::I64, {2, 3}},
                                                                {"i", DType::I16, {1}},
                                                                {"h", DType::F16, {1}},
                                                                {"u", DType::U64, {1}},
                                                                {"d", DType::F64, {1}},
                                                                {"i32", DType::I32, {1}}},
                                                               {{"format", "pt"}});
  ASSERT_TRUE(static_cast<bool>(writer)) << writer.error().str();
  EXPECT_EQ(writer->order().front().name, "u");
  EXPECT_EQ(writer->order().back().name, "z");
  auto put = [&](const char *name, const std::string &bytes) {
    Status s = writer->write(name, bytes.data(), bytes.size());
    EXPECT_TRUE(static_cast<bool>(s)) << s.error().str();
  };
  // Not in file order, and one in two pieces.
  put("z", std::string("\1\0\1", 3));
  put("b", bytesOf<int64_t>({1, 2}));
  put("u", bytesOf<uint64_t>({9}));
  put("b", bytesOf<int64_t>({3, 4, 5, 6}));
  put(odd.c_str(), "\1");
  put("i", bytesOf<int16_t>({5}));
  put("i32", bytesOf<int32_t>({9}));
  float one = 1, seven = 7, weights[] = {1.5f, -2.0f};
  EXPECT_TRUE(static_cast<bool>(writer->writeF32("h", &one, 1)));
  EXPECT_TRUE(static_cast<bool>(writer->writeF32("d", &one, 1)));
  EXPECT_TRUE(static_cast<bool>(writer->writeF32("s", &seven, 1)));
  EXPECT_TRUE(static_cast<bool>(writer->writeF32("a.weight", weights, 2)));
  EXPECT_FALSE(fileExists(path));
  ASSERT_TRUE(static_cast<bool>(writer->finish()));
  EXPECT_EQ(test::readAll(path), safetensorsBytes(kReferenceHeader, referenceData()));
}

TEST(Safetensors, ReadsTheBytesOfTheReference) {
  TempDirectory directory;
  Result<SafetensorsFile> file = SafetensorsFile::open(
      directory.write("x.safetensors", safetensorsBytes(kReferenceHeader, referenceData())));
  ASSERT_TRUE(static_cast<bool>(file)) << file.error().str();
  ASSERT_EQ(file->tensors().size(), 11u);
  for (size_t i = 1; i < file->tensors().size(); ++i)
    EXPECT_LT(file->tensors()[i - 1].name, file->tensors()[i].name);
  EXPECT_EQ(file->metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));

  const TensorView *b = file->find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dtype, DType::I64);
  EXPECT_EQ(b->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(b->bytes, 48u);
  EXPECT_EQ(b->typeString(), "I64 [2, 3]");
  EXPECT_EQ(*b->toInt64(), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(*file->find("a.weight")->toF32(), (std::vector<float>{1.5f, -2.0f}));
  EXPECT_EQ(*file->find("h")->toF32(), (std::vector<float>{1.0f}));
  EXPECT_EQ(*file->find("d")->toF32(), (std::vector<float>{1.0f}));
  EXPECT_EQ(*file->find("z")->toInt64(), (std::vector<int64_t>{1, 0, 1}));
  EXPECT_EQ(*file->find("i")->toInt64(), (std::vector<int64_t>{5}));
  const TensorView *scalar = file->find("s");
  EXPECT_TRUE(scalar->shape.empty());
  EXPECT_EQ(scalar->elements(), 1);
  EXPECT_EQ(*scalar->toF32(), (std::vector<float>{7.0f}));
  const TensorView *empty = file->find("e");
  EXPECT_EQ(empty->elements(), 0);
  EXPECT_EQ(empty->data, nullptr);
  EXPECT_TRUE(empty->toF32()->empty());
  EXPECT_EQ(file->find("none"), nullptr);
  EXPECT_EQ(file->find("q\"\n\x01é/")->bytes, 1u);
}

TEST(Safetensors, ConversionErrorsNameTheTensor) {
  TempDirectory directory;
  Result<SafetensorsFile> file = SafetensorsFile::open(
      directory.write("x.safetensors", safetensorsBytes(kReferenceHeader, referenceData())));
  ASSERT_TRUE(static_cast<bool>(file));
  EXPECT_EQ(file->find("b")->toF32().error().message,
            "tensor 'b': dtype I64 cannot be converted; F16, BF16, F32 and F64 can");
  EXPECT_EQ(file->find("h")->toInt64().error().message,
            "tensor 'h' has dtype F16; an integer dtype up to I64 is expected");
}

TEST(Safetensors, MisalignedTensorsAreReadCorrectly) {
  TempDirectory directory;
  // The reference accepts any order and no padding: one byte first makes all that follows odd.
  std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("f":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},)"
                       R"("i":{"dtype":"I64","shape":[1],"data_offsets":[9,17]}})";
  std::string data = "\x07" + bytesOf<float>({1.25f, -3.0f}) + bytesOf<int64_t>({-5});
  while ((8 + header.size()) % 8)
    header += ' ';
  Result<SafetensorsFile> file =
      SafetensorsFile::open(directory.write("x.safetensors", safetensorsBytes(header, data)));
  ASSERT_TRUE(static_cast<bool>(file)) << file.error().str();
  EXPECT_TRUE(file->find("a")->isAligned());
  EXPECT_FALSE(file->find("f")->isAligned());
  EXPECT_FALSE(file->find("i")->isAligned());
  EXPECT_EQ(*file->find("f")->toF32(), (std::vector<float>{1.25f, -3.0f}));
  EXPECT_EQ(*file->find("i")->toInt64(), (std::vector<int64_t>{-5}));
}

TEST(Safetensors, AcceptsWhatTheFormatAllows) {
  TempDirectory directory;
  std::string bits4 =
      std::string("{\"x\":{\"dtype\":\"F4\",\"shape\":[2,3],\"data_offsets\":[0,3]}}");
  std::string bits6 =
      std::string("{\"x\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]}}");
  std::string ranks;
  for (int i = 0; i < 64; ++i)
    ranks += i ? ",1" : "1";
  struct {
    std::string header;
    std::string data;
  } cases[] = {
      {"{}", ""},
      {"{}        ", ""},
      {R"({"__metadata__":{}})", ""},
      {bits4, "abc"},
      {bits6, "abc"},
      {R"({"x":{"data_offsets":[0,0],"shape":[0],"dtype":"F32"}})", ""},
      {"{\"x\":{\"dtype\":\"U8\",\"shape\":[" + ranks + "],\"data_offsets\":[0,1]}}", "a"},
      {R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "a"},
      // Empty tensors may share an offset with each other and with the next tensor.
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("z":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
       R"("y":{"dtype":"F32","shape":[0],"data_offsets":[1,1]}})",
       "a"},
  };
  for (auto &[header, data] : cases) {
    Result<SafetensorsFile> file =
        SafetensorsFile::open(directory.write("x.safetensors", safetensorsBytes(header, data)));
    EXPECT_TRUE(static_cast<bool>(file)) << header << ": " << file.error().str();
  }
}

TEST(SafetensorsWriter, RoundTripsEveryFloatType) {
  TempDirectory directory;
  std::string path = directory.file("x.safetensors");
  std::vector<float> values;
  for (int i = 0; i < 100000; ++i)
    values.push_back(static_cast<float>((i % 255) - 127) * 0.5f);
  Result<SafetensorsWriter> writer =
      SafetensorsWriter::create(path, {{"f16", DType::F16, {100, 1000}},
                                       {"bf16", DType::BF16, {100000}},
                                       {"f32", DType::F32, {100000}},
                                       {"f64", DType::F64, {100000}}});
  ASSERT_TRUE(static_cast<bool>(writer));
  for (const TensorDeclaration &tensor : std::vector<TensorDeclaration>(writer->order())) {
    ASSERT_TRUE(static_cast<bool>(writer->writeF32(tensor.name, values.data(), 70000)));
    ASSERT_TRUE(static_cast<bool>(writer->writeF32(tensor.name, values.data() + 70000, 30000)));
  }
  ASSERT_TRUE(static_cast<bool>(writer->finish()));
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(static_cast<bool>(file)) << file.error().str();
  for (const TensorView &view : file->tensors()) {
    EXPECT_EQ(*view.toF32(), values) << view.name;
    EXPECT_TRUE(view.isAligned());
  }
}

TEST(SafetensorsWriter, Misuse) {
  TempDirectory directory;
  std::string path = directory.file("x.safetensors");
  {
    Result<SafetensorsWriter> writer =
        SafetensorsWriter::create(path, {{"a", DType::F32, {2}}, {"n", DType::I32, {1}}});
    ASSERT_TRUE(static_cast<bool>(writer));
    float values[3] = {};
    EXPECT_EQ(writer->write("b", values, 4).error().str(), path + ": tensor 'b' was not declared");
    EXPECT_EQ(writer->writeF32("b", values, 1).error().str(),
              path + ": tensor 'b' was not declared");
    EXPECT_EQ(writer->writeF32("a", values, 3).error().str(),
              path + ": tensor 'a' has 8 bytes; more were to be written");
    EXPECT_FALSE(static_cast<bool>(writer->writeF32("n", values, 1)));
    EXPECT_TRUE(static_cast<bool>(writer->writeF32("a", values, 1)));
    EXPECT_EQ(writer->finish().error().str(),
              path + ": tensor 'a' is incomplete: 4 of 8 bytes were written");
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  auto refuses = [&](std::vector<TensorDeclaration> tensors, const char *message,
                     SafetensorsWriter::Metadata metadata = {}) {
    Result<SafetensorsWriter> writer =
        SafetensorsWriter::create(path, std::move(tensors), std::move(metadata));
    ASSERT_FALSE(static_cast<bool>(writer)) << message;
    EXPECT_EQ(writer.error().str(), path + ": " + message);
  };
  refuses({{"a", DType::F32, {2}}, {"a", DType::I8, {}}}, "tensor name 'a' is taken");
  refuses({{"__metadata__", DType::F32, {2}}}, "tensor name '__metadata__' is taken");
  refuses({{"a", DType::F32, {-1}}}, "tensor 'a': F32 [-1] is no size for a file");
  refuses({{"a", DType::F32, {int64_t{1} << 32, int64_t{1} << 32}}},
          "tensor 'a': F32 [4294967296, 4294967296] is no size for a file");
  refuses({{"a", DType::F4, {3}}}, "tensor 'a': F4 [3] is no size for a file");
  refuses({{std::string("a\0b", 3), DType::F32, {1}}},
          "tensor name 'a\\x00b' must be UTF-8 without NUL");
  refuses({{"a\xff", DType::F32, {1}}}, "tensor name 'a\\xff' must be UTF-8 without NUL");
  refuses({}, "metadata value '\\xff' must be UTF-8 without NUL", {{"k", "\xff"}});
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(TensorBytes, ChecksProducts) {
  EXPECT_EQ(tensorBytes(DType::F32, {}), 4u);
  EXPECT_EQ(tensorBytes(DType::F32, {0, 5}), 0u);
  EXPECT_EQ(tensorBytes(DType::BF16, {3, 4}), 24u);
  EXPECT_EQ(tensorBytes(DType::F4, {2}), 1u);
  EXPECT_EQ(tensorBytes(DType::F4, {1}), std::nullopt);
  EXPECT_EQ(tensorBytes(DType::F32, {-1}), std::nullopt);
  EXPECT_EQ(tensorBytes(DType::F32, {int64_t{1} << 32, int64_t{1} << 32}), std::nullopt);
  EXPECT_EQ(tensorBytes(DType::U8, {INT64_MAX, 2}), std::nullopt);
  // A product that wraps to zero must not pass for an empty tensor.
  EXPECT_EQ(tensorBytes(DType::U8, {int64_t{1} << 32, int64_t{1} << 32, 0}), std::nullopt);
  EXPECT_EQ(tensorBytes(DType::F64, {int64_t{1} << 61}), std::nullopt);
}

} // namespace
