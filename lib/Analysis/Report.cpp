//===- Report.cpp - what passes did, and why ------------------------------===//
// Reports as an array of dictionaries on the module.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
// A pair is an array [name, value]; a decision {candidates, count, question, site}; a candidate an
// array [name, chosen, why, scores]. Lists and no dictionaries: the order is the pass's.
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/Report.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace ftc;

static constexpr llvm::StringLiteral kReportAttr = "ft.report";

using Pairs = std::vector<std::pair<std::string, int64_t>>;

/// Appends the path with `*` for components that are numbers.
static void appendPattern(std::string &text, StringRef path) {
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = std::min(path.find('.', begin), path.size());
    StringRef part = path.slice(begin, end);
    bool number = begin > 0 && !part.empty() && llvm::all_of(part, llvm::isDigit);
    text.append(number ? StringRef("*") : part);
    if (end < path.size())
      text += '.';
    begin = end + 1;
  }
}

std::string ftc::sitePattern(StringRef path) {
  std::string pattern;
  appendPattern(pattern, path);
  return pattern;
}

static std::string bounded(StringRef text) {
  return text.size() <= kMaxText ? text.str() : (text.take_front(kMaxText - 3) + "...").str();
}

//===-- Observing ---------------------------------------------------------===//

void Observer::count(StringRef name, int64_t value) {
  auto [it, inserted] = statistics.try_emplace(name, report.statistics.size());
  if (inserted)
    report.statistics.emplace_back(name.str(), 0);
  report.statistics[it->second].second += value;
}

void Observer::decide(StringRef question, StringRef site, std::vector<Candidate> candidates) {
  candidates.resize(std::min(candidates.size(), kMaxCandidates));
  // Most are repeats: those cost one key and no more strings.
  key.assign(question);
  key += '\0';
  appendPattern(key, site);
  for (Candidate &candidate : candidates) {
    key += '\0';
    appendPattern(key, candidate.name);
    key += candidate.chosen ? '\1' : '\2';
    appendPattern(key, candidate.why);
    for (const auto &[unit, value] : candidate.scores) {
      key += '\0';
      key += unit;
      key.append(reinterpret_cast<const char *>(&value), sizeof value);
    }
  }
  auto [it, inserted] = decisions.try_emplace(key, report.decisions.size());
  if (!inserted) {
    ++report.decisions[it->second].count;
    return;
  }
  if (report.decisions.size() == kMaxDecisions) {
    decisions.erase(it);
    ++leftOut;
    return;
  }
  for (Candidate &candidate : candidates) {
    candidate.name = bounded(sitePattern(candidate.name));
    candidate.why = bounded(sitePattern(candidate.why));
    candidate.scores.resize(std::min(candidate.scores.size(), kMaxScores));
  }
  report.decisions.push_back(
      {bounded(question), bounded(sitePattern(site)), 1, std::move(candidates)});
}

PassReport Observer::get() const {
  PassReport result = report;
  if (leftOut > 0)
    result.remarks.push_back(llvm::formatv("{0} more decisions are not listed", leftOut));
  return result;
}

//===-- On the module -----------------------------------------------------===//

static ArrayAttr pairsAttr(Builder &builder, const Pairs &pairs) {
  SmallVector<Attribute> attributes;
  for (const auto &[name, value] : pairs)
    attributes.push_back(
        builder.getArrayAttr({builder.getStringAttr(name), builder.getI64IntegerAttr(value)}));
  return builder.getArrayAttr(attributes);
}

static Attribute decisionAttr(Builder &builder, const Decision &decision) {
  SmallVector<Attribute> candidates;
  for (const Candidate &candidate : decision.candidates)
    candidates.push_back(builder.getArrayAttr(
        {builder.getStringAttr(candidate.name), builder.getBoolAttr(candidate.chosen),
         builder.getStringAttr(candidate.why), pairsAttr(builder, candidate.scores)}));
  return builder.getDictionaryAttr(
      {builder.getNamedAttr("candidates", builder.getArrayAttr(candidates)),
       builder.getNamedAttr("count", builder.getI64IntegerAttr(decision.count)),
       builder.getNamedAttr("question", builder.getStringAttr(decision.question)),
       builder.getNamedAttr("site", builder.getStringAttr(decision.site))});
}

void Observer::commit(ModuleOp module) const {
  Builder builder(module.getContext());
  PassReport all = get();
  SmallVector<Attribute> remarks, decided, reports;
  for (const std::string &remark : all.remarks)
    remarks.push_back(builder.getStringAttr(remark));
  for (const Decision &decision : all.decisions)
    decided.push_back(decisionAttr(builder, decision));
  if (auto existing = module->getAttrOfType<ArrayAttr>(kReportAttr))
    llvm::append_range(reports, existing);
  SmallVector<NamedAttribute> entry = {
      builder.getNamedAttr("pass", builder.getStringAttr(all.pass)),
      builder.getNamedAttr("remarks", builder.getArrayAttr(remarks)),
      builder.getNamedAttr("statistics", pairsAttr(builder, all.statistics))};
  if (!decided.empty())
    entry.push_back(builder.getNamedAttr("decisions", builder.getArrayAttr(decided)));
  reports.push_back(builder.getDictionaryAttr(entry));
  module->setAttr(kReportAttr, builder.getArrayAttr(reports));
}

// A hand-edited dump may hold anything here: what is not of our form is left out.

static std::optional<int64_t> readNumber(Attribute attribute) {
  auto number = dyn_cast_or_null<IntegerAttr>(attribute);
  if (!number || number.getValue().getSignificantBits() > 64)
    return std::nullopt;
  return number.getValue().getSExtValue();
}

static Pairs readPairs(ArrayAttr array, size_t most) {
  Pairs pairs;
  for (Attribute attribute : array ? array.getValue() : ArrayRef<Attribute>()) {
    auto pair = dyn_cast<ArrayAttr>(attribute);
    auto key = pair && pair.size() == 2 ? dyn_cast<StringAttr>(pair[0]) : StringAttr();
    std::optional<int64_t> value = key ? readNumber(pair[1]) : std::nullopt;
    if (value && pairs.size() < most)
      pairs.emplace_back(key.str(), *value);
  }
  return pairs;
}

static std::optional<Candidate> readCandidate(Attribute attribute) {
  auto parts = dyn_cast<ArrayAttr>(attribute);
  if (!parts || parts.size() != 4)
    return std::nullopt;
  auto name = dyn_cast<StringAttr>(parts[0]), why = dyn_cast<StringAttr>(parts[2]);
  auto chosen = dyn_cast<BoolAttr>(parts[1]);
  auto scores = dyn_cast<ArrayAttr>(parts[3]);
  if (!name || name.empty() || !chosen || !why || !scores)
    return std::nullopt;
  Candidate candidate{bounded(name), bounded(why), chosen.getValue(),
                      readPairs(scores, kMaxScores)};
  llvm::erase_if(candidate.scores, [](const auto &score) { return score.first.empty(); });
  for (auto &[unit, value] : candidate.scores)
    unit = bounded(unit);
  return candidate;
}

static std::optional<Decision> readDecision(Attribute attribute) {
  auto entry = dyn_cast<DictionaryAttr>(attribute);
  if (!entry)
    return std::nullopt;
  auto question = entry.getAs<StringAttr>("question"), site = entry.getAs<StringAttr>("site");
  std::optional<int64_t> count = readNumber(entry.get("count"));
  auto candidates = entry.getAs<ArrayAttr>("candidates");
  if (!question || question.empty() || !site || !candidates || !count || *count < 1)
    return std::nullopt;
  Decision decision{bounded(question), bounded(site), *count, {}};
  for (Attribute part : candidates)
    if (std::optional<Candidate> candidate = readCandidate(part);
        candidate && decision.candidates.size() < kMaxCandidates)
      decision.candidates.push_back(std::move(*candidate));
  if (decision.candidates.empty())
    return std::nullopt;
  return decision;
}

std::vector<PassReport> ftc::getReports(ModuleOp module) {
  std::vector<PassReport> reports;
  auto array = module->getAttrOfType<ArrayAttr>(kReportAttr);
  for (Attribute attribute : array ? array.getValue() : ArrayRef<Attribute>()) {
    auto entry = dyn_cast<DictionaryAttr>(attribute);
    auto name = entry ? entry.getAs<StringAttr>("pass") : StringAttr();
    if (!name)
      continue;
    PassReport &report = reports.emplace_back();
    report.pass = name.str();
    report.statistics = readPairs(entry.getAs<ArrayAttr>("statistics"), SIZE_MAX);
    if (auto remarks = entry.getAs<ArrayAttr>("remarks"))
      for (Attribute remark : remarks)
        if (auto text = dyn_cast<StringAttr>(remark))
          report.remarks.push_back(text.str());
    if (auto decisions = entry.getAs<ArrayAttr>("decisions"))
      for (Attribute part : decisions)
        if (std::optional<Decision> decision = readDecision(part);
            decision && report.decisions.size() < kMaxDecisions)
          report.decisions.push_back(std::move(*decision));
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
