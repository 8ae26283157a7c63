//===- BatchLaunches.cpp - launch-batch -----------------------------------===//
// Equal kernels on independent buffers become one launch.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
// A run is a longest sequence of launches of map and row_reduce kernels with no other launch
// between. In it every launch joins the first launch of its kernel that stands behind all that it
// depends on, so the order of what depends on each other stays.
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/Lifetimes.h"
#include "ftc/Analysis/Report.h"
#include "ftc/Conversion/Passes.h"

#include "llvm/Support/FormatVariadic.h"

namespace ftc {
#define GEN_PASS_DEF_BATCHLAUNCHES
#include "ftc/Conversion/Passes.h.inc"
} // namespace ftc

using namespace mlir;
using namespace ftc;
using namespace ftc::launch;

namespace {
/// Bytes that a step of the run touches.
struct Touched {
  size_t step;
  int64_t begin, end;
};

/// What one launch of the run becomes: launches of one kernel.
struct Step {
  KernelOp kernel;
  SmallVector<LaunchOp> launches;
};

/// One run, filled launch by launch.
class Run {
public:
  Run(int64_t maxArguments) : maxArguments(maxArguments) {}

  void add(LaunchOp launch, KernelOp kernel) {
    size_t first = 0; // the first step that the launch may be part of
    for (auto [index, operand] : llvm::enumerate(launch.getOperands()))
      first = std::max(first, behind(operand, kernel.getArg(index).getAccess() != Access::read));
    size_t at = first;
    if ((int64_t)kernel.getNumArgs() <= maxArguments && launch.getBatch() == 1)
      while (at < steps.size() && steps[at].kernel != kernel)
        ++at;
    else
      at = steps.size();
    if (at == steps.size())
      steps.push_back({kernel, {}});
    steps[at].launches.push_back(launch);
    for (auto [index, operand] : llvm::enumerate(launch.getOperands()))
      note(operand, kernel.getArg(index).getAccess() != Access::read, at);
  }

  std::vector<Step> steps;

private:
  struct Range {
    Operation *base;
    int64_t begin, end;
  };
  static Range rangeOf(Value buffer) {
    int64_t offset;
    Operation *base = getBase(buffer, offset);
    return {base, offset, offset + getBufferBytes(cast<MemRefType>(buffer.getType()))};
  }

  /// The step behind the last one that an access must wait for.
  size_t behind(Value buffer, bool writes) {
    Range range = rangeOf(buffer);
    size_t result = 0;
    auto wait = [&](ArrayRef<Touched> before) {
      for (const Touched &other : before)
        if (other.begin < range.end && range.begin < other.end)
          result = std::max(result, other.step + 1);
    };
    wait(written[range.base]);
    if (writes)
      wait(read[range.base]);
    return result;
  }

  void note(Value buffer, bool writes, size_t step) {
    Range range = rangeOf(buffer);
    (writes ? written : read)[range.base].push_back({step, range.begin, range.end});
  }

  int64_t maxArguments;
  llvm::DenseMap<Operation *, std::vector<Touched>> read, written;
};

/// The path that all sites begin with, and `*` for what differs; `step` where they share nothing.
std::string commonSite(ArrayRef<LaunchOp> launches) {
  StringRef common = LaunchOp(launches.front()).getSite();
  for (LaunchOp launch : launches) {
    StringRef site = launch.getSite();
    if (site == common)
      continue;
    size_t same = 0, component = 0;
    for (; same < std::min(site.size(), common.size()) && site[same] == common[same]; ++same)
      if (site[same] == '.')
        component = same;
    common = common.take_front(component);
  }
  if (common.empty())
    return "step";
  bool all = llvm::all_of(launches, [&](LaunchOp launch) { return launch.getSite() == common; });
  return all ? common.str() : common.str() + ".*";
}

struct BatchLaunchesPass : ftc::impl::BatchLaunchesBase<BatchLaunchesPass> {
  using ftc::impl::BatchLaunchesBase<BatchLaunchesPass>::BatchLaunchesBase;

  void runOnOperation() override {
    Observer observer("launch-batch");
    if (off) {
      observer.remark("switched off");
      return observer.commit(getOperation());
    }
    SymbolTable symbols(getOperation());
    for (auto entry : getOperation().getOps<EntryOp>()) {
      int64_t before = llvm::range_size(entry.getBody().front().getOps<LaunchOp>());
      int64_t batches = batch(entry, symbols, observer);
      int64_t after = llvm::range_size(entry.getBody().front().getOps<LaunchOp>());
      std::string name = entry.getSymName().str();
      observer.count(name + ".batches", batches);
      observer.count(name + ".launches_spared", before - after);
      if (batches > 0)
        observer.remark(llvm::formatv("{0}: {1} launches instead of {2}, {3} of them batches", name,
                                      after, before, batches));
    }
    observer.commit(getOperation());
  }

  int64_t batch(EntryOp entry, const SymbolTable &symbols, Observer &observer) {
    int64_t batches = 0;
    Run run(maxArguments);
    auto finish = [&](Operation *before) {
      batches += rewrite(run, before, observer);
      run = Run(maxArguments);
    };
    for (Operation &op : llvm::make_early_inc_range(entry.getBody().front())) {
      auto launch = dyn_cast<LaunchOp>(op);
      auto kernel = launch ? symbols.lookup<KernelOp>(launch.getKernel()) : KernelOp();
      if (kernel && (kernel.getFamily() == Family::map || kernel.getFamily() == Family::row_reduce))
        run.add(launch, kernel);
      else if (isa<LaunchOp, BoundaryOp, OutputOp>(op))
        finish(&op);
    }
    if (!run.steps.empty())
      batches += rewrite(run, nullptr, observer, &entry.getBody().front());
    return batches;
  }

  /// Writes the run's steps in front of `before`, or at the end of `block`.
  static int64_t rewrite(const Run &run, Operation *before, Observer &observer,
                         Block *block = nullptr) {
    bool any = llvm::any_of(run.steps, [](const Step &step) { return step.launches.size() > 1; });
    if (!any)
      return 0;
    OpBuilder builder = before ? OpBuilder(before) : OpBuilder::atBlockEnd(block);
    int64_t batches = 0;
    for (const Step &step : run.steps) {
      LaunchOp first = step.launches.front();
      if (step.launches.size() == 1) {
        before ? first->moveBefore(before) : first->moveBefore(block, block->end());
        continue;
      }
      int64_t grid = 0, flops = 0, bytes = 0;
      SmallVector<Value> operands;
      for (LaunchOp launch : step.launches) {
        grid += launch.getGrid();
        flops += launch.getFlops();
        bytes += launch.getBytes();
        llvm::append_range(operands, launch.getOperands());
      }
      std::string site = commonSite(step.launches);
      LaunchOp::create(builder, first.getLoc(), first.getKernel(), site, grid, flops, bytes,
                       (int64_t)step.launches.size(), /*rows=*/IntegerAttr(), operands);
      ++batches;
      std::string kernel = first.getKernel().str();
      observer.decide("how are equal launches made", site,
                      {{"one launch", kernel + " on independent buffers", true, {{"launches", 1}}},
                       {"one by one",
                        "each costs the time of a launch",
                        false,
                        {{"launches", (int64_t)step.launches.size()}}}});
      for (LaunchOp launch : step.launches)
        launch->erase();
    }
    return batches;
  }
};
} // namespace
