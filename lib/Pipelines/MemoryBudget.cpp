//===- MemoryBudget.cpp - how much recomputation a budget needs -----------===//
// The analysis knows what a choice keeps; what the program then needs, only its plan says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "MemoryBudget.h"

#include "dialects/FT/IR/FT.h"
#include "dialects/Launch/IR/Launch.h"
#include "ftc/Analysis/Report.h"
#include "ftc/Analysis/SavedValues.h"
#include "ftc/Analysis/StateLayout.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

using namespace mlir;
using namespace ftc;

static constexpr llvm::StringLiteral kStep = "train_step";

/// Of every choice, the machine's balance: the pass's default.
static constexpr int64_t kFlopsPerByte = 200;

static func::FuncOp stepOf(ModuleOp module) {
  auto step = module.lookupSymbol<func::FuncOp>(kStep);
  return step && step.getBody().hasOneBlock() ? step : func::FuncOp();
}

int64_t ftc::stepFlops(ModuleOp module) {
  int64_t flops = 0;
  if (func::FuncOp step = stepOf(module))
    for (Operation &op : step.getBody().front())
      if (auto costed = dyn_cast<ft::CostOpInterface>(op))
        flops += costed.getCost().flops;
  return flops;
}

namespace {
/// Plans a module under choices, each once.
class Prober {
public:
  Prober(ModuleOp module, PipelineOptions options) : module(module), options(std::move(options)) {
    this->options.stopAfter.clear();
  }

  Result<MemoryPoint> plan(int64_t segments, int64_t limit) {
    auto [known, isNew] = points.try_emplace({segments, limit});
    if (!isNew)
      return known->second;
    // Other entry points need no more: they have the same forward and backward, or less.
    OwningOpRef<ModuleOp> copy = module.clone();
    for (auto function : llvm::make_early_inc_range(copy->getOps<func::FuncOp>()))
      if (function.getName() != kStep)
        function.erase();
    options.segments = segments;
    options.savedBytes = limit;
    PassManager manager(module.getContext(), ModuleOp::getOperationName());
    // The program that is chosen is verified; these are only measured.
    manager.enableVerifier(false);
    if (Status status = buildPipeline(manager, *copy, options); !status)
      return status.takeError();
    if (failed(manager.run(*copy)))
      return makeError("ftc compile", "planning with less memory failed");
    MemoryPoint &point = known->second;
    point.segments = segments;
    point.limit = limit;
    for (const PassReport &report : getReports(*copy))
      for (const auto &[name, value] : report.statistics) {
        if (name == (kStep + ".saved_bytes").str())
          point.savedBytes = value;
        else if (name == (kStep + ".extra_flops").str())
          point.extraFlops = value;
      }
    if (auto arena = (*copy)->getAttrOfType<IntegerAttr>(launch::kArenaBytesAttr))
      point.arenaBytes = arena.getInt();
    point.peakBytes = point.arenaBytes + StateLayout::of(*copy).bytes;
    for (auto state : copy->getOps<launch::StateOp>())
      if (state.getRole() == launch::Role::base)
        point.peakBytes += launch::getBufferBytes(state.getBufferType());
    return point;
  }

  /// The limits that make a difference, falling. `isHull` marks those of the hull: between them
  /// regions change over one by one.
  struct Limits {
    std::vector<int64_t> bytes;
    std::vector<bool> isHull;
    int regions = 0;
  };
  Limits limits(int64_t segments) {
    Block &block = stepOf(module).getBody().front();
    SavedValues values(block, *block.getOps<ft::BoundaryOp>().begin(), static_cast<int>(segments),
                       kFlopsPerByte);
    std::vector<Rebuilt> hull = values.hull();
    Limits result;
    result.bytes = values.steps(hull);
    for (int64_t bytes : result.bytes)
      result.isHull.push_back(
          llvm::any_of(hull, [&](const Rebuilt &point) { return point.savedBytes == bytes; }));
    for (const Recipe &recipe : values.recipes())
      result.regions = std::max(result.regions, recipe.region + 1);
    return result;
  }

private:
  ModuleOp module;
  PipelineOptions options;
  std::map<std::pair<int64_t, int64_t>, MemoryPoint> points;
};

/// The points of the hull for regions of a length, planned. What is kept falls from one to the
/// next; the peak does not always, since what is rebuilt is there twice for a while.
Result<std::vector<MemoryPoint>> hullPoints(Prober &prober, const Prober::Limits &limits,
                                            int64_t segments) {
  std::vector<MemoryPoint> points;
  for (size_t i = 0; i < limits.bytes.size(); ++i) {
    if (!limits.isHull[i])
      continue;
    Result<MemoryPoint> point = prober.plan(segments, limits.bytes[i]);
    if (!point)
      return point.takeError();
    points.push_back(*point);
  }
  return points;
}

/// Of regions of a length, the highest limit that fits; nothing where no point of the hull does.
/// `smallest` becomes the smallest peak seen.
///
/// Each probe is a whole plan, so the next one is where a peak that grows with what is kept would
/// meet the budget, and the last where the next larger choice keeps more than there is room for.
Result<std::optional<MemoryPoint>> fitRegions(Prober &prober, const Prober::Limits &limits,
                                              int64_t segments, int64_t budget, int64_t &smallest) {
  auto probe = [&](size_t index) -> Result<MemoryPoint> {
    Result<MemoryPoint> point = prober.plan(segments, limits.bytes[index]);
    if (point)
      smallest = std::min(smallest, point->peakBytes);
    return point;
  };
  // The least that is kept usually has the smallest peak; where it does not fit, another may.
  std::optional<MemoryPoint> fits;
  size_t high = limits.bytes.size();
  for (size_t i = limits.bytes.size(); i-- > 0 && !fits;) {
    if (!limits.isHull[i])
      continue;
    Result<MemoryPoint> point = probe(i);
    if (!point)
      return point.takeError();
    high = i;
    if (point->peakBytes <= budget)
      fits = *point;
  }
  if (!fits)
    return fits;
  for (size_t low = 0; low + 1 < high;) {
    int64_t room = budget - fits->peakBytes;
    auto wanted = std::find_if(limits.bytes.begin(), limits.bytes.end(),
                               [&](int64_t bytes) { return bytes <= limits.bytes[high] + room; });
    size_t next = std::max(low + 1, static_cast<size_t>(wanted - limits.bytes.begin()));
    if (next >= high)
      break;
    Result<MemoryPoint> point = probe(next);
    if (!point)
      return point.takeError();
    if (point->peakBytes <= budget) {
      high = next;
      fits = *point;
    } else {
      low = next;
    }
  }
  return fits;
}

/// Lengths of regions behind the usual one, a layer: half a layer, and longer ones, which keep less
/// of the residual stream.
constexpr int64_t kOtherSegments[] = {1, 4, 8, 16, 32};
} // namespace

Result<MemoryPoint> ftc::fitMemory(ModuleOp module, const PipelineOptions &options, int64_t budget,
                                   const MemoryPoint &atLeast, const std::string &where) {
  func::FuncOp step = stepOf(module);
  if (!step || step.getBody().front().getOps<ft::BoundaryOp>().empty())
    return makeError(where, "finds no train_step with a backward in this IR");
  Prober prober(module, options);
  Result<MemoryPoint> least = prober.plan(atLeast.segments, atLeast.limit);
  if (!least || least->peakBytes <= budget)
    return least;
  int64_t smallest = least->peakBytes;
  std::optional<MemoryPoint> best;
  auto consider = [&](int64_t segments, const Prober::Limits &limits) -> Status {
    Result<std::optional<MemoryPoint>> point =
        fitRegions(prober, limits, segments, budget, smallest);
    if (!point)
      return point.takeError();
    if (*point && (!best || (*point)->extraFlops < best->extraFlops))
      best = **point;
    return Status::ok();
  };
  if (Status status = consider(2, prober.limits(2)); !status)
    return status.takeError();
  if (!best)
    for (int64_t segments : kOtherSegments) {
      Prober::Limits limits = prober.limits(segments);
      if (limits.regions > 1)
        if (Status status = consider(segments, limits); !status)
          return status.takeError();
    }
  if (best)
    return *best;
  return makeError(where, "a step needs at least " + std::to_string(smallest) + " bytes (" +
                              formatBytes(smallest) + "), and the budget is " +
                              std::to_string(budget) + " (" + formatBytes(budget) +
                              "); give more, or a smaller batch, length or rank");
}

Result<std::vector<MemoryPoint>> ftc::memoryCurve(ModuleOp module, const PipelineOptions &options,
                                                  int most) {
  Prober prober(module, options);
  Result<MemoryPoint> free = prober.plan(2, -1);
  if (!free)
    return free.takeError();
  std::vector<MemoryPoint> curve = {*free};
  Prober::Limits layers = prober.limits(2);
  // Evenly in bytes: the first steps free most.
  for (int i = 1; i <= most; ++i) {
    int64_t first = layers.bytes.front(), last = layers.bytes.back();
    int64_t wanted = first - (first - last) / (most + 1) * i;
    auto limit = std::find_if(layers.bytes.begin(), layers.bytes.end(),
                              [&](int64_t bytes) { return bytes <= wanted; });
    Result<MemoryPoint> point = prober.plan(2, *limit);
    if (!point)
      return point.takeError();
    curve.push_back(*point);
  }
  auto add = [&](int64_t segments, const Prober::Limits &limits) -> Status {
    Result<std::vector<MemoryPoint>> points = hullPoints(prober, limits, segments);
    if (!points)
      return points.takeError();
    curve.insert(curve.end(), points->begin(), points->end());
    return Status::ok();
  };
  if (Status status = add(2, layers); !status)
    return status.takeError();
  for (int64_t segments : kOtherSegments) {
    Prober::Limits limits = prober.limits(segments);
    if (limits.regions > 1)
      if (Status status = add(segments, limits); !status)
        return status.takeError();
  }
  // Of points with the same peak the cheapest; none that costs more and needs as much.
  std::sort(curve.begin(), curve.end(), [](const MemoryPoint &a, const MemoryPoint &b) {
    return std::tuple(a.extraFlops, a.peakBytes, a.segments) <
           std::tuple(b.extraFlops, b.peakBytes, b.segments);
  });
  std::vector<MemoryPoint> frontier;
  for (const MemoryPoint &point : curve)
    if (frontier.empty() || point.peakBytes < frontier.back().peakBytes)
      frontier.push_back(point);
  return frontier;
}
