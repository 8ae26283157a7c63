//===- Report.cpp - what passes did ---------------------------------------===//
// Reports as an array of dictionaries on the module.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/Report.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

static constexpr llvm::StringLiteral kReportAttr = "ft.report";

void ftc::addReport(ModuleOp module, const PassReport &report) {
  Builder builder(module.getContext());
  // A list, not a dictionary: the order of statistics is the pass's.
  SmallVector<Attribute> statistics, remarks;
  for (const auto &[name, value] : report.statistics)
    statistics.push_back(
        builder.getArrayAttr({builder.getStringAttr(name), builder.getI64IntegerAttr(value)}));
  for (const std::string &remark : report.remarks)
    remarks.push_back(builder.getStringAttr(remark));
  SmallVector<Attribute> reports;
  if (auto existing = module->getAttrOfType<ArrayAttr>(kReportAttr))
    llvm::append_range(reports, existing);
  reports.push_back(builder.getDictionaryAttr(
      {builder.getNamedAttr("pass", builder.getStringAttr(report.pass)),
       builder.getNamedAttr("remarks", builder.getArrayAttr(remarks)),
       builder.getNamedAttr("statistics", builder.getArrayAttr(statistics))}));
  module->setAttr(kReportAttr, builder.getArrayAttr(reports));
}

std::vector<ftc::PassReport> ftc::getReports(ModuleOp module) {
  std::vector<PassReport> reports;
  auto array = module->getAttrOfType<ArrayAttr>(kReportAttr);
  if (!array)
    return reports;
  // A hand-edited dump may hold anything here: what is not of our form is left out.
  for (Attribute attribute : array) {
    auto entry = dyn_cast<DictionaryAttr>(attribute);
    auto name = entry ? entry.getAs<StringAttr>("pass") : StringAttr();
    if (!name)
      continue;
    PassReport &report = reports.emplace_back();
    report.pass = name.str();
    if (auto statistics = entry.getAs<ArrayAttr>("statistics"))
      for (Attribute statistic : statistics) {
        auto pair = dyn_cast<ArrayAttr>(statistic);
        auto key = pair && pair.size() == 2 ? dyn_cast<StringAttr>(pair[0]) : StringAttr();
        auto value = key ? dyn_cast<IntegerAttr>(pair[1]) : IntegerAttr();
        if (value)
          report.statistics.emplace_back(key.str(), value.getInt());
      }
    if (auto remarks = entry.getAs<ArrayAttr>("remarks"))
      for (Attribute remark : remarks)
        if (auto text = dyn_cast<StringAttr>(remark))
          report.remarks.push_back(text.str());
  }
  return reports;
}

std::string ftc::formatBytes(int64_t bytes) {
  static constexpr const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = bytes;
  unsigned unit = 0;
  for (; value >= 1024 && unit < 4; ++unit)
    value /= 1024;
  return unit == 0 ? llvm::formatv("{0} B", bytes).str()
                   : llvm::formatv("{0:f1} {1}", value, units[unit]).str();
}
