//===- Instance.cpp - what every target's executor shares ------------------===//
// The choice of the target, and what the package says about the boundary of its entry points.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Instance.h"

#include "AvailableMemory.h"
#include "CpuInstance.h"
#include "CudaInstance.h"
#include "ftc/Package/Inspect.h"
#include "ftc/Support/TrainConfig.h"

#include <algorithm>
#include <cstdlib>

namespace ftc {

namespace {

constexpr int mostThreads = 256;

/// Rows of the table that a launch of the family embedding looks up.
int64_t tableRows(const package::Kernel &kernel, const package::Launch &launch) {
  auto elements = [&](unsigned index) {
    uint64_t width = kernel.args()->Get(index)->dtype() == package::DType::f32 ? 4 : 2;
    return static_cast<int64_t>(launch.operands()->Get(index)->bytes() / width);
  };
  return elements(1) / std::max<int64_t>(elements(2) / launch.grid(), 1);
}

/// The rows of the position tables, computed and learned; 0 where the package has none.
int64_t positionRows(const package::Package &root) {
  int64_t rows = 0;
  auto add = [&](int64_t here) { rows = rows == 0 ? here : std::min(rows, here); };
  for (const package::Tensor *tensor : *root.tensors())
    if (tensor->init() == package::InitKind::rope_cos ||
        tensor->init() == package::InitKind::rope_sin)
      add(tensor->shape()->Get(0));
  for (const package::Entry *entry : *root.entries())
    for (const package::Port *port : *entry->inputs())
      if (inputKind(port->name()->string_view()) == InputKind::Positions)
        for (const package::Launch *launch : *entry->launches()) {
          const package::Kernel &kernel = *root.kernels()->Get(launch->kernel());
          const package::Operand &ids = *launch->operands()->Get(0);
          if (kernel.family()->string_view() == "embedding" &&
              ids.region() == package::Region::arena && ids.offset() == port->offset())
            add(tableRows(kernel, *launch));
        }
  return rows;
}

Outcome checkThreads(int threads) {
  return threads < 0 || threads > mostThreads
             ? invalidArgument("threads", "is " + std::to_string(threads) + "; 0 to " +
                                              std::to_string(mostThreads) + " are possible")
             : Outcome::ok();
}

unsigned resolvedThreads(int threads) {
  return threads > 0 ? static_cast<unsigned>(threads)
                     : std::min(availableCpus(), unsigned{mostThreads});
}

/// What the system says, or instead FTC_AVAILABLE_MEMORY.
Result<AvailableMemory> memoryToGoBy(unsigned threads) {
  constexpr const char *name = "FTC_AVAILABLE_MEMORY";
  const char *given = std::getenv(name);
  if (!given || !*given)
    return availableMemory(threads * Blas::bufferBytes);
  Result<ByteSize> size = parseByteSize(given, name);
  if (!size)
    return size.takeError();
  return AvailableMemory{size->bytes, name};
}

} // namespace

Outcome Instance::checkMemory(const Package &package, int threads) {
  if (Outcome outcome = checkThreads(threads); !outcome || isCuda(package.root()))
    return outcome;
  unsigned count = resolvedThreads(threads);
  Result<AvailableMemory> available = memoryToGoBy(count);
  if (!available)
    return Outcome(FTC_INVALID_ARGUMENT, available.takeError());
  const package::Memory &sizes = *package->memory();
  uint64_t scratch = cpuScratchBytes(package.root());
  uint64_t room = UINT64_MAX - sizes.peak();
  uint64_t needed = scratch > room / count ? UINT64_MAX : sizes.peak() + scratch * count;
  if (needed <= available->bytes)
    return Outcome::ok();
  return Outcome(
      FTC_OUT_OF_MEMORY,
      makeError(package.path(),
                "needs " + humanBytes(needed) + " of memory, " + std::to_string(needed) +
                    " bytes (weights " + humanBytes(sizes.parameters()) + ", state " +
                    humanBytes(sizes.state()) + ", arena " + humanBytes(sizes.arena()) +
                    ", scratch of " + std::to_string(count) +
                    (count == 1 ? " thread " : " threads ") + humanBytes(scratch * count) +
                    "), but " + available->limit + " leaves " + humanBytes(available->bytes) +
                    ", " + std::to_string(available->bytes) +
                    " bytes; compile for fewer tokens or with a memory_budget, or free memory"));
}

Outcome Instance::create(const Package &package, int threads, std::unique_ptr<Instance> &instance) {
  if (Outcome outcome = checkThreads(threads); !outcome)
    return outcome;
  if (isCuda(package.root()))
    return CudaInstance::create(package, instance);
  return CpuInstance::create(package, resolvedThreads(threads), instance);
}

Instance::Instance(const Package &package)
    : package(package), inputs(BatchLimits{package->tokens(), package->max_segments(),
                                           package->vocab(), positionRows(package.root()),
                                           package->virtual_tokens(), package->virtual_predicts()}),
      stepFlops(package.root()), ready(package->tensors()->size()) {
  // Without accumulators gradients die in their own updates.
  auto has = [&](package::Role role) {
    return std::any_of(package->tensors()->begin(), package->tensors()->end(),
                       [&](const package::Tensor *tensor) { return tensor->role() == role; });
  };
  clips = !has(package::Role::trainable) || has(package::Role::accumulator);
  for (const package::Entry *entry : *package->entries()) {
    EntryPorts ports;
    ports.name = entry->name()->string_view();
    for (const package::Port *port : *entry->inputs()) {
      Input input = {*inputKind(port->name()->string_view()), port->offset(), port->bytes()};
      ports.takesBatch |= input.kind != InputKind::Run;
      ports.inputs.push_back(input);
    }
    for (const package::Port *port : *entry->outputs())
      if (port->name()->string_view() == "loss")
        ports.loss = port->offset();
      else if (port->name()->string_view() == "grad_norm")
        ports.gradNorm = port->offset();
    entries.push_back(std::move(ports));
  }
}

const void *Instance::inputData(InputKind kind, const RunValues &values) const {
  switch (kind) {
  case InputKind::InputIds:
    return inputs.ids();
  case InputKind::Targets:
    return inputs.targets();
  case InputKind::Positions:
    return inputs.positions();
  case InputKind::SegmentBegin:
    return inputs.segmentBegin();
  case InputKind::SegmentEnd:
    return inputs.segmentEnd();
  case InputKind::LossRows:
    return inputs.lossRows();
  case InputKind::Run:
    return values.data();
  }
  return nullptr;
}

} // namespace ftc
