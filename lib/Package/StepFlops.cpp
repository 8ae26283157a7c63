//===- StepFlops.cpp - the operations that a training step needs -----------===//
// Sorts the launches of a step by what their size follows.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Package/StepFlops.h"

#include "KernelUse.h"

#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace ftc {

namespace {

/// Twice the pairs of query and key in a causal triangle of `length`, of a window's band.
double twicePairs(double length, double window) {
  return window > 0 && window < length ? (2 * length - window) * window : length * length;
}

/// The inner products over all pairs that the attention of one site needs.
struct AttentionSite {
  double width = 0; ///< of the query
  int64_t window = 0;
  bool hasQuery = false, hasKey = false, hasValue = false;

  int products() const {
    // Scores and values; then the gradients of scores (which query and key share), query, key,
    // value.
    return 2 + (hasQuery || hasKey) + hasQuery + hasKey + hasValue;
  }
};

} // namespace

StepFlops::StepFlops(const package::Package &package) {
  const package::Entry &entry = *package.entries()->Get(representativeEntry(package));
  using Product = std::tuple<uint32_t, int64_t, int64_t, int64_t, bool, bool>;
  std::set<Product> forward;
  uint32_t number = 0;
  const auto tokens = static_cast<double>(package.tokens());
  for (const package::Launch *launch : *entry.launches()) {
    const package::Kernel &kernel = *package.kernels()->Get(launch->kernel());
    const auto flops = static_cast<double>(launch->flops());
    const bool isBackward = number++ >= entry.boundary();
    const package::Gemm *gemm = kernel.gemm();
    if (!gemm && kernel.family()->string_view() != "grouped_gemm")
      continue;
    bool followsRows = !gemm || gemm->m() == package.tokens() || gemm->k() == package.tokens();
    // The same product of the same site is there for both passes only where the second repeats it.
    // (Whether one adds to what is there is another matter, so a library's product is told by its
    // sizes.)
    Product same{launch->site(), launch->kernel(), 0, 0, false, false};
    if (gemm)
      same = {launch->site(), gemm->m(),           gemm->n(),
              gemm->k(),      gemm->transpose_a(), gemm->transpose_b()};
    if (!isBackward)
      forward.insert(same);
    else if (launch->rows() < 0 && forward.count(same))
      continue;
    if (launch->rows() >= 0)
      perPrediction += flops / tokens;
    else
      (followsRows ? perRow : fixed) += followsRows ? flops / tokens : flops;
  }
  addAttention(package, entry);
}

void StepFlops::addAttention(const package::Package &package, const package::Entry &entry) {
  std::map<uint32_t, AttentionSite> sites;
  const auto tokens = static_cast<double>(package.tokens());
  for (const package::Launch *launch : *entry.launches()) {
    const package::Kernel &kernel = *package.kernels()->Get(launch->kernel());
    std::string_view family = kernel.family()->string_view();
    const auto flops = static_cast<double>(launch->flops());
    constexpr flatbuffers::uoffset_t output = 4;
    if (family == "attention" && launch->operands()->size() > output) {
      // Two products of width times twice the pairs; the window follows from what they cost.
      AttentionSite &site = sites[launch->site()];
      site.width =
          static_cast<double>(launch->operands()->Get(output)->bytes()) /
          (tokens * static_cast<double>(elementBytes(kernel.args()->Get(output)->dtype())));
      double missing = tokens * tokens - flops / (2 * site.width);
      site.window = missing > 0.5 ? std::llround(tokens - std::sqrt(missing)) : 0;
    } else if (family == "attention_grad_query") {
      sites[launch->site()].hasQuery = true;
    } else if (family == "attention_grad_key_value") {
      AttentionSite &site = sites[launch->site()];
      double once = site.width * twicePairs(tokens, static_cast<double>(site.window));
      // Three products for the key's gradient, two for the value's.
      auto products = once > 0 ? std::llround(flops / once) : 0;
      site.hasKey |= products == 3 || products == 5;
      site.hasValue |= products == 2 || products == 5;
    }
  }
  std::map<int64_t, double> byWindow;
  for (const auto &[index, site] : sites)
    byWindow[site.window] += site.width * site.products();
  for (const auto &[window, perPair] : byWindow)
    attention.push_back({window, perPair});
}

double StepFlops::ofSegment(int64_t length) const {
  double flops = 0;
  for (const Attention &part : attention)
    flops +=
        part.perPair * twicePairs(static_cast<double>(length), static_cast<double>(part.window));
  return flops;
}

} // namespace ftc
