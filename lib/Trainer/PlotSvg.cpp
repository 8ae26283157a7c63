//===- PlotSvg.cpp - curves of runs as a picture ---------------------------===//
// Axes with round ticks, and paths of bucketed points.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "PlotSvg.h"

#include "ftc/Trainer/Format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ftc::trainer {

std::vector<double> roundTicks(double low, double high, int count) {
  std::vector<double> ticks;
  double span = high - low;
  if (!(span > 0) || !std::isfinite(span))
    return {low};
  double power = std::pow(10, std::floor(std::log10(span / count)) - 1);
  for (double factor : {1, 2, 5, 10, 20, 50, 100, 200, 500}) {
    double step = factor * power;
    double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
    // Neighbouring doubles have no round numbers between them, and counting stops at 2^53.
    if (!(std::fabs(first) < 1e15 && std::fabs(last) < 1e15))
      return {low};
    if (last - first + 1 > count)
      continue;
    for (double at = first; at <= last; ++at)
      ticks.push_back(at * step + 0.0); // no -0
    break;
  }
  return ticks;
}

std::string tickText(double value, double step) {
  double size = std::max(std::fabs(value), step);
  if (value == 0)
    return "0";
  if (size >= 1e6 || step < 1e-4) {
    // As many digits as the step needs behind the value's first.
    int digits = static_cast<int>(std::floor(std::log10(std::fabs(value)) + 1e-9) -
                                  std::floor(std::log10(step) + 1e-9));
    char text[40];
    std::snprintf(text, sizeof text, "%.*e", std::clamp(digits, 0, 12), value);
    std::string mantissa = text, exponent = mantissa.substr(mantissa.find('e'));
    mantissa.erase(mantissa.find('e'));
    if (mantissa.find('.') != std::string::npos)
      mantissa.erase(mantissa.find_last_not_of(".0") + 1);
    return mantissa + exponent;
  }
  int digits = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  if (digits == 0 && size >= 10000)
    return formatCount(std::llround(value));
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

namespace {

constexpr double kWidth = 760, kLeft = 78, kRight = 24, kTop = 34, kGap = 46;
constexpr size_t kBuckets = 500;

/// Dark and light colours of runs, told apart with every common kind of colour vision.
const char kStyle[] = R"(<style>
svg{background:#fff;color:#24292f;font:12px system-ui,sans-serif}
text{fill:currentColor}
.grid{stroke:currentColor;stroke-opacity:.14}
.axis{stroke:currentColor;stroke-opacity:.6;fill:none}
.title{font-size:13px;font-weight:600}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.eval{stroke-dasharray:5 3}
.range{stroke:none;fill-opacity:.18}
.r0{stroke:#0072b2;fill:#0072b2}.r1{stroke:#d55e00;fill:#d55e00}
.r2{stroke:#008f68;fill:#008f68}.r3{stroke:#b5588c;fill:#b5588c}
.r4{stroke:#b07d00;fill:#b07d00}.r5{stroke:#3a8fd0;fill:#3a8fd0}
.r6{stroke:#777;fill:#777}.r7{stroke:#5e3c99;fill:#5e3c99}
.line{fill:none}
@media(prefers-color-scheme:dark){
svg{background:#0d1117;color:#d6dde5}
.r0{stroke:#58b0f0;fill:#58b0f0}.r1{stroke:#ff9248;fill:#ff9248}
.r2{stroke:#35c99a;fill:#35c99a}.r3{stroke:#e796c4;fill:#e796c4}
.r4{stroke:#e8b73c;fill:#e8b73c}.r5{stroke:#9ad3ff;fill:#9ad3ff}
.r6{stroke:#aaa;fill:#aaa}.r7{stroke:#b79be6;fill:#b79be6}
.line{fill:none}}
</style>
)";

std::string coordinate(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string xmlText(const std::string &text) {
  // quoted() leaves no control character and no broken UTF-8.
  std::string safe = quoted(text, 60), result;
  for (char c : safe.substr(1, safe.size() - 2))
    switch (c) {
    case '&':
      result += "&amp;";
      break;
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    default:
      result += c;
    }
  return result;
}

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool isEmpty() const { return low > high; }
};

/// Some points as one.
struct Bucket {
  double step = 0, mean = 0;
  Range range;
};

std::vector<Bucket> bucketed(const std::vector<PlotPoint> &points) {
  std::vector<Bucket> buckets;
  size_t count = std::min(points.size(), kBuckets);
  for (size_t b = 0; b < count; ++b) {
    size_t begin = b * points.size() / count, end = (b + 1) * points.size() / count;
    Bucket bucket;
    for (size_t i = begin; i < end; ++i) {
      bucket.step += static_cast<double>(points[i].step);
      bucket.mean += points[i].value;
      bucket.range.add(points[i].value);
    }
    bucket.step /= static_cast<double>(end - begin);
    bucket.mean /= static_cast<double>(end - begin);
    buckets.push_back(bucket);
  }
  return buckets;
}

/// A quantity's curve of each run, over one pair of axes.
struct Panel {
  const char *title;
  double height;
  std::vector<PlotPoint> RunCurves::*points;
  std::vector<PlotPoint> RunCurves::*dots = nullptr;
  bool fromZero = false;
};

class Axes {
public:
  Axes(Range steps, Range values, double top, double height)
      : steps(steps), values(values), top(top), height(height) {}

  double x(double step) const {
    double span = steps.high - steps.low;
    double share = span > 0 ? (step - steps.low) / span : 0.5;
    return kLeft + share * (kWidth - kLeft - kRight);
  }
  double y(double value) const {
    double span = values.high - values.low;
    double share = span > 0 ? (value - values.low) / span : 0.5;
    return top + (1 - share) * height;
  }
  std::string at(double step, double value) const {
    return coordinate(x(step)) + ',' + coordinate(y(value));
  }
  std::string frame(const char *title) const;

private:
  Range steps, values;
  double top, height;
};

std::string Axes::frame(const char *title) const {
  std::string left = coordinate(kLeft), right = coordinate(kWidth - kRight);
  std::string bottom = coordinate(top + height);
  std::string text = "<text class=\"title\" x=\"" + left + "\" y=\"" + coordinate(top - 10) +
                     "\">" + title + "</text>\n";
  auto stepOf = [](const std::vector<double> &ticks) {
    return ticks.size() > 1 ? ticks[1] - ticks[0] : std::max(std::fabs(ticks[0]), 1e-12) * 0.01;
  };
  std::vector<double> ticks = roundTicks(values.low, values.high, height > 150 ? 7 : 4);
  for (double value : ticks) {
    std::string at = coordinate(y(value));
    text += "<path class=\"grid\" d=\"M" + left + ' ' + at + 'H' + right +
            "\"/><text text-anchor=\"end\" x=\"" + coordinate(kLeft - 8) + "\" y=\"" +
            coordinate(y(value) + 4) + "\">" + tickText(value, stepOf(ticks)) + "</text>\n";
  }
  ticks = roundTicks(steps.low, steps.high, 9);
  for (double step : ticks) {
    if (step != std::floor(step))
      continue;
    std::string at = coordinate(x(step));
    text += "<path class=\"axis\" d=\"M" + at + ' ' + bottom +
            "v4\"/><text text-anchor=\"middle\" x=\"" + at + "\" y=\"" +
            coordinate(top + height + 18) + "\">" + formatCount(std::llround(step)) + "</text>\n";
  }
  return text + "<path class=\"axis\" d=\"M" + left + ' ' + coordinate(top) + 'V' + bottom + 'H' +
         right + "\"/>\n";
}

std::string drawCurve(const std::vector<PlotPoint> &points, const Axes &axes, size_t run) {
  std::string color = "r" + std::to_string(run), text;
  std::vector<Bucket> buckets = bucketed(points);
  if (buckets.size() < points.size()) {
    text += "<path class=\"range " + color + "\" d=\"";
    for (size_t b = 0; b < buckets.size(); ++b)
      text += (b ? 'L' : 'M') + axes.at(buckets[b].step, buckets[b].range.high);
    for (size_t b = buckets.size(); b-- > 0;)
      text += 'L' + axes.at(buckets[b].step, buckets[b].range.low);
    text += "Z\"/>\n";
  }
  if (buckets.size() == 1)
    return text + "<circle class=\"" + color + "\" cx=\"" + coordinate(axes.x(buckets[0].step)) +
           "\" cy=\"" + coordinate(axes.y(buckets[0].mean)) + "\" r=\"3\"/>\n";
  text += "<path class=\"line " + color + "\" d=\"";
  for (size_t b = 0; b < buckets.size(); ++b)
    text += (b ? 'L' : 'M') + axes.at(buckets[b].step, buckets[b].mean);
  return text + "\"/>\n";
}

std::string drawDots(const std::vector<PlotPoint> &points, const Axes &axes, size_t run) {
  std::string color = "r" + std::to_string(run), line, text;
  for (const Bucket &bucket : bucketed(points)) {
    line += (line.empty() ? 'M' : 'L') + axes.at(bucket.step, bucket.mean);
    text += "<circle class=\"" + color + "\" cx=\"" + coordinate(axes.x(bucket.step)) + "\" cy=\"" +
            coordinate(axes.y(bucket.mean)) + "\" r=\"3\"/>\n";
  }
  return "<path class=\"line eval " + color + "\" d=\"" + line + "\"/>\n" + text;
}

/// The panel's picture below `top`; empty where no run has points.
std::string drawPanel(const Panel &panel, const std::vector<RunCurves> &runs, Range steps,
                      double top) {
  Range values;
  bool hasDots = false;
  for (const RunCurves &run : runs) {
    for (const PlotPoint &point : run.*panel.points)
      values.add(point.value);
    for (const PlotPoint &point : panel.dots ? run.*panel.dots : std::vector<PlotPoint>()) {
      values.add(point.value);
      hasDots = true;
    }
  }
  if (values.isEmpty())
    return {};
  if (panel.fromZero)
    values.add(0);
  double margin = 0.04 * (values.high - values.low);
  values.add(values.high + margin);
  if (!panel.fromZero)
    values.add(values.low - margin);
  Axes axes(steps, values, top, panel.height);
  std::string title = panel.title + std::string(hasDots ? " (dots: evaluation)" : "");
  std::string text = axes.frame(title.c_str());
  for (size_t r = 0; r < runs.size(); ++r) {
    if (const std::vector<PlotPoint> &points = runs[r].*panel.points; !points.empty())
      text += drawCurve(points, axes, r);
    if (panel.dots && !(runs[r].*panel.dots).empty())
      text += drawDots(runs[r].*panel.dots, axes, r);
  }
  return text;
}

} // namespace

std::string plotSvg(const std::vector<RunCurves> &runs) {
  static const Panel panels[] = {
      {"loss", 260, &RunCurves::loss, &RunCurves::evalLoss, false},
      {"learning rate", 110, &RunCurves::learningRate, nullptr, true},
      {"tokens per second", 110, &RunCurves::throughput, nullptr, true},
  };
  Range steps;
  for (const RunCurves &run : runs)
    for (auto points :
         {&RunCurves::loss, &RunCurves::evalLoss, &RunCurves::learningRate, &RunCurves::throughput})
      for (const PlotPoint &point : run.*points)
        steps.add(static_cast<double>(point.step));
  std::string body;
  double top = 12;
  for (size_t r = 0; r < runs.size(); ++r, top += 18)
    body += "<path class=\"line r" + std::to_string(r) + "\" d=\"M" + coordinate(kLeft) + ' ' +
            coordinate(top + 6) + "h22\"/><text x=\"" + coordinate(kLeft + 30) + "\" y=\"" +
            coordinate(top + 10) + "\">" + xmlText(runs[r].name) + "</text>\n";
  top += kTop;
  for (const Panel &panel : panels) {
    std::string picture = drawPanel(panel, runs, steps, top);
    if (picture.empty())
      continue;
    body += picture;
    top += panel.height + kGap + 14;
  }
  std::string size = coordinate(kWidth) + ' ' + coordinate(top - 14);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size + "\" width=\"" +
         coordinate(kWidth) + "\" height=\"" + coordinate(top - 14) +
         "\" role=\"img\" aria-label=\"curves of training runs\">\n" + kStyle + body +
         "<text text-anchor=\"end\" x=\"" + coordinate(kWidth - kRight) + "\" y=\"" +
         coordinate(top - 22) + "\">step</text>\n</svg>\n";
}

} // namespace ftc::trainer
