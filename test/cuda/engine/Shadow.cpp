//===- Shadow.cpp - who has written and read what of a memory --------------===//
// The rules for one cell, and the cells of shared and of device memory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Shadow.h"

namespace ftc_on_cpu {

//===----------------------------------------------------------------------===//
// One cell
//===----------------------------------------------------------------------===//

bool ShadowCell::isOrdered(uint32_t thread, uint32_t epoch, uint32_t warpEpoch, const Moment &now) {
  if (epoch < now.launchStart)
    return true;
  if (epoch < now.blockStart)
    return false;
  if (epoch < now.epoch)
    return true;
  if (thread == anybody)
    return false;
  if (thread & several)
    return (thread & ~several) == now.thread / 32 && warpEpoch < now.warpEpoch;
  return thread == now.thread || (thread / 32 == now.thread / 32 && warpEpoch < now.warpEpoch);
}

void ShadowCell::noteReader(const Moment &now) {
  if (isOtherBlock(readEpoch, now))
    earlierReadEpoch = readEpoch;
  if (readEpoch != now.epoch) {
    reader = static_cast<uint16_t>(now.thread);
  } else if (reader != now.thread && reader != anybody) {
    uint32_t warp = reader & several ? reader & ~several : reader / 32;
    reader = static_cast<uint16_t>(warp == now.thread / 32 ? several | warp : anybody);
  }
  readEpoch = now.epoch;
  readWarpEpoch = now.warpEpoch;
}

Finding ShadowCell::read(const Moment &now, bool mustBeWritten) {
  if (writeEpoch == inFlight)
    return {Finding::InFlight, false, writer};
  if (mustBeWritten && writeEpoch < now.blockStart)
    return {Finding::Unwritten};
  if (!isOrdered(writer, writeEpoch, writeWarpEpoch, now))
    return {Finding::ReadAfterWrite, isOtherBlock(writeEpoch, now), writer};
  noteReader(now);
  return {};
}

Finding ShadowCell::write(const Moment &now) {
  if (writeEpoch == inFlight)
    return {Finding::InFlight, false, writer};
  if (!isOrdered(writer, writeEpoch, writeWarpEpoch, now))
    return {Finding::WriteAfterWrite, isOtherBlock(writeEpoch, now), writer};
  if (isOtherBlock(earlierReadEpoch, now))
    return {Finding::WriteAfterRead, true, 0};
  if (!isOrdered(reader, readEpoch, readWarpEpoch, now)) {
    uint32_t first = reader == anybody ? 0 : reader & several ? (reader & ~several) * 32 : reader;
    return {Finding::WriteAfterRead, isOtherBlock(readEpoch, now), first};
  }
  writer = static_cast<uint16_t>(now.thread);
  writeEpoch = now.epoch;
  writeWarpEpoch = now.warpEpoch;
  return {};
}

void ShadowCell::land(const Moment &now) {
  writeEpoch = now.epoch;
  writeWarpEpoch = now.warpEpoch;
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

namespace {

/// Calls `visit(cell number)` for the cells of these bytes, until one finds something.
template <typename Visit> Finding forCells(size_t begin, size_t bytes, Visit visit) {
  for (size_t i = begin / ShadowCell::bytes; i * ShadowCell::bytes < begin + bytes; ++i)
    if (Finding finding = visit(i); finding.kind) {
      finding.byte = i * ShadowCell::bytes;
      return finding;
    }
  return {};
}

} // namespace

void SharedShadow::resize(size_t bytes) {
  if (cells.size() * ShadowCell::bytes < bytes)
    cells.resize((bytes + ShadowCell::bytes - 1) / ShadowCell::bytes);
}

Finding SharedShadow::access(size_t begin, size_t bytes, bool writes, const Moment &now) {
  return forCells(begin, bytes, [&](size_t i) {
    return writes ? cells[i].write(now) : cells[i].read(now, true);
  });
}

Finding SharedShadow::issue(size_t begin, size_t bytes, const Moment &now) {
  return forCells(begin, bytes, [&](size_t i) {
    Finding finding = cells[i].write(now);
    if (!finding.kind)
      cells[i].fly();
    return finding;
  });
}

void SharedShadow::complete(size_t begin, size_t bytes, const Moment &now) {
  forCells(begin, bytes, [&](size_t i) {
    cells[i].land(now);
    return Finding();
  });
}

//===----------------------------------------------------------------------===//
// Device memory
//===----------------------------------------------------------------------===//

void DeviceShadow::begin() {
  if (pages.size() <= mostPages)
    return;
  pages.clear();
  last = nullptr;
}

DeviceShadow::Page &DeviceShadow::pageOf(uintptr_t address) {
  uintptr_t number = address / pageBytes;
  if (!last || number != lastNumber) {
    std::unique_ptr<Page> &page = pages[number];
    if (!page)
      page = std::make_unique<Page>();
    last = page.get();
    lastNumber = number;
  }
  return *last;
}

Finding DeviceShadow::access(uintptr_t address, size_t bytes, bool writes, const Moment &now) {
  return forCells(address, bytes, [&](size_t i) {
    uintptr_t at = i * ShadowCell::bytes;
    ShadowCell &cell = pageOf(at).cells[at % pageBytes / ShadowCell::bytes];
    return writes ? cell.write(now) : cell.read(now, false);
  });
}

} // namespace ftc_on_cpu
