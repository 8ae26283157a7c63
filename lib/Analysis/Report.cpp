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
#include "llvm/Support/JSON.h"

#include <algorithm>

using namespace mlir;
using namespace ftc;

static constexpr llvm::StringLiteral kReportAttr = "ft.report";

using Pairs = std::vector<std::pair<std::string, int64_t>>;

/// Appends the text with `*` for the numbers that are components of a path: those behind a dot,
/// unless a number stands before it too ("1.05 ms").
static void appendPattern(std::string &text, StringRef path) {
  auto inName = [](char c) { return llvm::isAlnum(c) || c == '_' || c == '-' || c == '*'; };
  bool behindPath = false;
  for (size_t begin = 0; begin < path.size();) {
    StringRef part = path.drop_front(begin).take_while(inName);
    bool number = !part.empty() && llvm::all_of(part, llvm::isDigit);
    text.append(number && behindPath ? StringRef("*") : part);
    begin += part.size();
    bool dot = begin < path.size() && path[begin] == '.';
    behindPath = dot && (behindPath || (!part.empty() && !number));
    if (begin < path.size())
      text += path[begin++];
  }
}

std::string ftc::sitePattern(StringRef path) {
  std::string pattern;
  appendPattern(pattern, path);
  return pattern;
}

/// At most `most` bytes of well-formed UTF-8: what is not becomes U+FFFD, and no character is cut.
static std::string bounded(StringRef text, size_t most = kMaxText) {
  std::string whole = llvm::json::isUTF8(text) ? text.str() : llvm::json::fixUTF8(text);
  if (whole.size() <= most)
    return whole;
  size_t end = most - 3;
  while (end > 0 && (static_cast<unsigned char>(whole[end]) & 0xC0) == 0x80)
    --end;
  return whole.substr(0, end) + "...";
}

/// The first `kMaxCandidates`; what was chosen behind them takes the last one's place.
static void keepChosen(std::vector<Candidate> &candidates) {
  if (candidates.size() <= kMaxCandidates)
    return;
  auto end = candidates.begin() + kMaxCandidates;
  auto chosen = [](const Candidate &candidate) { return candidate.chosen; };
  auto behind = std::find_if(end, candidates.end(), chosen);
  if (behind != candidates.end() && std::none_of(candidates.begin(), end, chosen))
    std::swap(*(end - 1), *behind);
  candidates.resize(kMaxCandidates);
}

//===-- Observing ---------------------------------------------------------===//

void Observer::count(StringRef name, int64_t value) {
  assert(!name.empty() && "a statistic has a name");
  auto [it, inserted] = statistics.try_emplace(name, report.statistics.size());
  if (inserted)
    report.statistics.emplace_back(name.str(), 0);
  report.statistics[it->second].second += value;
}

void Observer::decide(StringRef question, StringRef site, std::vector<Candidate> candidates) {
  keepChosen(candidates);
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
  if (!number)
    return std::nullopt;
  llvm::APSInt value = number.getAPSInt(); // signless counts as unsigned there
  if (!number.getType().isUnsignedInteger())
    value.setIsSigned(true);
  if (!value.isRepresentableByInt64())
    return std::nullopt;
  return value.getExtValue();
}

static Pairs readPairs(ArrayAttr array, size_t most) {
  Pairs pairs;
  for (Attribute attribute : array ? array.getValue() : ArrayRef<Attribute>()) {
    auto pair = dyn_cast<ArrayAttr>(attribute);
    auto key = pair && pair.size() == 2 ? dyn_cast<StringAttr>(pair[0]) : StringAttr();
    std::optional<int64_t> value = key ? readNumber(pair[1]) : std::nullopt;
    if (value && !key.empty() && pairs.size() < most)
      pairs.emplace_back(bounded(key), *value);
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
    if (std::optional<Candidate> candidate = readCandidate(part))
      decision.candidates.push_back(std::move(*candidate));
  keepChosen(decision.candidates);
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
    if (!name || name.empty() || reports.size() == kMaxReports)
      continue;
    PassReport &report = reports.emplace_back();
    report.pass = bounded(name);
    report.statistics = readPairs(entry.getAs<ArrayAttr>("statistics"), kMaxStatistics);
    if (auto remarks = entry.getAs<ArrayAttr>("remarks"))
      for (Attribute remark : remarks)
        if (auto text = dyn_cast<StringAttr>(remark); text && report.remarks.size() < kMaxRemarks)
          report.remarks.push_back(bounded(text, kMaxRemark));
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
