//===- HostBatches.h - tables of batched launches --------------------------===//
// Operands and blocks of launches that do one kernel's work for several groups at once.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_HOSTBATCHES_H
#define FTC_KERNELS_CUDA_HOSTBATCHES_H

#include "ftc/Kernels/CUDA/HostMemory.h"

#include <vector>

namespace ftc::cuda {

/// The operands of one group and its grid: the memory image of Device.h's BatchItem.
struct BatchGroup {
  static constexpr unsigned mostArguments = 16;
  void *arguments[mostArguments] = {};
  long long grid = 0;
};

/// The tables of all batched launches of a program, in one piece of device memory. For each launch:
/// its groups, then the number of each group's first block and the number of all blocks, which are
/// the kernel's `items`, `firstBlock` and `count`. Add, allocate, upload; upload again whenever an
/// address has changed.
class BatchTables {
public:
  /// Adds a launch; a block does `itemsPerBlock` items of a group's grid. Answers its number.
  int add(const std::vector<BatchGroup> &groups, long long itemsPerBlock) {
    tables.push_back({words.size(), groups.size()});
    for (const BatchGroup &group : groups)
      append(&group, wordsOfGroup);
    long long block = 0;
    append(&block, 1);
    for (const BatchGroup &group : groups) {
      block += (group.grid + itemsPerBlock - 1) / itemsPerBlock;
      append(&block, 1);
    }
    return static_cast<int>(tables.size() - 1);
  }

  void setArgument(int table, size_t group, size_t argument, const void *address) {
    std::memcpy(&words[at(table).begin + group * wordsOfGroup + argument],
                static_cast<const void *>(&address), sizeof address);
  }

  /// After the last `add`.
  Status allocate(const Device &device, Stream stream) {
    functions = &device.driver();
    return memory.allocate(device, words.size() * sizeof(uint64_t),
                           "the tables of batched launches", stream);
  }
  /// Waits until the tables are on the device.
  Status upload(Stream stream) const {
    if (words.empty())
      return Status();
    int error = functions->copyToDevice(memory.data(), words.data(), memory.size(), stream);
    if (!error)
      error = functions->streamSynchronize(stream);
    return failure(error, "copy the tables of batched launches to the GPU");
  }

  /// Device addresses and sizes, as the kernel and its launch take them.
  const void *items(int table) const { return device(at(table).begin); }
  const long long *firstBlock(int table) const {
    return reinterpret_cast<const long long *>(device(blocksBegin(at(table))));
  }
  long long count(int table) const { return static_cast<long long>(at(table).groups); }
  long long blocks(int table) const {
    return static_cast<long long>(words[blocksBegin(at(table)) + at(table).groups]);
  }

  uint64_t bytes() const { return memory.size(); }

private:
  struct Table {
    size_t begin, groups; ///< `begin`: in `words`
  };
  static constexpr size_t wordsOfGroup = sizeof(BatchGroup) / sizeof(uint64_t);
  static_assert(sizeof(BatchGroup) == 136 && sizeof(void *) == 8, "the layout of BatchItem");

  const Table &at(int table) const { return tables[static_cast<size_t>(table)]; }
  static size_t blocksBegin(const Table &table) {
    return table.begin + table.groups * wordsOfGroup;
  }
  const unsigned char *device(size_t word) const { return memory.data() + word * sizeof(uint64_t); }
  void append(const void *data, size_t count) {
    words.resize(words.size() + count);
    std::memcpy(&words[words.size() - count], data, count * sizeof(uint64_t));
  }

  const Driver *functions = nullptr;
  std::vector<uint64_t> words;
  std::vector<Table> tables;
  DeviceMemory memory;
};

} // namespace ftc::cuda

#endif // FTC_KERNELS_CUDA_HOSTBATCHES_H
