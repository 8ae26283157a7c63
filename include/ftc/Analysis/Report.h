//===- Report.h - what passes did -------------------------------*- C++ -*-===//
// Statistics and remarks of passes, kept on the module so that a dump carries them on.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_ANALYSIS_REPORT_H
#define FTC_ANALYSIS_REPORT_H

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <utility>
#include <vector>

namespace ftc {

/// What one pass did: counts by name, and sentences for people.
struct PassReport {
  std::string pass;
  std::vector<std::pair<std::string, int64_t>> statistics;
  std::vector<std::string> remarks;
};

/// Appends a report to the module's attribute `ft.report`.
void addReport(mlir::ModuleOp module, const PassReport &report);

/// The reports so far, in the order in which the passes ran.
std::vector<PassReport> getReports(mlir::ModuleOp module);

/// "1.9 GiB", "224.0 KiB", "12 B".
std::string formatBytes(int64_t bytes);

} // namespace ftc

#endif
