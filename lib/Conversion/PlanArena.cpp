//===- PlanArena.cpp - launch-plan-arena ----------------------------------===//
// Offsets by lifetime in one arena.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
// Placing intervals of given sizes so that the arena is smallest is dynamic storage allocation,
// which is NP-hard. We place greedily, each in the smallest gap between the buffers already placed
// that are live at the same time, else behind them. The largest come first (of equal ones the
// longer-lived, then the earlier); where that misses the lower bound, those of the largest bytes x
// launches and the longest-lived are tried first too, and the smallest arena is taken.
// docs/memory.md has the measured distance to the lower bound.
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
struct Placed {
  int64_t offset, end;
};

/// One behind the other; returns the arena's bytes.
int64_t placeApart(ArrayRef<LiveBuffer> buffers, std::vector<int64_t> &offsets) {
  int64_t arena = 0;
  for (const LiveBuffer &buffer : buffers) {
    offsets.push_back(arena);
    arena += buffer.bytes;
  }
  return arena;
}
/// What is placed first: a larger key comes earlier.
using Order = std::pair<int64_t, int64_t> (*)(const LiveBuffer &);

struct NamedOrder {
  StringRef name;
  Order key;
};

int64_t length(const LiveBuffer &buffer) { return buffer.last - buffer.first; }

constexpr NamedOrder orders[] = {
    {"largest first", [](const LiveBuffer &b) { return std::make_pair(b.bytes, length(b)); }},
    {"largest bytes x launches first",
     [](const LiveBuffer &b) { return std::make_pair(b.bytes * (length(b) + 1), b.bytes); }},
    {"longest-lived first", [](const LiveBuffer &b) { return std::make_pair(length(b), b.bytes); }},
};

/// Offsets of the buffers, in their order; returns the arena's bytes.
int64_t place(ArrayRef<LiveBuffer> buffers, Order first, std::vector<int64_t> &offsets) {
  std::vector<unsigned> order(buffers.size());
  for (unsigned i = 0; i < order.size(); ++i)
    order[i] = i;
  llvm::sort(order, [&](unsigned a, unsigned b) {
    auto keyA = first(buffers[a]), keyB = first(buffers[b]);
    return keyA != keyB ? keyA > keyB : a < b;
  });

  offsets.assign(buffers.size(), 0);
  std::vector<unsigned> done;
  std::vector<Placed> overlapping;
  int64_t arena = 0;
  for (unsigned index : order) {
    const LiveBuffer &buffer = buffers[index];
    overlapping.clear();
    for (unsigned other : done)
      if (buffers[other].first <= buffer.last && buffer.first <= buffers[other].last)
        overlapping.push_back({offsets[other], offsets[other] + buffers[other].bytes});
    llvm::sort(overlapping, [](const Placed &a, const Placed &b) { return a.offset < b.offset; });
    int64_t best = -1, bestGap = 0, end = 0;
    for (const Placed &placed : overlapping) {
      int64_t gap = placed.offset - end;
      if (gap >= buffer.bytes && (best < 0 || gap < bestGap)) {
        best = end;
        bestGap = gap;
      }
      end = std::max(end, placed.end);
    }
    offsets[index] = best >= 0 ? best : end;
    arena = std::max(arena, offsets[index] + buffer.bytes);
    done.push_back(index);
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
      int64_t bytes = place(lifetimes.buffers, order.key, tried);
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
