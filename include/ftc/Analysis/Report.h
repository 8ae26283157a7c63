//===- Report.h - what passes did, and why ----------------------*- C++ -*-===//
// Statistics, remarks and decisions of passes, kept on the module so that a dump carries them on.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_ANALYSIS_REPORT_H
#define FTC_ANALYSIS_REPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

#include <string>
#include <utility>
#include <vector>

namespace ftc {

// What a report holds at most; the package's verifier has the same bounds.
inline constexpr size_t kMaxReports = 1024;    ///< of a module
inline constexpr size_t kMaxStatistics = 1024; ///< of a pass
inline constexpr size_t kMaxRemarks = 128;     ///< of a pass
inline constexpr size_t kMaxRemark = 1000;     ///< bytes of a remark
inline constexpr size_t kMaxDecisions = 128;   ///< of a pass
inline constexpr size_t kMaxCandidates = 12;   ///< of a decision
inline constexpr size_t kMaxScores = 4;        ///< of a candidate
inline constexpr size_t kMaxText = 200;        ///< bytes of a question, site, name, unit or reason

/// One way to settle a question.
struct Candidate {
  std::string name;
  std::string why; ///< why it was chosen or rejected, in a few words
  bool chosen = false;
  std::vector<std::pair<std::string, int64_t>> scores; ///< unit ("bytes saved"), value
};

/// A question that a pass had to settle, and all that it considered.
struct Decision {
  std::string question; ///< "where does this result lie"
  std::string site;     ///< a module path with `*` for layer numbers: `model.layers.*.mlp.up_proj`
  int64_t count = 1;    ///< places that were decided this way
  std::vector<Candidate> candidates;
};

/// What one pass did: counts by name, sentences for people, and decisions.
struct PassReport {
  std::string pass;
  std::vector<std::pair<std::string, int64_t>> statistics;
  std::vector<std::string> remarks;
  std::vector<Decision> decisions;
};

/// Collects what a pass reports. The pass fills it while it works, says `commit` once at its end,
/// and need not know who reads it. Everything stays in the order in which it was said first.
class Observer {
public:
  explicit Observer(llvm::StringRef pass) { report.pass = pass.str(); }

  /// Adds to the statistic `name`, which begins at zero.
  void count(llvm::StringRef name, int64_t value = 1);
  void remark(std::string sentence) { report.remarks.push_back(std::move(sentence)); }

  /// Records a decision at `site`, a module path. Layer numbers in site, names and reasons become
  /// `*`; decisions that are then equal, scores too, are one with a count.
  void decide(llvm::StringRef question, llvm::StringRef site, std::vector<Candidate> candidates);

  /// The report so far. Decisions above `kMaxDecisions` are left out, and counted in a remark.
  PassReport get() const;

  /// Appends the report to the module's attribute `ft.report`.
  void commit(mlir::ModuleOp module) const;

private:
  PassReport report;
  std::string key; ///< of the last decision
  int64_t leftOut = 0;
  llvm::StringMap<size_t> statistics, decisions; ///< indices into the report's
};

/// The reports so far, in the order in which the passes ran, within the bounds above.
std::vector<PassReport> getReports(mlir::ModuleOp module);

/// The path, or a sentence with paths, with `*` for every component that is a number.
std::string sitePattern(llvm::StringRef path);

/// "1.9 GiB", "224.0 KiB", "12 B".
std::string formatBytes(int64_t bytes);

} // namespace ftc

#endif
