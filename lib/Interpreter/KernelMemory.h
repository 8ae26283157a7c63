//===- KernelMemory.h - bytes that hold doubles -----------------*- C++ -*-===//
// The memory of interpreted launches: overlaps as planned, elements unrounded.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_INTERPRETER_KERNELMEMORY_H
#define FTC_LIB_INTERPRETER_KERNELMEMORY_H

#include "dialects/Launch/IR/Launch.h"

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

/// A contiguous buffer in a memory: an operand of a launch.
struct Buffer {
  Memory *memory = nullptr;
  int64_t byte = 0;
  mlir::MemRefType type;

  int64_t elementBytes() const { return type.getElementTypeBitWidth() / 8; }
  int64_t size() const { return type.getNumElements(); }
  int64_t rows() const { return type.getDimSize(0); }
  int64_t columns() const { return type.getRank() < 2 ? 1 : type.getDimSize(1); }

  double &operator[](int64_t index) const {
    return memory->slot((byte + index * elementBytes()) / 2);
  }
  double &at(int64_t row, int64_t column) const { return (*this)[row * columns() + column]; }
  int64_t index(int64_t at) const { return static_cast<int64_t>((*this)[at]); }

  bool isInside() const {
    return byte >= 0 && getBufferBytes(type) <= memory->size() &&
           byte <= memory->size() - getBufferBytes(type);
  }
  bool overlaps(const Buffer &other) const {
    return memory == other.memory && byte < other.byte + getBufferBytes(other.type) &&
           other.byte < byte + getBufferBytes(type);
  }
};

/// Runs `grid` items of a kernel on its operands (docs/kernels.md). Fails with a diagnostic at the
/// kernel where its scalar code has no meaning or an index leads out of a table.
llvm::LogicalResult runKernel(KernelOp kernel, int64_t grid, llvm::ArrayRef<Buffer> operands);

} // namespace ftc::launch

#endif
