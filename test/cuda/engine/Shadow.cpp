//===- Shadow.cpp - who has written and read what of shared memory --------===//
// One cell for two bytes; the last writer, and the readers since, as far as they matter.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Shadow.h"

namespace ftc_on_cpu {

void Shadow::reset(size_t bytes, unsigned epoch) {
  if (cells.size() * unit < bytes)
    cells.resize((bytes + unit - 1) / unit);
  start = epoch; // what an earlier block did is older
}

bool Shadow::isOrdered(uint32_t thread, uint32_t epoch, uint32_t warpEpoch, const Moment &now) {
  if (epoch < now.epoch)
    return true;
  if (thread == anybody)
    return false;
  if (thread & several)
    return (thread & ~several) == now.thread / 32 && warpEpoch < now.warpEpoch;
  return thread == now.thread || (thread / 32 == now.thread / 32 && warpEpoch < now.warpEpoch);
}

void Shadow::noteReader(Cell &cell, const Moment &now) {
  if (cell.readEpoch != now.epoch) {
    cell.reader = static_cast<uint16_t>(now.thread);
  } else if (cell.reader != now.thread && cell.reader != anybody) {
    uint32_t warp = cell.reader & several ? cell.reader & ~several : cell.reader / 32;
    cell.reader = static_cast<uint16_t>(warp == now.thread / 32 ? several | warp : anybody);
  }
  cell.readEpoch = now.epoch;
  cell.readWarpEpoch = now.warpEpoch;
}

Finding Shadow::read(size_t begin, size_t bytes, const Moment &now) {
  Cells range(begin, bytes);
  for (size_t i = range.first; i < range.last; ++i) {
    Cell &cell = cells[i];
    if (cell.writeEpoch == inFlight)
      return {Finding::InFlight, i * unit, cell.writer};
    if (cell.writeEpoch < start)
      return {Finding::Unwritten, i * unit, 0};
    if (!isOrdered(cell.writer, cell.writeEpoch, cell.writeWarpEpoch, now))
      return {Finding::ReadAfterWrite, i * unit, cell.writer};
    noteReader(cell, now);
  }
  return {};
}

Finding Shadow::write(size_t begin, size_t bytes, const Moment &now) {
  Cells range(begin, bytes);
  for (size_t i = range.first; i < range.last; ++i) {
    Cell &cell = cells[i];
    if (cell.writeEpoch == inFlight)
      return {Finding::InFlight, i * unit, cell.writer};
    if (!isOrdered(cell.writer, cell.writeEpoch, cell.writeWarpEpoch, now))
      return {Finding::WriteAfterWrite, i * unit, cell.writer};
    if (!isOrdered(cell.reader, cell.readEpoch, cell.readWarpEpoch, now)) {
      unsigned reader = cell.reader == anybody  ? 0
                        : cell.reader & several ? (cell.reader & ~several) * 32
                                                : cell.reader;
      return {Finding::WriteAfterRead, i * unit, reader};
    }
    cell.writer = static_cast<uint16_t>(now.thread);
    cell.writeEpoch = now.epoch;
    cell.writeWarpEpoch = now.warpEpoch;
  }
  return {};
}

Finding Shadow::issue(size_t begin, size_t bytes, const Moment &now) {
  Finding finding = write(begin, bytes, now);
  Cells range(begin, bytes);
  for (size_t i = range.first; i < range.last && !finding.kind; ++i)
    cells[i].writeEpoch = inFlight;
  return finding;
}

void Shadow::complete(size_t begin, size_t bytes, const Moment &now) {
  Cells range(begin, bytes);
  for (size_t i = range.first; i < range.last; ++i) {
    cells[i].writeEpoch = now.epoch;
    cells[i].writeWarpEpoch = now.warpEpoch;
  }
}

} // namespace ftc_on_cpu
