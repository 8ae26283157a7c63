//===- VerifyLaunchPhase.cpp - launch-verify-phase ------------------------===//
// What the conversion and the planner promise, checked; all offenders are reported at once.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/Lifetimes.h"
#include "ftc/Conversion/Passes.h"

#include "llvm/ADT/StringExtras.h"

#include <map>
#include <tuple>

namespace ftc {
#define GEN_PASS_DEF_VERIFYLAUNCHPHASE
#include "ftc/Conversion/Passes.h.inc"
} // namespace ftc

using namespace mlir;
using namespace ftc;
using namespace ftc::launch;

static StringRef nameOf(Operation *buffer) {
  return buffer->getAttrOfType<StringAttr>("name").getValue();
}

static int64_t offsetOf(Operation *buffer) {
  return buffer->getAttrOfType<IntegerAttr>("offset").getInt();
}

namespace {
struct VerifyLaunchPhasePass : ftc::impl::VerifyLaunchPhaseBase<VerifyLaunchPhasePass> {
  using ftc::impl::VerifyLaunchPhaseBase<VerifyLaunchPhasePass>::VerifyLaunchPhaseBase;

  void runOnOperation() override {
    static constexpr StringLiteral phases[] = {"launched", "planned"};
    const auto *found = llvm::find(phases, phase);
    if (found == std::end(phases)) {
      getOperation().emitError("unknown phase '")
          << phase << "'; expected " << llvm::join(ArrayRef<StringLiteral>(phases), ", ");
      return signalPassFailure();
    }
    ok = true;
    checkLaunched();
    if (phase == "planned")
      checkPlanned();
    if (!ok)
      signalPassFailure();
  }

private:
  InFlightDiagnostic offend(Operation *op) {
    ok = false;
    return op->emitOpError();
  }

  void checkLaunched() {
    ModuleOp module = getOperation();
    for (Operation &op : *module.getBody())
      if (isa<func::FuncOp>(op) || isa_and_present<ft::FTDialect>(op.getDialect()))
        offend(&op) << "is left behind phase '" << phase << "': run convert-ft-to-launch";
    if (module.getOps<EntryOp>().empty())
      offend(module) << "has no launch.entry";
    SymbolTable symbols(module);
    for (auto entry : module.getOps<EntryOp>())
      checkWritten(entry, symbols);
  }

  /// A buffer of the arena holds anything until a launch has written it.
  void checkWritten(EntryOp entry, const SymbolTable &symbols) {
    llvm::DenseSet<Operation *> written, told;
    auto read = [&](Value buffer, const Twine &reader) {
      int64_t offset;
      Operation *base = getBase(buffer, offset);
      if (isa_and_present<AllocOp>(base) && !written.count(base) && told.insert(base).second)
        offend(base) << "\"" << nameOf(base) << "\" is read by " << reader
                     << " before any launch writes it";
    };
    for (Operation &op : entry.getBody().front()) {
      if (auto output = dyn_cast<OutputOp>(op))
        read(output.getBuffer(), "output \"" + output.getName() + "\"");
      auto launch = dyn_cast<LaunchOp>(op);
      if (!launch)
        continue;
      auto kernel = symbols.lookup<KernelOp>(launch.getKernel());
      for (auto [index, operand] : llvm::enumerate(launch.getOperands()))
        if (kernel.getArg(index % kernel.getNumArgs()).getAccess() != Access::write)
          read(operand, "the launch at site \"" + launch.getSite() + "\"");
      for (auto [index, operand] : llvm::enumerate(launch.getOperands())) {
        int64_t offset;
        if (kernel.getArg(index % kernel.getNumArgs()).getAccess() != Access::read)
          written.insert(getBase(operand, offset));
      }
    }
  }

  void checkPlanned() {
    ModuleOp module = getOperation();
    int64_t largest = 0;
    for (auto entry : module.getOps<EntryOp>()) {
      if (!entry.getArenaBytes()) {
        offend(entry) << "has no arena; run launch-plan-arena";
        continue;
      }
      largest = std::max(largest, int64_t(*entry.getArenaBytes()));
      checkPlan(entry);
    }
    auto bytes = module->getAttrOfType<IntegerAttr>(kArenaBytesAttr);
    if (!bytes || bytes.getInt() != largest) {
      InFlightDiagnostic error = offend(module);
      error << "has ";
      if (bytes)
        error << kArenaBytesAttr << " = " << bytes.getInt();
      else
        error << "no attribute " << kArenaBytesAttr;
      error << "; the largest arena of its entry points is " << largest;
    }
  }

  /// Buffers that are live at the same launch lie apart. (That each has an offset, at a multiple of
  /// the alignment and inside the arena, is for launch.entry's own verifier.)
  void checkPlan(EntryOp entry) {
    Lifetimes lifetimes = Lifetimes::of(entry);
    if (!entry.getLiveBytes() || int64_t(*entry.getLiveBytes()) != lifetimes.peakBytes) {
      InFlightDiagnostic error = offend(entry);
      error << "says ";
      if (entry.getLiveBytes())
        error << "that at most " << *entry.getLiveBytes() << " bytes are live at once";
      else
        error << "not how many bytes are live at once";
      error << "; " << lifetimes.peakBytes << " are";
    }
    std::vector<LiveBuffer> &buffers = lifetimes.buffers;
    llvm::sort(buffers, [](const LiveBuffer &a, const LiveBuffer &b) {
      return std::make_tuple(a.first, offsetOf(a.op), a.last, nameOf(a.op)) <
             std::make_tuple(b.first, offsetOf(b.op), b.last, nameOf(b.op));
    });
    std::map<int64_t, const LiveBuffer *> live; // by offset; they lie apart
    std::multimap<int64_t, int64_t> ends;       // offsets by last launch
    for (const LiveBuffer &buffer : buffers) {
      for (; !ends.empty() && ends.begin()->first < buffer.first; ends.erase(ends.begin()))
        live.erase(ends.begin()->second);
      int64_t begin = offsetOf(buffer.op);
      auto next = live.lower_bound(begin);
      const LiveBuffer *other = nullptr;
      if (next != live.end() && next->first < begin + buffer.bytes)
        other = next->second;
      else if (next != live.begin() &&
               std::prev(next)->first + std::prev(next)->second->bytes > begin)
        other = std::prev(next)->second;
      if (!other) {
        live[begin] = &buffer;
        ends.insert({buffer.last, begin});
        continue;
      }
      int64_t otherBegin = offsetOf(other->op);
      offend(buffer.op) << "\"" << nameOf(buffer.op) << "\" at [" << begin << ", "
                        << begin + buffer.bytes << ") overlaps \"" << nameOf(other->op) << "\" at ["
                        << otherBegin << ", " << otherBegin + other->bytes
                        << "); both are live at launch " << buffer.first
                        << siteOf(lifetimes, buffer.first);
    }
  }

  static std::string siteOf(Lifetimes &lifetimes, int64_t launch) {
    if (launch >= int64_t(lifetimes.launches.size()))
      return "";
    return " (site \"" + lifetimes.launches[launch].getSite().str() + "\")";
  }

  bool ok = true;
};
} // namespace
