//===- Evaluation.h - how numbers are computed ------------------*- C++ -*-===//
// Exactly, in double precision; or rounded as a plain program of the values' dtype rounds.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_INTERPRETER_EVALUATION_H
#define FTC_INTERPRETER_EVALUATION_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

namespace ftc::ft {

struct EvaluationOptions {
  /// Round as an unfused program in the values' dtype does: every elementary operation inside an op
  /// in f32, sums included, and every result to the element type of its value. Values of f64 stay
  /// double.
  bool rounded = false;
  /// Seed of what differs from one plain program to another: the orders in which rounded sums are
  /// taken; the last bit of numbers that an op computes, which another library's exp or a fused
  /// multiply-add leaves one higher or lower; and to which neighbour a computed number goes in a
  /// narrower type than f32, since another program rounds other numbers before it. 0: sums as
  /// written, every operation rounded rightly.
  uint64_t order = 0;
};

/// What an evaluation model needs besides operands: the arithmetic, the order of sums.
class EvaluationContext {
public:
  explicit EvaluationContext(EvaluationOptions options = {}) : options(options) {}

  bool isRounded() const { return options.rounded; }
  /// The terms of the longest sum so far.
  int64_t longestReduction() const { return longest; }

  /// Orders change from one op to the next.
  void beginOp() {
    ++op;
    orderedTerms = -1;
  }

  /// term(0) + ... + term(n - 1) in Real, one after the other in this op's order.
  template <typename Real, typename Term> Real sum(int64_t n, Term term) {
    longest = std::max(longest, n);
    Real total = 0;
    if (!options.rounded || options.order == 0) {
      for (int64_t k = 0; k < n; ++k)
        total += term(k);
      return total;
    }
    chooseOrder(n);
    // A term may be a sum itself.
    int64_t step = stride;
    for (int64_t k = 0, at = first; k < n; ++k) {
      total += term(at);
      at += step;
      if (at >= n)
        at -= n;
    }
    return total;
  }

  /// The `index`-th number of this op's results, perhaps one f32 off: up and down a quarter of the
  /// time each. Zero stays.
  float perturbed(float value, uint64_t index) const {
    if (options.order == 0 || value == 0)
      return value;
    constexpr float infinity = std::numeric_limits<float>::infinity();
    switch (mix(mix(options.order) ^ mix(~(op << 32 ^ index))) & 3) {
    case 0:
      return std::nextafter(value, infinity);
    case 1:
      return std::nextafter(value, -infinity);
    default:
      return value;
    }
  }

  bool isPerturbed() const { return options.order != 0; }
  /// Uniform in [-1/2, 1/2), for the `index`-th number of this op's results.
  double dither(uint64_t index) const {
    return double(mix(mix(~options.order) ^ mix(op << 32 ^ index)) >> 11) * 0x1p-53 - 0.5;
  }

private:
  /// at_k = first + k stride modulo n, with stride coprime to n: each term once.
  void chooseOrder(int64_t n) {
    if (n == orderedTerms || n == 0)
      return;
    orderedTerms = n;
    uint64_t bits = mix(mix(options.order) ^ mix(op * 0x9e3779b97f4a7c15u + uint64_t(n)));
    first = int64_t(bits % uint64_t(n));
    stride = 1 + int64_t((bits >> 32) % uint64_t(n));
    while (std::gcd(stride, n) != 1)
      ++stride;
    stride %= n;
  }
  /// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
  static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }

  EvaluationOptions options;
  int64_t longest = 0;
  uint64_t op = 0;
  int64_t orderedTerms = -1, first = 0, stride = 0;
};

} // namespace ftc::ft

#endif
