//===- Format.cpp - numbers for people -------------------------------------===//
// Counts, sizes, durations and aligned tables as text.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ftc::trainer {

std::string formatCount(int64_t count) {
  std::string digits = std::to_string(count);
  size_t first = digits[0] == '-' ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string formatNumber(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

std::string formatBytes(uint64_t bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024)
    return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  // 1023.95 would be printed as 1024.0.
  while (value >= 1023.95 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  char text[64];
  std::snprintf(text, sizeof text, "%.1f %s", value, units[unit]);
  return text;
}

std::string formatRate(double flopsPerSecond) {
  static const char *const units[] = {"MFLOP/s", "GFLOP/s", "TFLOP/s", "PFLOP/s"};
  double value = flopsPerSecond / 1e6;
  size_t unit = 0;
  // 999.5 would be printed as 1e+03.
  while (value >= 999.5 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return formatNumber(value, 3) + ' ' + units[unit];
}

std::string formatDuration(double seconds) {
  char text[64];
  if (!(seconds >= 0) || seconds > 1e9)
    return "?";
  if (seconds < 9.95) {
    std::snprintf(text, sizeof text, "%.1fs", seconds);
    return text;
  }
  long long whole = std::llround(seconds);
  if (whole < 60)
    std::snprintf(text, sizeof text, "%llds", whole);
  else if (whole < 3600)
    std::snprintf(text, sizeof text, "%lldm%02llds", whole / 60, whole % 60);
  else if (whole < 86400)
    std::snprintf(text, sizeof text, "%lldh%02lldm", whole / 3600, whole / 60 % 60);
  else
    std::snprintf(text, sizeof text, "%lldd%02lldh", whole / 86400, whole / 3600 % 24);
  return text;
}

std::string formatPlural(int64_t count, const std::string &noun) {
  return formatCount(count) + ' ' + noun + (count == 1 ? "" : "s");
}

std::string formatTable(const std::vector<std::vector<std::string>> &rows) {
  std::vector<size_t> widths;
  std::vector<bool> right;
  for (size_t r = 0; r < rows.size(); ++r)
    for (size_t c = 0; c < rows[r].size(); ++c) {
      const std::string &cell = rows[r][c];
      if (c == widths.size()) {
        widths.push_back(0);
        right.push_back(true);
      }
      widths[c] = std::max(widths[c], cell.size());
      if (r > 0 && !cell.empty() && !(cell[0] >= '0' && cell[0] <= '9'))
        right[c] = false;
    }
  std::string text;
  for (const std::vector<std::string> &row : rows) {
    std::string line = "  ";
    for (size_t c = 0; c < row.size(); ++c) {
      std::string gap(widths[c] - row[c].size(), ' ');
      line += (c ? "  " : "") + (right[c] ? gap + row[c] : row[c] + gap);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

} // namespace ftc::trainer
