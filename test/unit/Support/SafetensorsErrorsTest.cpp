//===- SafetensorsErrorsTest.cpp - what the safetensors reader refuses -----===//
// Lengths, truncations, headers, offsets and shapes that other loaders got wrong.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/Safetensors.h"

#include "TestFiles.h"

using namespace ftc;
using test::length64;
using test::safetensorsBytes;
using test::TempDirectory;

namespace {

class SafetensorsErrors : public ::testing::Test {
protected:
  /// The message for these bytes without the path; empty when they are accepted.
  std::string refusal(const std::string &bytes) {
    std::string path = directory.file("x.safetensors");
    // Plain writes: this runs thousands of times.
    FILE *file = std::fopen(path.c_str(), "wb");
    EXPECT_NE(file, nullptr);
    EXPECT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
    Result<SafetensorsFile> opened = SafetensorsFile::open(path);
    if (opened)
      return "";
    std::string text = opened.error().str();
    EXPECT_EQ(text.substr(0, path.size()), path);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    return text.substr(path.size());
  }
  std::string header(const std::string &header, const std::string &data = "") {
    return refusal(safetensorsBytes(header, data));
  }
  /// One tensor 'x' of these fields over four bytes of data.
  std::string tensor(const std::string &fields) {
    return header("{\"x\":{" + fields + "}}", "abcd");
  }

  TempDirectory directory;
};

const char kGood[] = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";

TEST_F(SafetensorsErrors, TheBaseOfTheCasesIsGood) { EXPECT_EQ(header(kGood, "abcd"), ""); }

TEST_F(SafetensorsErrors, HeaderLengths) {
  EXPECT_EQ(refusal(""), ": has 0 bytes; a safetensors file begins with 8 bytes of length");
  EXPECT_EQ(refusal(length64(0)), ": the header does not start with '{'; it must be a JSON object");
  EXPECT_EQ(refusal(length64(0) + "{}"),
            ": the header does not start with '{'; it must be a JSON object");
  for (uint64_t length : {uint64_t{1}, uint64_t{7}, uint64_t{8}})
    EXPECT_NE(refusal(length64(length) + kGood + "abcd"), "") << length;
  EXPECT_EQ(refusal(length64(100000000) + kGood),
            ": the header's length is 100000000 bytes, but only 54 follow; the file is cut short");
  for (uint64_t length :
       {uint64_t{100000001}, uint64_t{1} << 31, uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 7})
    EXPECT_EQ(refusal(length64(length) + kGood),
              ": the header's length is " + std::to_string(length) +
                  " bytes; at most 100000000 are allowed (is this a safetensors file?)");
}

TEST_F(SafetensorsErrors, EveryTruncation) {
  std::string whole = safetensorsBytes(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                       R"("y":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})",
                                       "abcdefghijk");
  ASSERT_EQ(refusal(whole), "");
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_NE(refusal(whole.substr(0, length)), "") << length;
  EXPECT_NE(refusal(whole + "z"), "");
}

TEST_F(SafetensorsErrors, EveryByteOfTheHeaderMayBeAnything) {
  // Nothing but refusal or a tensor within the file.
  std::string whole = safetensorsBytes(kGood, "abcd");
  for (size_t i = 0; i < whole.size() - 4; ++i)
    for (int byte :
         {0, 1, 9, 32, 34, 44, 45, 46, 48, 57, 91, 92, 93, 101, 123, 125, 127, 128, 255}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(byte);
      std::string path = directory.file("y.safetensors");
      FILE *file = std::fopen(path.c_str(), "wb");
      ASSERT_NE(file, nullptr);
      ASSERT_EQ(std::fwrite(changed.data(), 1, changed.size(), file), changed.size());
      std::fclose(file);
      Result<SafetensorsFile> opened = SafetensorsFile::open(path);
      if (!opened)
        continue;
      for (const TensorView &view : opened->tensors()) {
        const uint8_t *data = static_cast<const uint8_t *>(view.data);
        EXPECT_GE(data, opened->mapping().data() + 8);
        EXPECT_LE(data + view.bytes, opened->mapping().data() + opened->mapping().size());
        EXPECT_EQ(tensorBytes(view.dtype, view.shape), view.bytes);
      }
    }
}

TEST_F(SafetensorsErrors, HeaderText) {
  EXPECT_EQ(header("[]"), ": the header does not start with '{'; it must be a JSON object");
  EXPECT_EQ(header(" {}"), ": the header does not start with '{'; it must be a JSON object");
  EXPECT_EQ(header("{"), ":1:2: expected a key in double quotes (no trailing commas, no comments)");
  EXPECT_EQ(header("{}}"), ":1:3: text after the end of the JSON value; remove it");
  EXPECT_EQ(header(std::string("{}\0", 3)), ":1:3: a NUL byte; text has none");
  EXPECT_EQ(header("{\"\xff\":1}"), ":1:3: not valid UTF-8; save the file as UTF-8");
  EXPECT_NE(header("PK\x03\x04"), "");
  std::string bomb = "{\"x\":";
  EXPECT_EQ(header(bomb + std::string(100000, '[')),
            ":1:69: nested deeper than 64 levels; flatten the file");
  EXPECT_EQ(header(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                   R"("x":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})",
                   "abcd"),
            ":1:55: key 'x' is given twice; remove one of the two");
  EXPECT_EQ(header(R"({"a\u0000b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "abcd"),
            ":1:2: tensor 'a\\x00b': the name has a NUL character");
}

TEST_F(SafetensorsErrors, Metadata) {
  EXPECT_EQ(header(R"({"__metadata__":{"a":1}})"),
            ":1:22: '__metadata__': 'a' is an integer; it must be a string");
  EXPECT_EQ(header(R"({"__metadata__":{"a":null}})"),
            ":1:22: '__metadata__': 'a' is null; it must be a string");
  EXPECT_EQ(header(R"({"__metadata__":["a"]})"),
            ":1:17: '__metadata__' must be an object of strings");
  EXPECT_EQ(header(R"({"__metadata__":{"a":"1","a":"2"}})"),
            ":1:26: key 'a' is given twice; remove one of the two");
}

TEST_F(SafetensorsErrors, Fields) {
  EXPECT_EQ(header(R"({"x":1})"), ":1:6: tensor 'x' must be an object with dtype, shape and "
                                  "data_offsets");
  EXPECT_EQ(tensor(R"("shape":[1],"data_offsets":[0,4])"), ":1:6: tensor 'x': 'dtype' is missing");
  EXPECT_EQ(tensor(R"("dtype":"F32","data_offsets":[0,4])"),
            ":1:6: tensor 'x': 'shape' is missing");
  EXPECT_EQ(tensor(R"("dtype":"F32","shape":[1])"), ":1:6: tensor 'x': 'data_offsets' is missing");
  EXPECT_EQ(
      tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1)"),
      ":1:54: tensor 'x': unknown field 'extra'; dtype, shape and data_offsets are the fields");
  EXPECT_EQ(tensor(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])"),
            ":1:21: key 'dtype' is given twice; remove one of the two");
}

TEST_F(SafetensorsErrors, DTypes) {
  EXPECT_EQ(
      tensor(R"("dtype":"F33","shape":[1],"data_offsets":[0,4])"),
      ":1:15: tensor 'x': unknown dtype 'F33'; safetensors names such as 'F32' and 'BF16' are "
      "expected");
  for (const char *dtype : {"\"f32\"", "\"\"", "\"F32 \"", "null", "32", "[\"F32\"]", "\"FLOAT\""})
    EXPECT_NE(tensor(std::string("\"dtype\":") + dtype + ",\"shape\":[1],\"data_offsets\":[0,4]"),
              "")
        << dtype;
}

TEST_F(SafetensorsErrors, Offsets) {
  const char *pair = ": data_offsets must be two integers [begin, end] with begin <= end";
  for (const char *offsets :
       {"[]", "[0]", "[0,4,4]", "null", "4", "\"0,4\"", "[0.0,4]", "[0,4.0]", "[0,4e0]", "[-4,0]",
        "[0,-4]", "[4,0]", "[\"0\",\"4\"]", "[null,4]", "[true,4]", "[[0],4]", "[0,1e1]"})
    EXPECT_EQ(tensor(std::string("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":") + offsets),
              std::string(":1:48: tensor 'x'") + pair)
        << offsets;
  EXPECT_EQ(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616])"),
            ":1:51: integer '18446744073709551616' does not fit in 64 bits");
  EXPECT_EQ(tensor(R"("dtype":"F32","shape":[1],"data_offsets":)"
                   R"([18446744073709551612,18446744073709551615])"),
            ":1:48: tensor 'x': F32 [1] has 4 bytes, but data_offsets span 3");
  EXPECT_EQ(tensor(R"("dtype":"F32","shape":[1],"data_offsets":)"
                   R"([18446744073709551611,18446744073709551615])"),
            ":1:2: tensor 'x': its data begins at 18446744073709551611, but 0 is the end of what "
            "precedes it; tensors may neither overlap nor leave gaps");
  EXPECT_EQ(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,3])"),
            ":1:48: tensor 'x': F32 [1] has 4 bytes, but data_offsets span 3");
  EXPECT_EQ(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,5])"),
            ":1:48: tensor 'x': F32 [1] has 4 bytes, but data_offsets span 5");
}

TEST_F(SafetensorsErrors, Shapes) {
  const char *dimension = "a dimension must be an integer of at least 0";
  for (const char *shape : {"[-1]", "[1.0]", "[1e0]", "[\"1\"]", "[null]", "[[1]]", "[true]",
                            "[9223372036854775808]", "[18446744073709551615]"})
    EXPECT_NE(
        tensor(std::string("\"dtype\":\"F32\",\"shape\":") + shape + ",\"data_offsets\":[0,4]")
            .find(dimension),
        std::string::npos)
        << shape;
  for (const char *shape : {"1", "null", "{}", "\"[1]\""})
    EXPECT_EQ(
        tensor(std::string("\"dtype\":\"F32\",\"shape\":") + shape + ",\"data_offsets\":[0,4]"),
        ":1:29: tensor 'x': shape must be an array of at most 64 dimensions")
        << shape;
  // Products that wrap to 0, to 4 and to something small.
  for (const char *shape : {"[4294967296,4294967296]", "[4294967296,4294967296,0]",
                            "[0,4294967296,4294967296,4294967296]", "[4611686018427387904,4]",
                            "[4611686018427387905,4]", "[9223372036854775807,2]",
                            "[2305843009213693953]", "[3037000500,3037000500,3037000500]"}) {
    std::string text =
        tensor(std::string("\"dtype\":\"F32\",\"shape\":") + shape + ",\"data_offsets\":[0,4]");
    EXPECT_NE(text, "") << shape;
    text = tensor(std::string("\"dtype\":\"F32\",\"shape\":") + shape + ",\"data_offsets\":[0,0]");
    EXPECT_NE(text, "") << shape;
  }
  EXPECT_EQ(tensor(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4])"),
            ":1:29: tensor 'x': the size of F32 [4294967296, 4294967296] overflows 64 bits or does "
            "not fill whole bytes");
  std::string ranks = "1";
  for (int i = 1; i < 100000; ++i)
    ranks += ",1";
  EXPECT_EQ(tensor("\"dtype\":\"F32\",\"shape\":[" + ranks + "],\"data_offsets\":[0,4]"),
            ":1:29: tensor 'x': shape must be an array of at most 64 dimensions");
}

TEST_F(SafetensorsErrors, TypesBelowAByte) {
  EXPECT_EQ(header(R"({"x":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", "a"),
            ":1:28: tensor 'x': the size of F4 [3] overflows 64 bits or does not fill whole bytes");
  EXPECT_NE(header(R"({"x":{"dtype":"F6_E3M2","shape":[3],"data_offsets":[0,2]}})", "ab"), "");
  EXPECT_NE(header(R"({"x":{"dtype":"F4","shape":[4],"data_offsets":[0,4]}})", "abcd"), "");
}

TEST_F(SafetensorsErrors, Tiling) {
  auto two = [&](const char *first, const char *second, const std::string &data) {
    return header(std::string("{\"x\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":") + first +
                      "},\"y\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + second + "}}",
                  data);
  };
  EXPECT_EQ(two("[0,4]", "[4,8]", "abcdefgh"), "");
  EXPECT_EQ(two("[4,8]", "[0,4]", "abcdefgh"), "");
  const char *rule = "tensors may neither overlap nor leave gaps";
  EXPECT_NE(two("[0,4]", "[3,7]", "abcdefg").find(rule), std::string::npos);   // overlap by one
  EXPECT_NE(two("[0,4]", "[5,9]", "abcdefghi").find(rule), std::string::npos); // gap of one
  EXPECT_NE(two("[0,4]", "[0,4]", "abcd").find(rule), std::string::npos);      // the same bytes
  EXPECT_NE(two("[1,5]", "[5,9]", "abcdefghi").find(rule), std::string::npos); // a gap in front
  EXPECT_EQ(two("[0,4]", "[4,8]", "abcdefg"),
            ":1:54: tensor 'y': its data ends at 8, but the file has 7 bytes of data; the file is "
            "cut short");
  EXPECT_EQ(two("[0,4]", "[4,8]", "abcdefghi"),
            ": has 9 bytes of data, but its tensors take 8; they must be equal");
  EXPECT_EQ(header("{}", "a"), ": has 1 bytes of data, but its tensors take 0; they must be equal");
  // An empty tensor inside another one.
  EXPECT_NE(header(R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                   R"("y":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
                   "abcd")
                .find(rule),
            std::string::npos);
}

TEST_F(SafetensorsErrors, ManyTensorsAndHugeNames) {
  std::string many = "{";
  const int count = 100000;
  for (int i = 0; i < count; ++i)
    many += (i ? ",\"t" : "\"t") + std::to_string(i) +
            "\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[" + std::to_string(i) + "," +
            std::to_string(i + 1) + "]}";
  many += '}';
  EXPECT_EQ(header(many, std::string(count, 'a')), "");
  EXPECT_NE(header(many, std::string(count - 1, 'a')), "");
  std::string name(1 << 20, 'n');
  EXPECT_EQ(header("{\"" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "a"),
            "");
  std::string refused =
      header("{\"" + name + R"(":{"dtype":"U9","shape":[1],"data_offsets":[0,1]}})", "a");
  EXPECT_NE(refused, "");
  EXPECT_LT(refused.size(), 400u);
}

TEST_F(SafetensorsErrors, Files) {
  std::string none = directory.file("none.safetensors");
  EXPECT_EQ(SafetensorsFile::open(none).error().str(),
            none + ": cannot open: No such file or directory");
  EXPECT_EQ(SafetensorsFile::open(directory.path()).error().str(),
            directory.path() + ": is a directory; give a file");
  std::string text =
      directory.write("readme.safetensors", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_NE(SafetensorsFile::open(text).error().message.find("is this a safetensors file?"),
            std::string::npos);
}

} // namespace
