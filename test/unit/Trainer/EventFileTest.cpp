//===- EventFileTest.cpp - event files read back ---------------------------===//
// A reader of TFRecords and of protobuf's wire format, made from their descriptions alone.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "test/unit/Support/TestFiles.h"

#include "ftc/Trainer/EventFile.h"

#include <cstring>
#include <filesystem>

namespace ftc::trainer {
namespace {

/// CRC32C bit by bit: x^32 + ... reflected, 0x82f63b78.
uint32_t slowCrc(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

template <class T> T bitsOf(std::string_view bytes) {
  T value{};
  EXPECT_EQ(bytes.size(), sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

/// The data of each record; a wrong length or checksum is a failure.
std::vector<std::string> records(const std::string &path) {
  std::string text = test::readAll(path);
  std::vector<std::string> list;
  std::string_view rest = text;
  auto isRight = [](std::string_view bytes, std::string_view masked) {
    uint32_t crc = bitsOf<uint32_t>(masked) - 0xa282ead8u;
    return (crc << 15 | crc >> 17) == slowCrc(bytes);
  };
  while (!rest.empty()) {
    EXPECT_GE(rest.size(), 16u);
    auto length = bitsOf<uint64_t>(rest.substr(0, 8));
    EXPECT_GE(rest.size(), 16 + length);
    EXPECT_TRUE(isRight(rest.substr(0, 8), rest.substr(8, 4)));
    std::string_view data = rest.substr(12, length);
    EXPECT_TRUE(isRight(data, rest.substr(12 + length, 4)));
    list.emplace_back(data);
    rest.remove_prefix(16 + length);
  }
  return list;
}

struct Field {
  uint64_t number = 0;
  uint64_t integer = 0; ///< of a varint
  std::string bytes;    ///< of all others
};

std::vector<Field> fields(std::string_view message) {
  auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      auto byte = static_cast<uint8_t>(message.at(0));
      message.remove_prefix(1);
      value |= uint64_t{byte & 127u} << shift;
      if (byte < 128)
        return value;
    }
  };
  std::vector<Field> list;
  while (!message.empty()) {
    uint64_t tag = varint();
    Field field{tag >> 3, 0, {}};
    if ((tag & 7) == 0) {
      field.integer = varint();
    } else {
      size_t size = (tag & 7) == 1 ? 8 : (tag & 7) == 5 ? 4 : varint();
      EXPECT_LE(size, message.size());
      field.bytes = message.substr(0, size);
      message.remove_prefix(size);
    }
    list.push_back(field);
  }
  return list;
}

const Field &only(const std::vector<Field> &list, uint64_t number) {
  const Field *found = nullptr;
  for (const Field &field : list)
    if (field.number == number) {
      EXPECT_EQ(found, nullptr);
      found = &field;
    }
  EXPECT_NE(found, nullptr) << number;
  static const Field none;
  return found ? *found : none;
}

/// `tag=value` of a summary, in order.
std::vector<std::string> scalars(const std::string &event) {
  std::vector<std::string> list;
  for (const Field &value : fields(only(fields(event), 5).bytes)) {
    EXPECT_EQ(value.number, 1u);
    std::vector<Field> inner = fields(value.bytes);
    list.push_back(only(inner, 1).bytes + '=' +
                   json::formatDouble(bitsOf<float>(only(inner, 2).bytes)));
  }
  return list;
}

StepReport someReport(int64_t step) {
  StepReport report;
  report.step = step;
  report.loss = 2.5;
  report.gradNorm = 0.75;
  report.learningRate = 0.125;
  report.epoch = 1.5;
  report.tokensPerSecond = 4096;
  return report;
}

std::vector<std::string> namesIn(const std::string &directory) {
  std::vector<std::string> names;
  for (const auto &entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(EventFile, HoldsWhatWasReported) {
  test::TempDirectory files;
  {
    Result<EventFile> events = EventFile::create(files.file("a/runs"), 1);
    ASSERT_TRUE(static_cast<bool>(events)) << events.error().str();
    ASSERT_TRUE(static_cast<bool>(events->step(someReport(300))));
    StepReport measured = someReport(301);
    measured.mfu = 0.5;
    ASSERT_TRUE(static_cast<bool>(events->step(measured)));
    ASSERT_TRUE(static_cast<bool>(events->evaluation(301, 3.25)));
  }
  std::vector<std::string> list = records(files.file("a/runs/events.out.tfevents.0000000001.ftc"));
  ASSERT_EQ(list.size(), 5u);
  EXPECT_EQ(only(fields(list[0]), 3).bytes, "brain.Event:2");
  // SessionLog: status START.
  EXPECT_EQ(only(fields(only(fields(list[1]), 7).bytes), 1).integer, 1u);
  EXPECT_EQ(only(fields(list[1]), 2).integer, 1u);
  EXPECT_EQ(only(fields(list[2]), 2).integer, 300u);
  EXPECT_EQ(scalars(list[2]),
            (std::vector<std::string>{"train/loss=2.5", "train/grad_norm=0.75",
                                      "train/learning_rate=0.125", "train/epoch=1.5",
                                      "train/tokens_per_second=4096.0"}));
  EXPECT_EQ(scalars(list[3]).back(), "train/mfu=0.5");
  EXPECT_EQ(scalars(list[4]), (std::vector<std::string>{"eval/loss=3.25"}));
  double before = 0;
  for (const std::string &event : list) {
    auto time = bitsOf<double>(only(fields(event), 1).bytes);
    EXPECT_GT(time, 1.6e9); // seconds since 1970
    EXPECT_GE(time, before);
    before = time;
  }
}

TEST(EventFile, ARunThatGoesOnReplacesWhatItComputesAgain) {
  test::TempDirectory files;
  std::string directory = files.file("runs");
  for (int64_t firstStep : {1, 101, 201})
    ASSERT_TRUE(static_cast<bool>(EventFile::create(directory, firstStep)));
  files.write("runs/events.out.tfevents.1700000000.host", "another program's");
  ASSERT_TRUE(static_cast<bool>(EventFile::create(directory, 101)));
  EXPECT_EQ(namesIn(directory), (std::vector<std::string>{"events.out.tfevents.0000000001.ftc",
                                                          "events.out.tfevents.0000000101.ftc",
                                                          "events.out.tfevents.1700000000.host"}));
}

TEST(EventFile, TakesNothingWithoutADirectory) {
  Result<EventFile> events = EventFile::create("", 1);
  ASSERT_TRUE(static_cast<bool>(events));
  EXPECT_TRUE(static_cast<bool>(events->step(someReport(1))));
}

TEST(EventFile, TellsWhyItCannotBeWritten) {
  test::TempDirectory files;
  Result<EventFile> inFile = EventFile::create(files.write("file", "") + "/runs", 1);
  ASSERT_FALSE(static_cast<bool>(inFile));
  EXPECT_NE(inFile.error().str().find("is not a directory"), std::string::npos)
      << inFile.error().str();
}

} // namespace
} // namespace ftc::trainer
