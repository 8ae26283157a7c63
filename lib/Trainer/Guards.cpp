//===- Guards.cpp - what must hold for a run to be a training --------------===//
// Reads moments and base tensors in pieces.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Guards.h"

#include "ftc/Mutants.h"
#include "ftc/Support/Crc32c.h"
#include "ftc/Support/Hash.h"

#include <algorithm>
#include <cstring>

namespace ftc::trainer {

namespace {

/// Calls `take(bytes, count)` with a tensor's bytes, piece by piece, until it answers false.
template <class Take>
Status forPieces(const Instance &instance, const ftc_tensor_info &tensor,
                 std::vector<unsigned char> &buffer, Take take) {
  buffer.resize(size_t{1} << 20);
  for (uint64_t offset = 0; offset < tensor.bytes;) {
    size_t count = static_cast<size_t>(std::min<uint64_t>(buffer.size(), tensor.bytes - offset));
    if (Status s = instance.read(tensor.name, offset, buffer.data(), count); !s)
      return s;
    if (!take(buffer.data(), count))
      break;
    offset += count;
  }
  return Status::ok();
}

/// Whether all bytes but signs are zero: -0 is zero too.
bool isZero(const unsigned char *bytes, size_t count) {
  for (size_t i = 0; i + sizeof(uint32_t) <= count; i += sizeof(uint32_t)) {
    uint32_t word;
    std::memcpy(&word, bytes + i, sizeof word);
    if (word & 0x7fffffffu)
      return false;
  }
  return true;
}

} // namespace

Result<std::vector<std::string>> withoutGradient(const Package &package, const Instance &instance) {
  std::vector<std::string> keys;
  std::vector<unsigned char> buffer;
  for (const ftc_tensor_info &tensor : package.tensors()) {
    if (tensor.role != FTC_MOMENT1)
      continue;
    bool isAllZero = true;
    Status read = forPieces(instance, tensor, buffer, [&](const unsigned char *data, size_t count) {
      return isAllZero = FTC_MUTATE("zero-gradient-unseen", isZero(data, count), false);
    });
    if (!read)
      return read.takeError();
    if (isAllZero)
      keys.emplace_back(package.tensors()[static_cast<size_t>(tensor.owner)].key);
  }
  return keys;
}

Result<BaseChecksums> BaseChecksums::of(const Package &package, const Instance &instance) {
  BaseChecksums result;
  std::vector<unsigned char> buffer;
  for (const ftc_tensor_info &tensor : package.tensors()) {
    if (tensor.role != FTC_BASE)
      continue;
    Sum sum{tensor.name, 0};
    Status read = forPieces(instance, tensor, buffer, [&](const unsigned char *data, size_t count) {
      sum.crc = crc32c(data, count, sum.crc);
      return true;
    });
    if (!read)
      return read.takeError();
    result.sums.push_back(std::move(sum));
  }
  return result;
}

std::string BaseChecksums::identity() const {
  Hasher128 hasher;
  for (const Sum &sum : sums) {
    hasher.update(sum.name.c_str(), sum.name.size() + 1);
    hasher.update(&sum.crc, sizeof sum.crc);
  }
  return hasher.finish().hex();
}

std::optional<std::string> BaseChecksums::firstDifference(const BaseChecksums &other) const {
  for (size_t i = 0; i < std::min(sums.size(), other.sums.size()); ++i)
    if (sums[i].name != other.sums[i].name ||
        FTC_MUTATE("changed-base-unseen", sums[i].crc != other.sums[i].crc, false))
      return sums[i].name;
  return std::nullopt;
}

} // namespace ftc::trainer
