//===- CpuInstance.cpp - a package on the CPU ------------------------------===//
// Memory, code, products, the addresses of every operand, and the loop over launches.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CpuInstance.h"

#include "CpuFeatures.h"
#include "MatrixUnit.h"
#include "Peak.h"
#include "ftc/Support/Json.h"

#include <algorithm>
#include <cstring>

namespace ftc {

Outcome CpuInstance::create(const Package &package, unsigned threads,
                            std::unique_ptr<Instance> &instance) {
  if (Status status = checkArchitecture(package->arch()->string_view(), cpuFeatures()); !status)
    return Outcome(FTC_UNSUPPORTED, makeError(package.path(), status.error().message));
  Result<const Blas *> blas = sharedBlas();
  if (!blas)
    return Outcome(FTC_UNSUPPORTED, blas.takeError());
  Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(threads);
  if (!pool)
    return Outcome(FTC_UNSUPPORTED, pool.takeError());

  std::unique_ptr<CpuInstance> result(new CpuInstance(package));
  result->blas = *blas;
  result->pool = *std::move(pool);
  if (Outcome outcome = result->prepare(); !outcome)
    return outcome;
  instance = std::move(result);
  return Outcome::ok();
}

std::string CpuInstance::choices() const {
  const CpuFeatures &features = cpuFeatures();
  json::Value object = json::Value::object();
  object
      .set("processor", features.hasLevel4()   ? "x86-64-v4"
                        : features.hasLevel3() ? "x86-64-v3"
                                               : "x86-64")
      .set("matrix_unit", haveMatrixUnit())
      .set("library", blas->config)
      .set("core", blas->core);
  return json::dump(object);
}

Outcome CpuInstance::measurePeak(double seconds, double &flopsPerSecond) {
  std::optional<double> peak =
      measureCpuPeak(*pool, *blas, multipliesBf16() && haveMatrixUnit(), arena, seconds);
  if (!peak)
    return Outcome(FTC_OUT_OF_MEMORY,
                   makeError(package.path(), "the system has no memory to measure the peak in"));
  flopsPerSecond = *peak;
  return Outcome::ok();
}

Outcome CpuInstance::prepare() {
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
  if (Outcome outcome = prepareKernels(); !outcome)
    return outcome;
  for (const package::Entry *entry : *root.entries())
    launches.push_back(prepareEntry(*entry));
  std::sort(fixups.begin(), fixups.end(), [](const Fixup &a, const Fixup &b) {
    return a.tensor != b.tensor ? a.tensor < b.tensor : a.argument < b.argument;
  });
  return Outcome::ok();
}

Outcome CpuInstance::prepareKernels() {
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

std::vector<CpuInstance::PreparedLaunch> CpuInstance::prepareEntry(const package::Entry &entry) {
  std::vector<PreparedLaunch> prepared;
  prepared.reserve(entry.launches()->size());
  for (const package::Launch *launch : *entry.launches()) {
    PreparedLaunch one;
    one.kernel = kernels[launch->kernel()];
    one.gemm = gemms[launch->kernel()].get();
    one.firstArgument = arguments.size();
    one.grid = launch->grid();
    one.grain = package->kernels()->Get(launch->kernel())->grain();
    one.firstRow = launch->rows();
    if (one.firstRow >= 0)
      one.rows = listedRows(*package->kernels()->Get(launch->kernel()), *launch);
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
    prepared.push_back(one);
  }
  return prepared;
}

void CpuInstance::setBound(uint32_t index, const void *data) {
  bound[index].data = data;
  auto first =
      std::lower_bound(fixups.begin(), fixups.end(), index,
                       [](const Fixup &fixup, uint32_t tensor) { return fixup.tensor < tensor; });
  for (; first != fixups.end() && first->tensor == index; ++first)
    // Kernels take all their arguments as void *; the verifier lets them only read these.
    arguments[first->argument] =
        const_cast<unsigned char *>(static_cast<const unsigned char *>(data)) + first->offset;
}

Outcome CpuInstance::bindBase(uint32_t index, DType dtype, const void *data) {
  const package::Tensor &tensor = *package->tensors()->Get(index);
  unsigned element = elementBytes(tensor.dtype());
  if (dtype != supportDType(tensor.dtype()) || reinterpret_cast<uintptr_t>(data) % element != 0)
    return fillBase(index, [&](unsigned char *to) {
      convert(tensor.dtype(), tensor.bytes() / element, dtype, data, to);
    });
  bound[index].owned = Memory();
  setBound(index, data);
  return Outcome::ok();
}

Outcome CpuInstance::fillBase(uint32_t index, const Fill &fill) {
  const package::Tensor &tensor = *package->tensors()->Get(index);
  Memory memory;
  if (Outcome outcome = fillMemory(tensor, fill, memory); !outcome)
    return outcome;
  bound[index].owned = std::move(memory);
  setBound(index, bound[index].owned.data());
  return Outcome::ok();
}

Outcome CpuInstance::fillState(uint32_t tensor, const Fill &fill) {
  fill(stateData(tensor));
  return Outcome::ok();
}

Outcome CpuInstance::readBytes(uint32_t tensor, uint64_t offset, void *data, uint64_t bytes) const {
  bool isBase = package->tensors()->Get(tensor)->role() == package::Role::base;
  const void *from = isBase ? bound[tensor].data : stateData(tensor);
  std::memcpy(data, static_cast<const unsigned char *>(from) + offset, bytes);
  return Outcome::ok();
}

Outcome CpuInstance::runLaunches(uint32_t entry, const RunValues &values, ftc_result &result) {
  const EntryPorts &ports = entries[entry];
  // The verifier has checked that the sizes are these arrays' sizes.
  for (const Input &input : ports.inputs)
    std::memcpy(arena.data() + input.offset, inputData(input.kind, values), input.bytes);
  for (const PreparedLaunch &launch : launches[entry]) {
    void *const *operands = arguments.data() + launch.firstArgument;
    int64_t rows = launch.firstRow < 0 ? -1 : rowsToDo(launch.firstRow, launch.rows);
    if (rows == 0)
      continue;
    if (launch.gemm) {
      const GemmPlan plan = rows < 0 ? *launch.gemm : launch.gemm->withRows(rows);
      plan.run(*pool, operands[0], operands[1], operands[2], scratch.data(), scratchStride);
      continue;
    }
    pool->split(
        rows < 0 ? launch.grid : rows, launch.grain, [&](int64_t lo, int64_t hi, unsigned thread) {
          launch.kernel(operands, lo, hi, scratch.data() + thread * scratchStride, &cpuServices());
        });
  }
  auto value = [&](std::optional<uint64_t> offset) {
    float number = 0;
    if (offset)
      std::memcpy(&number, arena.data() + *offset, sizeof number);
    return double{number};
  };
  result.loss = value(ports.loss);
  result.grad_norm = value(ports.gradNorm);
  return Outcome::ok();
}

} // namespace ftc
