//===- CudaInstance.cpp - a package on a GPU -------------------------------===//
// What is made once: memory, kernels, products, arguments; and the loop over launches.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaInstance.h"

#include "Peak.h"

#include "Memory.h"
#include "ftc/Support/Hash.h"
#include "ftc/Support/Json.h"

#include <algorithm>
#include <cstring>

namespace ftc {

namespace {

constexpr uint64_t weightAlignment = 256; // of cuMemAlloc, which kernels may rely on
constexpr uint64_t mostTransfer = uint64_t{16} << 20;
constexpr unsigned mostProductAlignment = 64;

/// a + b, or the largest number there is: more than any device has.
uint64_t saturatingAdd(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }

/// Of a product; the verifier has seen that it is one of these.
cuda::DType cudaDType(package::DType dtype) {
  return dtype == package::DType::f32 ? cuda::DType::f32 : cuda::DType::bf16;
}

cuda::Product productOf(const package::Kernel &kernel) {
  const package::Gemm &gemm = *kernel.gemm();
  cuda::Product product;
  product.m = gemm.m();
  product.n = gemm.n();
  product.k = gemm.k();
  product.transposeA = gemm.transpose_a();
  product.transposeB = gemm.transpose_b();
  product.lda = gemm.lda();
  product.ldb = gemm.ldb();
  product.ldc = gemm.ldc();
  product.a = cudaDType(kernel.args()->Get(0)->dtype());
  product.b = cudaDType(kernel.args()->Get(1)->dtype());
  product.c = cudaDType(kernel.args()->Get(2)->dtype());
  product.scale = static_cast<float>(gemm.scale());
  product.accumulate = gemm.accumulate();
  product.alignment = mostProductAlignment;
  return product;
}

} // namespace

Outcome CudaInstance::create(const Package &package, std::unique_ptr<Instance> &instance) {
  std::unique_ptr<CudaInstance> result(new CudaInstance(package));
  if (cuda::Status status = result->device.open(); !status)
    return cudaOutcome(package, cuda::Status(status.fault(), status.text() +
                                                                 "; a package compiled with "
                                                                 "--target=cpu runs without it"));
  Outcome outcome = result->prepare();
  if (!outcome)
    result->resources.reset();
  result->device.restore();
  if (outcome)
    instance = std::move(result);
  return outcome;
}

CudaInstance::~CudaInstance() {
  if (!resources || !device.isOpen())
    return;
  cuda::Device::Guard current(device);
  (void)resources->stream.synchronize(); // pinned memory may still be read
  resources.reset();
}

Outcome CudaInstance::measurePeak(double seconds, double &flopsPerSecond) {
  cuda::Device::Guard guard(device);
  return cudaOutcome(package,
                     measureCudaPeak(device, resources->stream.get(),
                                     multipliesBf16() ? cuda::DType::bf16 : cuda::DType::f32,
                                     resources->arena, seconds, flopsPerSecond));
}

Outcome CudaInstance::prepare() {
  const char *sync = std::getenv("FTC_CUDA_SYNC");
  waitForEach = sync && std::string_view(sync) == "1";
  for (const package::Tensor *tensor : *package->tensors()) {
    weightOffsets.push_back(weightBytes);
    if (tensor->role() == package::Role::base)
      weightBytes = saturatingAdd(weightBytes, (tensor->bytes() + weightAlignment - 1) /
                                                   weightAlignment * weightAlignment);
  }
  if (cuda::Status status = resources->stream.open(device); !status)
    return cudaOutcome(package, status);
  if (Outcome outcome = checkMemory(); !outcome)
    return outcome;
  if (Outcome outcome = allocate(); !outcome)
    return outcome;
  if (Outcome outcome = prepareProducts(); !outcome)
    return outcome;
  if (Outcome outcome = prepareKernels(); !outcome)
    return outcome;
  for (const package::Entry *entry : *package->entries()) {
    launches.emplace_back();
    for (const package::Launch *launch : *entry->launches())
      launches.back().push_back(prepareLaunch(*launch));
  }
  return finishLaunches();
}

/// All at once, so that the message has the whole need, not that of the part that does not fit.
Outcome CudaInstance::checkMemory() const {
  const package::Memory &sizes = *package->memory();
  size_t free = 0, total = 0;
  if (int error = device.driver().memoryInfo(&free, &total))
    return failed(error, "ask how much device memory there is");
  uint64_t needed = weightBytes;
  for (uint64_t part : {sizes.state(), sizes.arena(), package->product_workspace()})
    needed = saturatingAdd(needed, part);
  if (needed <= free)
    return Outcome::ok();
  auto text = [](uint64_t bytes) { return std::to_string(bytes); };
  return Outcome(
      FTC_OUT_OF_MEMORY,
      makeError(package.path(), "needs " + text(needed) + " bytes of device memory (weights " +
                                    text(weightBytes) + ", state " + text(sizes.state()) +
                                    ", arena " + text(sizes.arena()) + ", products " +
                                    text(package->product_workspace()) + "), but " + device.name() +
                                    " has " + text(free) + " free of " + text(total)));
}

Outcome CudaInstance::allocate() {
  const package::Memory &sizes = *package->memory();
  struct Part {
    const char *name;
    uint64_t bytes;
    cuda::DeviceMemory &memory;
  };
  for (Part part : {Part{"the arena", sizes.arena(), resources->arena},
                    Part{"the state", sizes.state(), resources->state},
                    Part{"the weights", weightBytes, resources->weights}})
    if (cuda::Status status =
            part.memory.allocate(device, part.bytes, part.name, resources->stream.get());
        !status)
      return cudaOutcome(package, status);
  uint64_t boundary = 0, largest = 1;
  for (const EntryPorts &entry : entries) {
    uint64_t bytes = 0;
    for (const Input &input : entry.inputs)
      bytes += alignedBytes(input.bytes);
    boundary = std::max(boundary, bytes);
  }
  for (const package::Tensor *tensor : *package->tensors())
    largest = std::max(largest, tensor->bytes());
  cuda::Status status = resources->boundary.open(device, boundary + 2 * sizeof(float));
  if (status)
    status = resources->transfer.open(device, std::min(largest, mostTransfer));
  return cudaOutcome(package, status);
}

/// The alignment of a product is that of the worst operand that any launch gives it.
Outcome CudaInstance::prepareProducts() {
  std::vector<cuda::Product> shapes(package->kernels()->size());
  bool any = false;
  for (uint32_t i = 0; i < shapes.size(); ++i)
    if (const package::Kernel &kernel = *package->kernels()->Get(i); kernel.gemm()) {
      shapes[i] = productOf(kernel);
      any = true;
    }
  kernels.resize(shapes.size());
  if (!any)
    return Outcome::ok();
  for (const package::Entry *entry : *package->entries())
    for (const package::Launch *launch : *entry->launches()) {
      shapes[launch->kernel()].listed |= launch->rows() >= 0;
      for (const package::Operand *operand : *launch->operands())
        while (reinterpret_cast<uintptr_t>(address(*operand)) %
                   shapes[launch->kernel()].alignment !=
               0)
          shapes[launch->kernel()].alignment /= 2;
    }
  cuda::Status status =
      resources->products.open(device, package->product_workspace(), resources->stream.get());
  if (!status)
    return cudaOutcome(package, status);
  for (uint32_t i = 0; i < shapes.size(); ++i)
    if (package->kernels()->Get(i)->gemm())
      kernels[i].product = resources->products.add(shapes[i]);
  return cudaOutcome(package, resources->products.prepare());
}

Outcome CudaInstance::prepareKernels() {
  std::vector<bool> single(kernels.size()), batched(kernels.size());
  bool any = false;
  for (const package::Entry *entry : *package->entries())
    for (const package::Launch *launch : *entry->launches()) {
      (launch->batch() == 1 ? single : batched)[launch->kernel()] = true;
      any |= kernels[launch->kernel()].product < 0;
    }
  if (!any)
    return Outcome::ok();
  if (Outcome outcome = resources->module.load(package, device); !outcome)
    return outcome;
  for (uint32_t i = 0; i < kernels.size(); ++i) {
    const package::Kernel &kernel = *package->kernels()->Get(i);
    if (kernel.gemm())
      continue;
    cuda::Status status;
    if (single[i])
      status = resources->module.find(kernel.symbol()->c_str(), kernel.shared_bytes(),
                                      kernels[i].single);
    if (status && batched[i])
      status = resources->module.find((kernel.symbol()->str() + "_batched").c_str(),
                                      kernel.shared_bytes(), kernels[i].batched);
    if (!status)
      return cudaOutcome(package, status);
  }
  return Outcome::ok();
}

CudaInstance::PreparedLaunch CudaInstance::prepareLaunch(const package::Launch &launch) {
  const package::Kernel &kernel = *package->kernels()->Get(launch.kernel());
  const Kernel &code = kernels[launch.kernel()];
  PreparedLaunch prepared;
  prepared.kernel = launch.batch() == 1 ? code.single : code.batched;
  prepared.product = code.product;
  prepared.firstArgument = values.size();
  prepared.blocks = static_cast<unsigned>(launchBlocks(kernel, launch));
  prepared.threads = kernel.threads();
  prepared.sharedBytes = kernel.shared_bytes();
  prepared.firstRow = launch.rows();
  if (prepared.firstRow >= 0)
    prepared.rows = listedRows(kernel, launch);
  if (launch.batch() == 1) {
    for (const package::Operand *operand : *launch.operands())
      values.push_back(reinterpret_cast<uintptr_t>(address(*operand)));
    prepared.gridValue = values.size();
    prepared.items = kernel.items();
    values.push_back(static_cast<uint64_t>(launch.grid()));
    return prepared;
  }
  std::vector<cuda::BatchGroup> groups(launch.batch());
  uint32_t arguments = kernel.args()->size();
  for (uint32_t i = 0; i < launch.operands()->size(); ++i)
    groups[i / arguments].arguments[i % arguments] = address(*launch.operands()->Get(i));
  for (uint32_t i = 0; i < launch.batch(); ++i)
    groups[i].grid = launch.grids()->Get(i);
  prepared.table = resources->batches.add(groups, kernel.items());
  values.resize(values.size() + 3); // filled in where the tables have their place
  return prepared;
}

Outcome CudaInstance::finishLaunches() {
  const cuda::BatchTables &batches = resources->batches;
  cuda::Stream stream = resources->stream.get();
  if (cuda::Status status = resources->batches.allocate(device, stream); !status)
    return cudaOutcome(package, status);
  if (cuda::Status status = batches.upload(stream); !status)
    return cudaOutcome(package, status);
  for (const std::vector<PreparedLaunch> &entry : launches)
    for (const PreparedLaunch &launch : entry)
      if (launch.table >= 0) {
        uint64_t *value = &values[launch.firstArgument];
        value[0] = reinterpret_cast<uintptr_t>(batches.items(launch.table));
        value[1] = reinterpret_cast<uintptr_t>(batches.firstBlock(launch.table));
        value[2] = static_cast<uint64_t>(batches.count(launch.table));
      }
  for (uint64_t &value : values)
    arguments.push_back(&value);
  return failed(resources->stream.synchronize(), "prepare the GPU's memory");
}

unsigned char *CudaInstance::address(const package::Operand &operand) const {
  switch (operand.region()) {
  case package::Region::arena:
    return resources->arena.data() + operand.offset();
  case package::Region::state:
    return resources->state.data() + operand.offset();
  case package::Region::bound:
    break;
  }
  return resources->weights.data() + weightOffsets[operand.index()] + operand.offset();
}

unsigned char *CudaInstance::tensorData(uint32_t index) const {
  const package::Tensor &tensor = *package->tensors()->Get(index);
  return tensor.role() == package::Role::base ? resources->weights.data() + weightOffsets[index]
                                              : resources->state.data() + tensor.offset();
}

uint64_t CudaInstance::bytes() const {
  const Resources &parts = *resources;
  return parts.arena.size() + parts.state.size() + parts.weights.size() + parts.products.bytes() +
         parts.batches.bytes() + parts.boundary.size() + parts.transfer.size();
}

std::string CudaInstance::choices() const {
  json::Value object = json::Value::object();
  object.set("gpu", device.name())
      .set("arch", device.arch())
      .set("products", hash128(resources->products.algorithms()).hex());
  std::optional<uint32_t> cubin =
      fittingCubin(package.root(), device.computeMajor(), device.computeMinor());
  object.set("kernels", cubin ? package->cubins()->Get(*cubin)->arch()->str() : "nvrtc");
  return json::dump(object);
}

//===----------------------------------------------------------------------===//
// Weights and state
//===----------------------------------------------------------------------===//

Outcome CudaInstance::bindBase(uint32_t index, DType dtype, const void *data) {
  const package::Tensor &tensor = *package->tensors()->Get(index);
  if (dtype != supportDType(tensor.dtype()))
    return upload(index, [&](unsigned char *to) {
      convert(tensor.dtype(), tensor.bytes() / elementBytes(tensor.dtype()), dtype, data, to);
    });
  cuda::Device::Guard current(device);
  return failed(resources->transfer.copyToDevice(tensorData(index), data, tensor.bytes(),
                                                 resources->stream.get()),
                "copy " + quoted(tensor.name()->string_view()) + " to the GPU");
}

Outcome CudaInstance::fillBase(uint32_t tensor, const Fill &fill) { return upload(tensor, fill); }

Outcome CudaInstance::fillState(uint32_t tensor, const Fill &fill) { return upload(tensor, fill); }

Outcome CudaInstance::upload(uint32_t index, const Fill &fill) {
  const package::Tensor &tensor = *package->tensors()->Get(index);
  Memory memory;
  if (Outcome outcome = fillMemory(tensor, fill, memory); !outcome)
    return outcome;
  cuda::Device::Guard current(device);
  return failed(resources->transfer.copyToDevice(tensorData(index), memory.data(), tensor.bytes(),
                                                 resources->stream.get()),
                "copy " + quoted(tensor.name()->string_view()) + " to the GPU");
}

Outcome CudaInstance::readBytes(uint32_t index, uint64_t offset, void *data, uint64_t bytes) const {
  const package::Tensor &tensor = *package->tensors()->Get(index);
  cuda::Device::Guard current(device);
  return failed(resources->transfer.copyToHost(data, tensorData(index) + offset, bytes,
                                               resources->stream.get()),
                "copy " + quoted(tensor.name()->string_view()) + " from the GPU");
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

Outcome CudaInstance::runLaunches(uint32_t entry, const RunValues &run, ftc_result &result) {
  const EntryPorts &ports = entries[entry];
  const cuda::Staging &boundary = resources->boundary;
  cuda::Device::Guard current(device);
  Outcome outcome = enqueueInputs(ports, run);
  if (outcome)
    outcome = enqueueLaunches(entry);
  if (!outcome) {
    (void)resources->stream.synchronize(); // the next step writes the inputs again
    return outcome;
  }
  size_t results = boundary.size() - 2 * sizeof(float);
  float numbers[2] = {};
  std::memcpy(boundary.data() + results, numbers, sizeof numbers);
  const std::optional<uint64_t> outputs[] = {ports.loss, ports.gradNorm};
  for (size_t i = 0; i < 2; ++i)
    if (outputs[i])
      if (int error =
              boundary.download(results + i * sizeof(float), resources->arena.data() + *outputs[i],
                                sizeof(float), resources->stream.get()))
        return failed(error, "copy the results of " + quoted(ports.name) + " from the GPU");
  if (int error = resources->stream.synchronize())
    return failed(error, "run " + quoted(ports.name) + " on " + device.name() +
                             " (FTC_CUDA_SYNC=1 finds the launch)");
  std::memcpy(numbers, boundary.data() + results, sizeof numbers);
  result.loss = double{numbers[0]};
  result.grad_norm = double{numbers[1]};
  return Outcome::ok();
}

Outcome CudaInstance::enqueueInputs(const EntryPorts &ports, const RunValues &run) {
  const cuda::Staging &boundary = resources->boundary;
  size_t offset = 0;
  for (const Input &input : ports.inputs) {
    // The verifier has checked that the sizes are these arrays' sizes.
    std::memcpy(boundary.data() + offset, inputData(input.kind, run), input.bytes);
    if (int error = boundary.upload(resources->arena.data() + input.offset, offset, input.bytes,
                                    resources->stream.get()))
      return failed(error, "copy the inputs of " + quoted(ports.name) + " to the GPU");
    offset += alignedBytes(input.bytes);
  }
  return Outcome::ok();
}

Outcome CudaInstance::enqueueLaunches(uint32_t entry) {
  for (size_t i = 0; i < launches[entry].size(); ++i) {
    const PreparedLaunch &launch = launches[entry][i];
    int error = launch.firstRow < 0 ? enqueue(launch) : enqueueListed(launch);
    if (!error && waitForEach)
      error = resources->stream.synchronize();
    // What went wrong on the device comes back from whichever call is made next.
    if (error)
      return failed(error,
                    "run " + placeOf(entry, i) +
                        (waitForEach ? "" : ", or one before it (FTC_CUDA_SYNC=1 finds it),") +
                        " on " + device.name());
  }
  return Outcome::ok();
}

int CudaInstance::enqueue(const PreparedLaunch &launch) {
  cuda::Stream stream = resources->stream.get();
  if (launch.product >= 0) {
    void *operands[3];
    std::memcpy(static_cast<void *>(operands), &values[launch.firstArgument], sizeof operands);
    return resources->products.run(launch.product, operands[0], operands[1], operands[2], stream);
  }
  return device.driver().launchKernel(launch.kernel, launch.blocks, 1, 1, launch.threads, 1, 1,
                                      launch.sharedBytes, stream,
                                      arguments.data() + launch.firstArgument, nullptr);
}

/// The arguments of a kernel are copied when it is enqueued, its grid with them.
int CudaInstance::enqueueListed(const PreparedLaunch &launch) {
  int64_t rows = cuda::listedRows(inputs.items(), launch.firstRow, launch.rows);
  if (rows == 0)
    return 0;
  if (launch.product >= 0) {
    void *operands[3];
    std::memcpy(static_cast<void *>(operands), &values[launch.firstArgument], sizeof operands);
    return resources->products.run(launch.product, operands[0], operands[1], operands[2],
                                   resources->stream.get(), rows);
  }
  values[launch.gridValue] = static_cast<uint64_t>(rows);
  PreparedLaunch part = launch;
  part.blocks = static_cast<unsigned>((rows - 1) / launch.items + 1);
  return enqueue(part);
}

std::string CudaInstance::placeOf(uint32_t entry, size_t index) const {
  const package::Entry &from = *package->entries()->Get(entry);
  const package::Launch &launch = *from.launches()->Get(static_cast<flatbuffers::uoffset_t>(index));
  return "launch " + std::to_string(index) + " of " + quoted(from.name()->string_view()) + " (" +
         quoted(package->kernels()->Get(launch.kernel())->name()->string_view()) + " at " +
         quoted(package->strings()->Get(launch.site())->string_view()) + ')';
}

} // namespace ftc
