//===- Packing.cpp - sequences into batches --------------------------------===//
// Philox shuffles, a tree of free room for first fit, and steps of micro-batches.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Packing.h"

#include "ftc/Support/Philox.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ftc::trainer {

std::vector<uint32_t> fileOrder(size_t count) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  return order;
}

std::vector<uint32_t> shuffledOrder(size_t count, uint64_t seed, uint64_t epoch) {
  constexpr uint64_t site = siteHash("data.shuffle");
  std::vector<uint32_t> order = fileOrder(count);
  uint64_t draw = 0;
  // A uniform number below `bound`, without bias: Lemire, "Fast random integer generation in an
  // interval", 2019.
  auto below = [&](uint32_t bound) {
    uint32_t threshold = (0u - bound) % bound;
    for (;;) {
      uint64_t product = uint64_t{philoxBits(seed, site, epoch, draw++)} * bound;
      if (static_cast<uint32_t>(product) >= threshold)
        return static_cast<uint32_t>(product >> 32);
    }
  };
  for (size_t i = count; i > 1; --i)
    std::swap(order[i - 1], order[below(static_cast<uint32_t>(i))]);
  return order;
}

namespace {

/// Free tokens of each batch that could be opened, with the maximum of every subtree: finds the
/// first batch with enough room. A batch without room for a segment counts as having none.
class FreeRoom {
public:
  FreeRoom(size_t batches, int64_t tokens) {
    while (leaves < batches)
      leaves *= 2;
    free.assign(2 * leaves, tokens);
  }

  size_t firstWith(int64_t tokens) const {
    size_t node = 1;
    while (node < leaves)
      node = free[2 * node] >= tokens ? 2 * node : 2 * node + 1;
    return node - leaves;
  }

  void set(size_t batch, int64_t tokens) {
    size_t node = leaves + batch;
    free[node] = tokens;
    for (node /= 2; node >= 1; node /= 2)
      free[node] = std::max(free[2 * node], free[2 * node + 1]);
  }

private:
  size_t leaves = 1;
  std::vector<int64_t> free;
};

} // namespace

std::vector<PackedBatch> packFirstFit(const std::vector<int64_t> &lengths,
                                      const std::vector<uint32_t> &order,
                                      const PackingLimits &limits) {
  std::vector<PackedBatch> batches;
  FreeRoom room(std::max<size_t>(order.size(), 1), limits.tokens);
  for (uint32_t sequence : order) {
    size_t index = room.firstWith(lengths[sequence]);
    if (index == batches.size())
      batches.emplace_back();
    PackedBatch &batch = batches[index];
    batch.sequences.push_back(sequence);
    batch.tokens += lengths[sequence];
    bool full = static_cast<int64_t>(batch.sequences.size()) >= limits.segments;
    room.set(index, full ? 0 : limits.tokens - batch.tokens);
  }
  return batches;
}

StepSource::StepSource(std::vector<int64_t> lengths, PackingLimits limits, uint64_t seed,
                       int64_t accumulation)
    : lengths(std::move(lengths)), limits(limits), seed(seed), accumulation(accumulation) {}

std::vector<PackedBatch> StepSource::pack(int64_t which) const {
  return packFirstFit(lengths, shuffledOrder(lengths.size(), seed, static_cast<uint64_t>(which)),
                      limits);
}

int64_t StepSource::stepsOf(size_t batches) const {
  return (static_cast<int64_t>(batches) + accumulation - 1) / accumulation;
}

OptimizerStep StepSource::next() {
  if (epoch < 0 || done >= current.size()) {
    current = pack(++epoch);
    done = 0;
  }
  OptimizerStep result;
  result.batches = current.data() + done;
  result.count = std::min(static_cast<size_t>(accumulation), current.size() - done);
  result.epoch = epoch;
  result.stepInEpoch = static_cast<int64_t>(done) / accumulation;
  result.stepsInEpoch = stepsOf(current.size());
  done += result.count;
  result.batchesDone = static_cast<int64_t>(done);
  result.batchesInEpoch = static_cast<int64_t>(current.size());
  return result;
}

void StepSource::goTo(int64_t which, int64_t batchesDone) {
  epoch = which;
  current = pack(epoch);
  done = std::min(static_cast<size_t>(batchesDone), current.size());
}

double StepSource::epochsDone() const {
  return epoch < 0 ? 0
                   : static_cast<double>(epoch) + static_cast<double>(stepsOf(done)) /
                                                      static_cast<double>(stepsOf(current.size()));
}

int64_t StepSource::stepsOfEpochs(double epochs) const {
  double whole = std::floor(epochs);
  int64_t steps = 0;
  int64_t which = 0;
  for (; static_cast<double>(which) < whole; ++which)
    steps += stepsOf(pack(which).size());
  if (epochs > whole) {
    double last = static_cast<double>(stepsOf(pack(which).size()));
    steps += static_cast<int64_t>(std::ceil((epochs - whole) * last));
  }
  return steps;
}

} // namespace ftc::trainer
