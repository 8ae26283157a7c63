//===- Lifetimes.cpp - when buffers are live ------------------------------===//
// One sweep over the launches of an entry point.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/Lifetimes.h"
#include "ftc/Mutants.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

#include <map>
#include <tuple>

using namespace mlir;
using namespace ftc;
using namespace ftc::launch;

Operation *ftc::getBase(Value buffer, int64_t &offset) {
  offset = 0;
  while (auto view = buffer.getDefiningOp<ViewOp>()) {
    offset += (int64_t)view.getOffset() * (view.getType().getElementTypeBitWidth() / 8);
    buffer = view.getSource();
  }
  return buffer.getDefiningOp();
}

/// The name of a buffer with `L*` for the layer that it begins with.
static std::string nameOf(Operation *op) {
  auto alloc = dyn_cast<AllocOp>(op);
  StringRef name = alloc ? alloc.getName() : cast<InputOp>(op).getName(), rest = name;
  if (rest.consume_front("L"))
    if (StringRef digits = rest.take_while(llvm::isDigit); !digits.empty())
      if (rest = rest.drop_front(digits.size()); rest.starts_with("_"))
        return "L*" + rest.str();
  return name.str();
}

bool Lifetimes::isSaved(const LiveBuffer &buffer) const {
  return isa<AllocOp>(buffer.op) && buffer.first < boundary && buffer.last >= boundary;
}

std::vector<LiveGroup> Lifetimes::atPeak() const {
  std::map<std::pair<std::string, bool>, LiveGroup> groups;
  for (const LiveBuffer &buffer : buffers) {
    if (buffer.first > peakLaunch || buffer.last < peakLaunch)
      continue;
    LiveGroup &group = groups[{nameOf(buffer.op), isSaved(buffer)}];
    ++group.count;
    group.bytes += buffer.bytes;
  }
  std::vector<LiveGroup> list;
  for (auto &[key, group] : groups)
    list.push_back({key.first, group.count, group.bytes, key.second});
  std::sort(list.begin(), list.end(), [](const LiveGroup &a, const LiveGroup &b) {
    return std::tuple(-a.bytes, a.name, a.saved) < std::tuple(-b.bytes, b.name, b.saved);
  });
  return list;
}

Lifetimes Lifetimes::of(EntryOp entry) {
  Lifetimes result;
  llvm::MapVector<Operation *, std::pair<int64_t, int64_t>> ranges;
  auto touch = [&](Value buffer, int64_t at) {
    int64_t offset;
    Operation *base = getBase(buffer, offset);
    if (!isa_and_present<AllocOp, InputOp>(base))
      return;
    auto [it, inserted] = ranges.try_emplace(base, at, at);
    it->second.second = std::max(it->second.second, FTC_MUTATE("short-live-range", at, at - 1));
  };
  for (Operation &op : entry.getBody().front())
    if (isa<InputOp>(op))
      ranges.try_emplace(&op, 0, 0);

  int64_t count = 0;
  for (Operation &op : entry.getBody().front()) {
    if (auto launch = dyn_cast<LaunchOp>(op)) {
      for (Value operand : launch.getOperands())
        touch(operand, count);
      result.launches.push_back(launch);
      ++count;
    } else if (isa<BoundaryOp>(op)) {
      result.boundary = count;
    } else if (auto output = dyn_cast<OutputOp>(op)) {
      touch(output.getBuffer(), std::max<int64_t>(count - 1, 0));
    }
  }

  std::vector<int64_t> change(count + 2, 0);
  for (auto &[op, range] : ranges) {
    int64_t bytes = llvm::alignTo(getBufferBytes(cast<MemRefType>(op->getResult(0).getType())),
                                  kArenaAlignment);
    result.buffers.push_back({op, bytes, range.first, range.second});
    change[range.first] += bytes;
    change[range.second + 1] -= bytes;
    if (result.isSaved(result.buffers.back()))
      result.savedBytes += bytes;
  }
  int64_t live = 0;
  for (int64_t i = 0; i <= count; ++i) {
    live += change[i];
    if (live > result.peakBytes) {
      result.peakBytes = live;
      result.peakLaunch = i;
    }
  }
  return result;
}
