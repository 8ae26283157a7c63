//===- Format.h - numbers for people ---------------------------------------===//
// Counts, sizes, durations and aligned tables as text.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_FORMAT_H
#define FTC_TRAINER_FORMAT_H

#include <cstdint>
#include <string>
#include <vector>

namespace ftc::trainer {

/// `7,299`
std::string formatCount(int64_t count);
/// `512 B`, `20.8 GiB`
std::string formatBytes(uint64_t bytes);
/// Operations a second: `512 MFLOP/s`, `95.3 GFLOP/s`
std::string formatRate(double flopsPerSecond);
/// `0.4s`, `45s`, `8m31s`, `3h02m`, `2d05h`
std::string formatDuration(double seconds);
/// printf's %.*g
std::string formatNumber(double value, int digits);
/// `1 step`, `2 steps`
std::string formatPlural(int64_t count, const std::string &noun);

/// Rows of cells in columns two spaces apart, each line indented by two; a column whose cells (the
/// first row aside) all begin with a digit is aligned right.
std::string formatTable(const std::vector<std::vector<std::string>> &rows);

} // namespace ftc::trainer

#endif // FTC_TRAINER_FORMAT_H
