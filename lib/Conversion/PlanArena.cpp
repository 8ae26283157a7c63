//===- PlanArena.cpp - launch-plan-arena ----------------------------------===//
// Offsets by lifetime in one arena.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
// Placing intervals of given sizes so that the arena is smallest is dynamic storage allocation,
// which is NP-hard. We place greedily, each in the smallest gap between the buffers already placed
// that are live at the same time, else behind them. The largest come first (of equal ones the
// longer-lived, then the earlier). Where that misses the lower bound, what is live at the peak
// comes first, longest-lived lowest: it is packed without a gap, and saved activations are a stack,
// which the backward frees from its top. Then those of the largest bytes x launches and the
// longest-lived are tried first too. The smallest arena is taken. docs/memory.md has the measured
// distance to the lower bound.
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/Lifetimes.h"
#include "ftc/Analysis/Report.h"
#include "ftc/Conversion/Passes.h"

#include "llvm/Support/FormatVariadic.h"

namespace ftc {
#define GEN_PASS_DEF_PLANARENA
#include "ftc/Conversion/Passes.h.inc"
} // namespace ftc

using namespace mlir;
using namespace ftc;
using namespace ftc::launch;

namespace {
/// Bytes that are taken during some launches.
struct Placed {
  int64_t offset, end;
  int64_t first, last;
};

/// Buffers, by their numbers, in the order in which they are placed.
using Sequence = std::vector<unsigned>;

/// One behind the other; returns the arena's bytes.
int64_t placeApart(ArrayRef<LiveBuffer> buffers, std::vector<int64_t> &offsets) {
  int64_t arena = 0;
  for (const LiveBuffer &buffer : buffers) {
    offsets.push_back(arena);
    arena += buffer.bytes;
  }
  return arena;
}
/// What is placed first: a larger key comes earlier. `peak`: the launch where most bytes are live.
using Order = std::pair<int64_t, int64_t> (*)(const LiveBuffer &, int64_t peak);

struct NamedOrder {
  StringRef name;
  Order key;
};

int64_t length(const LiveBuffer &buffer) { return buffer.last - buffer.first; }

constexpr NamedOrder orders[] = {
    {"largest first",
     [](const LiveBuffer &b, int64_t) { return std::make_pair(b.bytes, length(b)); }},
    // Those are packed without a gap; saved activations lie as on a stack, the first lowest.
    {"live at the peak first",
     [](const LiveBuffer &b, int64_t peak) {
       constexpr int64_t before = int64_t(1) << 60; // all sizes
       bool live = b.first <= peak && peak <= b.last;
       return live ? std::make_pair(before + length(b), b.bytes)
                   : std::make_pair(b.bytes, length(b));
     }},
    {"largest bytes x launches first",
     [](const LiveBuffer &b, int64_t) {
       return std::make_pair(b.bytes * (length(b) + 1), b.bytes);
     }},
    {"longest-lived first",
     [](const LiveBuffer &b, int64_t) { return std::make_pair(length(b), b.bytes); }},
};

Sequence sequenceBy(Order key, const Lifetimes &lifetimes) {
  ArrayRef<LiveBuffer> buffers = lifetimes.buffers;
  Sequence sequence(buffers.size());
  for (unsigned i = 0; i < sequence.size(); ++i)
    sequence[i] = i;
  llvm::sort(sequence, [&](unsigned a, unsigned b) {
    auto keyA = key(buffers[a], lifetimes.peakLaunch), keyB = key(buffers[b], lifetimes.peakLaunch);
    return keyA != keyB ? keyA > keyB : a < b;
  });
  return sequence;
}

/// Places the buffers one by one; offsets are by their numbers. Returns the arena's bytes.
int64_t place(ArrayRef<LiveBuffer> buffers, const Sequence &sequence,
              std::vector<int64_t> &offsets) {
  offsets.assign(buffers.size(), 0);
  std::vector<Placed> placed; // by offset
  placed.reserve(buffers.size());
  int64_t arena = 0;
  for (unsigned index : sequence) {
    const LiveBuffer &buffer = buffers[index];
    int64_t best = -1, bestGap = 0, end = 0;
    for (const Placed &other : placed) {
      if (other.first > buffer.last || buffer.first > other.last)
        continue;
      int64_t gap = other.offset - end;
      if (gap >= buffer.bytes && (best < 0 || gap < bestGap)) {
        best = end;
        bestGap = gap;
      }
      end = std::max(end, other.end);
    }
    int64_t offset = best >= 0 ? best : end;
    offsets[index] = offset;
    arena = std::max(arena, offset + buffer.bytes);
    auto behind = llvm::upper_bound(
        placed, offset, [](int64_t at, const Placed &other) { return at < other.offset; });
    placed.insert(behind, {offset, offset + buffer.bytes, buffer.first, buffer.last});
  }
  return arena;
}

struct PlanArenaPass : ftc::impl::PlanArenaBase<PlanArenaPass> {
  using ftc::impl::PlanArenaBase<PlanArenaPass>::PlanArenaBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpBuilder builder(&getContext());
    Observer observer("launch-plan-arena");
    int64_t arena = 0;
    for (auto entry : module.getOps<EntryOp>()) {
      Lifetimes lifetimes = Lifetimes::of(entry);
      std::vector<int64_t> offsets;
      int64_t bytes = reuse ? plan(entry, lifetimes, offsets, observer)
                            : placeApart(lifetimes.buffers, offsets);
      for (auto [buffer, offset] : llvm::zip(lifetimes.buffers, offsets))
        buffer.op->setAttr("offset", builder.getI64IntegerAttr(offset));
      // A buffer that no launch touches needs no room, and must not be taken for an unplanned one.
      for (auto alloc : entry.getBody().front().getOps<AllocOp>())
        if (!alloc.getOffset())
          alloc.setOffset(0);
      entry.setArenaBytes(bytes);
      entry.setLiveBytes(lifetimes.peakBytes);
      arena = std::max(arena, bytes);
      std::string name = entry.getSymName().str();
      observer.count(name + ".arena_bytes", bytes);
      observer.count(name + ".lower_bound_bytes", lifetimes.peakBytes);
      observer.count(name + ".buffers", lifetimes.buffers.size());
      observer.remark(
          llvm::formatv("{0}: {1} in the arena, {2} buffers, {3:f3} of the lower bound", name,
                        formatBytes(bytes), lifetimes.buffers.size(),
                        lifetimes.peakBytes ? double(bytes) / double(lifetimes.peakBytes) : 1.0));
    }
    if (!reuse)
      observer.remark("reuse of bytes is switched off");
    module->setAttr(kArenaBytesAttr, builder.getI64IntegerAttr(arena));
    observer.commit(module);
  }

  /// The best of the orders; those behind one that reaches the lower bound are not tried.
  static int64_t plan(EntryOp entry, const Lifetimes &lifetimes, std::vector<int64_t> &offsets,
                      Observer &observer) {
    std::vector<Candidate> candidates;
    int64_t best = INT64_MAX;
    size_t chosen = 0;
    for (const NamedOrder &order : orders) {
      std::vector<int64_t> tried;
      int64_t bytes = place(lifetimes.buffers, sequenceBy(order.key, lifetimes), tried);
      if (bytes < best) {
        best = bytes;
        offsets = std::move(tried);
        chosen = candidates.size();
      }
      candidates.push_back({order.name.str(), "", false, {{"arena bytes", bytes}}});
      if (best == lifetimes.peakBytes)
        break;
    }
    for (auto [index, candidate] : llvm::enumerate(candidates)) {
      candidate.chosen = index == chosen;
      if (candidate.chosen)
        candidate.why =
            best == lifetimes.peakBytes ? "reaches the lower bound" : "the smallest arena";
      else
        candidate.why = candidate.scores.front().second > best ? "larger" : "no smaller";
    }
    observer.decide("in which order are buffers placed", entry.getSymName(), std::move(candidates));
    return best;
  }
};
} // namespace
