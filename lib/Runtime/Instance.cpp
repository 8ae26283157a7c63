//===- Instance.cpp - what is done once, before any step -------------------===//
// Memory, code, products, and the addresses of every operand.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Instance.h"

#include "CpuFeatures.h"

#include <algorithm>

namespace ftc {

namespace {

constexpr int mostThreads = 256;

/// The rows of the position tables; 0 where the package has none.
int64_t positionRows(const package::Package &root) {
  int64_t rows = 0;
  for (const package::Tensor *tensor : *root.tensors())
    if (tensor->init() == package::InitKind::rope_cos ||
        tensor->init() == package::InitKind::rope_sin) {
      int64_t here = tensor->shape()->Get(0);
      rows = rows == 0 ? here : std::min(rows, here);
    }
  return rows;
}

} // namespace

Outcome Instance::create(const Package &package, int threads, std::unique_ptr<Instance> &instance) {
  if (threads < 0 || threads > mostThreads)
    return invalidArgument("threads", "is " + std::to_string(threads) + "; 0 to " +
                                          std::to_string(mostThreads) + " are possible");
  if (Status status = checkArchitecture(package->arch()->string_view(), cpuFeatures()); !status)
    return Outcome(FTC_UNSUPPORTED, makeError(package.path(), status.error().message));
  Result<const Blas *> blas = sharedBlas();
  if (!blas)
    return Outcome(FTC_UNSUPPORTED, blas.takeError());
  unsigned size = threads > 0 ? static_cast<unsigned>(threads)
                              : std::min(availableCpus(), unsigned{mostThreads});
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(size);
  if (!pool)
    return Outcome(FTC_UNSUPPORTED, pool.takeError());

  std::unique_ptr<Instance> result(new Instance(package));
  result->blas = *blas;
  result->pool = *std::move(pool);
  if (Outcome outcome = result->prepare(); !outcome)
    return outcome;
  instance = std::move(result);
  return Outcome::ok();
}

Outcome Instance::prepare() {
  const package::Package &root = package.root();
  const package::Memory &sizes = *root.memory();
  scratchStride = cpuScratchBytes(root);
  struct Part {
    const char *name;
    uint64_t bytes;
    Memory &memory;
  };
  for (Part part : {Part{"arena", sizes.arena(), arena}, Part{"state", sizes.state(), state},
                    Part{"scratch", scratchStride * pool->size(), scratch}}) {
    std::optional<Memory> memory = Memory::allocate(part.bytes);
    if (!memory)
      return Outcome(FTC_OUT_OF_MEMORY,
                     makeError(package.path(), std::string("the system has no ") +
                                                   std::to_string(part.bytes) + " bytes for its " +
                                                   part.name));
    part.memory = *std::move(memory);
  }
  bound.resize(root.tensors()->size());
  ready.resize(root.tensors()->size());
  inputs = std::make_unique<StepInputs>(
      BatchLimits{root.tokens(), root.max_segments(), root.vocab(), positionRows(root)});
  if (Outcome outcome = prepareKernels(); !outcome)
    return outcome;
  entries.reserve(root.entries()->size());
  for (const package::Entry *entry : *root.entries())
    prepareEntry(*entry);
  std::sort(fixups.begin(), fixups.end(), [](const Fixup &a, const Fixup &b) {
    return a.tensor != b.tensor ? a.tensor < b.tensor : a.argument < b.argument;
  });
  return Outcome::ok();
}

Outcome Instance::prepareKernels() {
  const package::Package &root = package.root();
  if (root.code() && root.code()->size() > 0) {
    Result<CodeImage> image = CodeImage::load(root.code()->data(), root.code()->size());
    if (!image)
      return Outcome(FTC_INVALID_PACKAGE, makeError(package.path(), image.error().str()));
    code = *std::move(image);
  }
  for (const package::Kernel *kernel : *root.kernels()) {
    gemms.push_back(kernel->gemm() ? std::make_unique<GemmPlan>(gemmShape(*kernel), *blas)
                                   : nullptr);
    kernels.push_back(nullptr);
    if (kernel->gemm())
      continue;
    void *address = code.find(kernel->symbol()->c_str());
    if (!address)
      return Outcome(FTC_INVALID_PACKAGE,
                     makeError(package.path(), "kernel " + quoted(kernel->name()->string_view()) +
                                                   ": its code has no symbol " +
                                                   quoted(kernel->symbol()->string_view())));
    kernels.back() = reinterpret_cast<ftc_cpu_kernel>(address);
  }
  return Outcome::ok();
}

void Instance::prepareEntry(const package::Entry &entry) {
  const package::Package &root = package.root();
  PreparedEntry prepared;
  prepared.name = entry.name()->string_view();
  for (const package::Port *port : *entry.inputs()) {
    Input input = {*inputKind(port->name()->string_view()), arena.data() + port->offset(),
                   port->bytes()};
    prepared.takesBatch |= input.kind != InputKind::Run;
    prepared.inputs.push_back(input);
  }
  for (const package::Port *port : *entry.outputs()) {
    const auto *value = reinterpret_cast<const float *>(arena.data() + port->offset());
    if (port->name()->string_view() == "loss")
      prepared.loss = value;
    else if (port->name()->string_view() == "grad_norm")
      prepared.gradNorm = value;
  }
  prepared.launches.reserve(entry.launches()->size());
  for (const package::Launch *launch : *entry.launches()) {
    PreparedLaunch one;
    one.kernel = kernels[launch->kernel()];
    one.gemm = gemms[launch->kernel()].get();
    one.firstArgument = arguments.size();
    one.grid = launch->grid();
    one.grain = root.kernels()->Get(launch->kernel())->grain();
    for (const package::Operand *operand : *launch->operands()) {
      unsigned char *address = nullptr;
      if (operand->region() == package::Region::arena)
        address = arena.data() + operand->offset();
      else if (operand->region() == package::Region::state)
        address = state.data() + operand->offset();
      else
        fixups.push_back({operand->index(), arguments.size(), operand->offset()});
      arguments.push_back(address);
    }
    prepared.launches.push_back(one);
  }
  entries.push_back(std::move(prepared));
}

void Instance::setBound(uint32_t index, const void *data) {
  bound[index].data = data;
  auto first =
      std::lower_bound(fixups.begin(), fixups.end(), index,
                       [](const Fixup &fixup, uint32_t tensor) { return fixup.tensor < tensor; });
  for (; first != fixups.end() && first->tensor == index; ++first)
    // Kernels take all their arguments as void *; the verifier lets them only read these.
    arguments[first->argument] =
        const_cast<unsigned char *>(static_cast<const unsigned char *>(data)) + first->offset;
}

} // namespace ftc
