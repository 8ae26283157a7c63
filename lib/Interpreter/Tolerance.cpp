//===- Tolerance.cpp - how far from exact is right ------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Interpreter/Tolerance.h"

#include "llvm/Support/FormatVariadic.h"

#include <cassert>
#include <cmath>
#include <limits>

using namespace ftc::ft;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

static double rms(llvm::ArrayRef<double> values) {
  double squares = 0;
  for (double value : values)
    squares += value * value;
  return values.empty() ? 0 : std::sqrt(squares / double(values.size()));
}

static bool isZero(llvm::ArrayRef<double> values) {
  return llvm::all_of(values, [](double value) { return value == 0; });
}

/// error / allowed, where nothing of nothing is nothing.
static double share(double error, double allowed) {
  if (error == 0)
    return 0;
  return allowed > 0 && std::isfinite(error) ? error / allowed : kInfinity;
}

Yardstick::Errors Yardstick::errorsOf(llvm::ArrayRef<double> values) const {
  if (values.size() != reference.size())
    return {kInfinity, kInfinity, kInfinity};
  std::vector<double> difference(values.size());
  double largest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    difference[i] = values[i] - reference[i];
    // Not a number is larger than everything.
    if (!(std::abs(difference[i]) <= largest))
      largest = std::isnan(difference[i]) ? kInfinity : std::abs(difference[i]);
  }
  double error = rms(difference);
  return {std::isnan(error) ? kInfinity : error, largest,
          size == 0 ? 0 : std::abs(rms(values) / size - 1)};
}

Yardstick::Yardstick(std::vector<double> exact, llvm::ArrayRef<std::vector<double>> rounded,
                     int64_t longestReduction, double ulp)
    : reference(std::move(exact)), size(rms(reference)), allowed{0, 0, 0}, mayVanish(size == 0) {
  assert(rounded.size() >= 4 && "a yardstick needs four rounded runs");
  for (const std::vector<double> &run : rounded) {
    Errors errors = errorsOf(run);
    allowed.rms = std::max(allowed.rms, 2 * errors.rms);
    allowed.largest = std::max(allowed.largest, 8 * errors.largest);
    allowed.ratio = std::max(allowed.ratio, 2 * errors.ratio);
    mayVanish |= isZero(run);
  }
  mayVanish |= size < 1e-6 * allowed.rms / 2;
  double floor = 4 * ulp * std::sqrt(double(std::max<int64_t>(longestReduction, 1)));
  allowed.rms = std::max(allowed.rms, floor * size);
  allowed.largest = std::max(allowed.largest, 4 * floor * size);
  allowed.ratio = std::max(allowed.ratio, floor);
}

double Yardstick::used(llvm::ArrayRef<double> actual) const {
  Errors errors = errorsOf(actual);
  if (!mayVanish && isZero(actual))
    return kInfinity;
  return std::max({share(errors.rms, allowed.rms), share(errors.largest, allowed.largest),
                   share(errors.ratio, allowed.ratio)});
}

std::string Yardstick::judge(llvm::ArrayRef<double> actual) const {
  if (actual.size() != reference.size())
    return llvm::formatv("has {0} elements; expected {1}", actual.size(), reference.size());
  for (size_t i = 0; i < actual.size(); ++i)
    if (!std::isfinite(actual[i]))
      return llvm::formatv("element {0} is {1}; expected {2:e6}", i, actual[i], reference[i]);
  if (!mayVanish && isZero(actual))
    return llvm::formatv("is zero throughout; expected an rms of {0:e2}", size);
  Errors errors = errorsOf(actual);
  auto tooMuch = [](const char *what, double error, double allowed) -> std::string {
    if (error <= allowed)
      return "";
    return llvm::formatv("{0} {1:e2}, and plain programs of its precision allow {2:e2}", what,
                         error, allowed);
  };
  std::string text = tooMuch("has an rms error of", errors.rms, allowed.rms);
  if (text.empty())
    text = tooMuch("has an element that is off by", errors.largest, allowed.largest);
  if (text.empty())
    text = tooMuch("has an rms that is off, relatively, by", errors.ratio, allowed.ratio);
  return text.empty() ? text : text + llvm::formatv(" (rms {0:e2})", size).str();
}
