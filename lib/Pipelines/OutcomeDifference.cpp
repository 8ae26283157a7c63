//===- OutcomeDifference.cpp - what two runs do not share -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "OutcomeDifference.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace ftc;

/// Everything is computed in double; passes only reorder sums. The floor is for values that are
/// zero but for rounding: inputs are of the order of one.
static constexpr double kTolerance = 1e-9, kFloor = 1e-14;
/// Kernels have their constants in f32: a scale or an epsilon is off by half an ulp of that, 6e-8
/// of itself, which is then passed on through the layers.
static constexpr double kToleranceOfLowering = 1e-6;

std::string ftc::shortText(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.10g", value);
  return buffer;
}

static double norm(const std::vector<double> &values) {
  double sum = 0;
  for (double value : values)
    sum += value * value;
  return std::sqrt(sum);
}

/// The element that differs most, where the vectors (of one length) differ in norm.
static std::optional<size_t> worstElement(const std::vector<double> &before,
                                          const std::vector<double> &after,
                                          double tolerance = kTolerance) {
  std::vector<double> difference(before.size());
  size_t worst = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    bool same = before[i] == after[i] || (std::isnan(before[i]) && std::isnan(after[i]));
    difference[i] = same ? 0 : after[i] - before[i];
    if (std::isnan(difference[i]))
      return i;
    if (std::abs(difference[i]) > std::abs(difference[worst]))
      worst = i;
  }
  std::vector<double> finite = before;
  for (double &value : finite)
    value = std::isfinite(value) ? value : 0;
  double allowed = tolerance * norm(finite) + kFloor * std::sqrt(double(before.size()));
  if (norm(difference) <= allowed)
    return std::nullopt;
  return worst;
}

static std::string elementText(size_t element, double before, double after) {
  return llvm::formatv("element {0} was {1} and is {2}", element, shortText(before),
                       shortText(after));
}

//===-- Outcomes ----------------------------------------------------------===//

/// Where `after` has no value of that name.
static Difference missing(const std::string &name, const Measured &measured, const Outcome &other) {
  return {name + (other.functions.empty() ? " is gone, as is every function" : " is gone"),
          measured.function, ""};
}

static Difference compareOne(const std::string &name, const Measured &measured,
                             const Outcome &before, const Outcome &after) {
  const std::vector<double> *old = before.find(name, measured), *now = after.find(name, measured);
  if (!now)
    return missing(name, measured, after);
  if (old->size() != now->size())
    return {name + " has another size", measured.function, ""};
  bool lowered = before.launches != after.launches;
  std::optional<size_t> worst =
      worstElement(*old, *now, lowered ? kToleranceOfLowering : kTolerance);
  if (!worst)
    return {};
  auto found = after.values.find(name);
  return {name + ": " + elementText(*worst, (*old)[*worst], (*now)[*worst]), measured.function,
          found == after.values.end() ? measured.function : found->second.function,
          /*traceable=*/!before.launches && !after.launches};
}

Difference ftc::firstDifference(const Outcome &before, const Outcome &after) {
  for (bool results : {true, false})
    for (const auto &[name, measured] : before.values)
      if (measured.symbol.empty() == results)
        if (Difference found = compareOne(name, measured, before, after); !found.what.empty())
          return found;
  // A parameter that is committed now and was not: its value at the start is what it had.
  for (const auto &[name, measured] : after.values)
    if (!before.values.count(name) && before.find(name, measured))
      if (Difference found = compareOne(name, measured, before, after); !found.what.empty())
        return found;
  return {};
}

//===-- Traces ------------------------------------------------------------===//

static std::string keyOf(const TraceRow &row) {
  std::string key;
  llvm::raw_string_ostream os(key);
  os << row.op->getName().getStringRef() << "\n" << ft::getSite(row.op);
  for (const ft::HostValue &result : row.results) {
    os << "\n";
    llvm::interleave(result.shape, os, "x");
  }
  return key;
}

/// The result and element in which two rows of one key differ.
static std::optional<std::pair<size_t, size_t>> differenceOf(const TraceRow &a, const TraceRow &b) {
  for (size_t r = 0; r < a.results.size(); ++r)
    if (auto worst = worstElement(a.results[r].data, b.results[r].data))
      return std::make_pair(r, *worst);
  return std::nullopt;
}

static std::string siteText(const TraceRow &before, const TraceRow &after, size_t ordinal) {
  std::string function;
  if (auto parent = after.op->getParentOfType<func::FuncOp>())
    function = " in @" + parent.getSymName().str();
  std::string name = after.op->getName().getStringRef().str();
  auto [result, element] = *differenceOf(before, after);
  StringRef site = ft::getSite(after.op);
  std::string where = site.empty() ? name + " number " + std::to_string(ordinal + 1) + function
                                   : site.str() + " (" + name + function + ")";
  return "; first at " + where + ": " +
         elementText(element, before.results[result].data[element],
                     after.results[result].data[element]);
}

FirstSite ftc::firstSite(const std::vector<TraceRow> &before, const std::vector<TraceRow> &after) {
  std::map<std::string, std::vector<const TraceRow *>> matches;
  std::map<std::string, size_t> counts;
  for (const TraceRow &row : after)
    matches[keyOf(row)].push_back(&row);
  for (const TraceRow &row : before)
    ++counts[keyOf(row)];
  // Where a pass has removed or doubled ops of one key, which is whose is a guess: those come last.
  for (bool sameCount : {true, false}) {
    std::map<std::string, size_t> ordinals;
    for (const TraceRow &row : before) {
      std::string key = keyOf(row);
      size_t ordinal = ordinals[key]++;
      auto found = matches.find(key);
      if (found == matches.end() || (found->second.size() == counts[key]) != sameCount)
        continue;
      if (llvm::any_of(found->second, [&](const TraceRow *r) { return !differenceOf(row, *r); }))
        continue;
      const TraceRow &match = *found->second[std::min(ordinal, found->second.size() - 1)];
      return {siteText(row, match, ordinal), match.op};
    }
  }
  return {};
}
