//===- KernelMemory.h - bytes that hold doubles -----------------*- C++ -*-===//
// The memory of interpreted launches: overlaps as planned, elements unrounded.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_INTERPRETER_KERNELMEMORY_H
#define FTC_LIB_INTERPRETER_KERNELMEMORY_H

#include "dialects/Launch/IR/Launch.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

namespace ftc::launch {

/// A stretch of memory. An element lies, as a double, in the slot of its first two bytes, the
/// smallest element there is: buffers that share bytes share slots, and nothing is rounded. What
/// nobody has written is not a number.
class Memory {
public:
  explicit Memory(int64_t bytes) : bytes(bytes), slots((bytes + 1) / 2, std::nan("")) {}
  double &slot(int64_t index) { return slots[index]; }
  int64_t size() const { return bytes; }

private:
  int64_t bytes;
  std::vector<double> slots;
};

/// What is read where there is no index; no table has that row.
inline constexpr int64_t kNoIndex = INT64_MIN;

/// A contiguous buffer in a memory: an operand of a launch.
class Buffer {
public:
  Buffer() = default;
  Buffer(Memory *memory, int64_t byte, mlir::MemRefType type)
      : memory(memory), byte(byte), type(type), count(type.getNumElements()),
        width(type.getElementTypeBitWidth() / 8) {}
  /// Part of it, from an element on, under another type of the same element.
  Buffer view(int64_t element, mlir::MemRefType type) const {
    return {memory, byte + element * width, type};
  }

  mlir::MemRefType getType() const { return type; }
  int64_t getByte() const { return byte; }
  const Memory *getMemory() const { return memory; }
  int64_t size() const { return count; }
  int64_t rows() const { return type.getRank() < 1 ? 1 : type.getDimSize(0); }
  int64_t columns() const { return type.getRank() < 2 ? 1 : type.getDimSize(1); }

  /// An element. One that the buffer has not is a fault, which the launch ends with: a kernel that
  /// was written by hand may say anything.
  double &operator[](int64_t index) const {
    if (static_cast<uint64_t>(index) < static_cast<uint64_t>(count))
      return memory->slot(byte / 2 + index * width / 2);
    fault = true;
    outside = std::nan("");
    return outside;
  }
  double &at(int64_t row, int64_t column) const { return (*this)[row * columns() + column]; }
  /// An element as an index; kNoIndex for what is none.
  int64_t index(int64_t at) const {
    double value = (*this)[at];
    return std::abs(value) < 0x1p53 ? static_cast<int64_t>(value) : kNoIndex;
  }
  /// Whether an element was asked for that it has not.
  bool isAtFault() const { return fault; }

  bool isInside() const {
    int64_t bytes = getBufferBytes(type);
    return byte >= 0 && bytes <= memory->size() && byte <= memory->size() - bytes;
  }
  bool overlaps(const Buffer &other) const {
    return memory == other.memory && byte < other.byte + getBufferBytes(other.type) &&
           other.byte < byte + getBufferBytes(type);
  }

private:
  Memory *memory = nullptr;
  int64_t byte = 0;
  mlir::MemRefType type;
  int64_t count = 0, width = 4;
  mutable bool fault = false;
  mutable double outside = 0;
};

/// Runs `grid` items of a kernel on its operands (docs/kernels.md). Fails with a diagnostic at the
/// kernel where it has not the arguments and regions of its family, its scalar code has no meaning,
/// an index leads out of a table, or a kernel reaches behind the end of an operand.
llvm::LogicalResult runKernel(KernelOp kernel, int64_t grid, llvm::ArrayRef<Buffer> operands);

} // namespace ftc::launch

#endif
