//===- TestPackage.h - packages made by hand -------------------------------===//
// Builds the object form of a package piece by piece; no compiler is needed.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_PACKAGE_TESTPACKAGE_H
#define FTC_TEST_UNIT_PACKAGE_TESTPACKAGE_H

#include "ftc/Package/CpuAbi.h"
#include "ftc/Package/Package.h"

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace ftc::test {

using package::Access;
using package::DType;
using package::InitKind;
using package::Operand;
using package::Region;
using package::Role;

inline uint64_t bytesOf(DType dtype, const std::vector<int64_t> &shape) {
  uint64_t bytes = elementBytes(dtype);
  for (int64_t dimension : shape)
    bytes *= static_cast<uint64_t>(dimension);
  return bytes;
}

/// The least package that the verifier takes once it has an entry point.
class PackageMaker {
public:
  PackageMaker(int64_t batch, int64_t maxLength, int64_t maxSegments, int64_t vocab) {
    content.format_version = packageFormatVersion;
    content.schema_hash = schemaHash();
    content.compiler = "test 0";
    content.target = "cpu";
    content.arch = "x86-64";
    content.cpu_abi = FTC_CPU_ABI_VERSION;
    content.model_hash = content.adapter_hash = content.train_hash = std::string(32, '0');
    content.tokens = batch * maxLength;
    content.max_segments = maxSegments;
    content.batch = batch;
    content.max_length = maxLength;
    content.vocab = vocab;
    content.train_config = "{}";
    content.strings = {"model"};
    content.memory = std::make_unique<package::MemoryT>();
  }

  package::TensorT &tensor(std::string name, Role role, DType dtype, std::vector<int64_t> shape,
                           InitKind init, int32_t owner = -1) {
    auto tensor = std::make_unique<package::TensorT>();
    tensor->name = name;
    tensor->key = name;
    tensor->role = role;
    tensor->dtype = dtype;
    tensor->bytes = bytesOf(dtype, shape);
    tensor->shape = std::move(shape);
    tensor->init = init;
    tensor->owner = owner;
    if (role != Role::base) {
      tensor->offset = stateBytes;
      stateBytes += alignedBytes(tensor->bytes);
    }
    content.tensors.push_back(std::move(tensor));
    return *content.tensors.back();
  }

  uint32_t kernel(std::string name, std::vector<package::KernelArgT> args, int64_t grain = 1,
                  uint64_t scratch = 0) {
    auto kernel = std::make_unique<package::KernelT>();
    kernel->name = name;
    kernel->symbol = name;
    kernel->family = "map";
    for (package::KernelArgT &arg : args)
      kernel->args.push_back(std::make_unique<package::KernelArgT>(arg));
    kernel->grain = grain;
    kernel->scratch_bytes = scratch;
    content.kernels.push_back(std::move(kernel));
    return static_cast<uint32_t>(content.kernels.size() - 1);
  }

  uint32_t gemm(std::string name, int64_t m, int64_t n, int64_t k, bool transposeA, bool transposeB,
                bool accumulate, DType typeA = DType::f32, DType typeB = DType::f32,
                DType typeC = DType::f32) {
    auto kernel = std::make_unique<package::KernelT>();
    kernel->name = std::move(name);
    kernel->family = "gemm";
    kernel->gemm = std::make_unique<package::GemmT>();
    kernel->gemm->m = m;
    kernel->gemm->n = n;
    kernel->gemm->k = k;
    kernel->gemm->transpose_a = transposeA;
    kernel->gemm->transpose_b = transposeB;
    kernel->gemm->lda = transposeA ? m : k;
    kernel->gemm->ldb = transposeB ? k : n;
    kernel->gemm->ldc = n;
    kernel->gemm->accumulate = accumulate;
    for (package::KernelArgT arg :
         {argument(Access::read, typeA), argument(Access::read, typeB),
          argument(accumulate ? Access::readwrite : Access::write, typeC)})
      kernel->args.push_back(std::make_unique<package::KernelArgT>(arg));
    content.kernels.push_back(std::move(kernel));
    return static_cast<uint32_t>(content.kernels.size() - 1);
  }

  static package::KernelArgT argument(Access access, DType dtype) {
    package::KernelArgT arg;
    arg.access = access;
    arg.dtype = dtype;
    return arg;
  }

  package::EntryT &entry(std::string name) {
    content.entries.push_back(std::make_unique<package::EntryT>());
    content.entries.back()->name = std::move(name);
    return *content.entries.back();
  }

  /// A buffer of the entry point's arena.
  static Operand buffer(package::EntryT &entry, uint64_t bytes) {
    Operand operand(entry.arena_bytes, bytes, 0, Region::arena);
    entry.arena_bytes += alignedBytes(bytes);
    entry.live_bytes = entry.arena_bytes;
    return operand;
  }

  /// The place of a tensor: of the state region, or bound.
  Operand place(const std::string &name) const {
    for (uint32_t i = 0; i < content.tensors.size(); ++i) {
      const package::TensorT &tensor = *content.tensors[i];
      if (tensor.name == name)
        return tensor.role == Role::base ? Operand(0, tensor.bytes, i, Region::bound)
                                         : Operand(tensor.offset, tensor.bytes, 0, Region::state);
    }
    return Operand();
  }

  static Operand port(std::vector<std::unique_ptr<package::PortT>> &ports, package::EntryT &entry,
                      std::string name, DType dtype, std::vector<int64_t> shape) {
    auto port = std::make_unique<package::PortT>();
    Operand operand = buffer(entry, bytesOf(dtype, shape));
    port->name = std::move(name);
    port->dtype = dtype;
    port->bytes = bytesOf(dtype, shape);
    port->shape = std::move(shape);
    port->offset = operand.offset();
    ports.push_back(std::move(port));
    return operand;
  }
  static Operand input(package::EntryT &entry, std::string name, DType dtype,
                       std::vector<int64_t> shape) {
    return port(entry.inputs, entry, std::move(name), dtype, std::move(shape));
  }
  static Operand output(package::EntryT &entry, std::string name) {
    return port(entry.outputs, entry, std::move(name), DType::f32, {1});
  }

  static void launch(package::EntryT &entry, uint32_t kernel, int64_t grid,
                     std::vector<Operand> operands, uint64_t flops = 1, uint64_t bytes = 1) {
    auto launch = std::make_unique<package::LaunchT>();
    launch->kernel = kernel;
    launch->grid = grid;
    launch->operands = std::move(operands);
    launch->flops = flops;
    launch->bytes = bytes;
    entry.launches.push_back(std::move(launch));
  }

  /// Fills in the memory report. Call it when everything else is there.
  void sumUp() {
    package::MemoryT &memory = *content.memory;
    memory = package::MemoryT();
    for (const auto &tensor : content.tensors) {
      uint64_t bytes = alignedBytes(tensor->bytes);
      switch (tensor->role) {
      case Role::base:
        memory.parameters += tensor->bytes;
        break;
      case Role::trainable:
      case Role::shadow:
        memory.trainable += bytes;
        break;
      case Role::accumulator:
        memory.gradients += bytes;
        break;
      case Role::moment1:
      case Role::moment2:
        memory.optimizer += bytes;
        break;
      case Role::table:
        memory.tables += bytes;
        break;
      }
    }
    for (uint32_t i = 0; i < content.entries.size(); ++i) {
      const package::EntryT &entry = *content.entries[i];
      if (entry.arena_bytes > memory.arena) {
        memory.arena = entry.arena_bytes;
        memory.peak_entry = i;
      }
      memory.saved_activations = std::max(memory.saved_activations, entry.saved_bytes);
    }
    for (const auto &kernel : content.kernels) {
      memory.workspace = std::max(memory.workspace, alignedBytes(kernel->scratch_bytes));
      for (const auto &arg : kernel->args)
        if (kernel->gemm && elementBytes(arg->dtype) == 2)
          memory.workspace = std::max<uint64_t>(memory.workspace, FTC_CPU_GEMM_SCRATCH);
    }
    memory.state = memory.trainable + memory.gradients + memory.optimizer + memory.tables;
    memory.peak = memory.parameters + memory.state + memory.arena;
  }

  package::PackageT content;

private:
  uint64_t stateBytes = 0;
};

/// The toy that the tests run: for token t with id i, y[t] = table[i] . w; the loss is the sum of
/// (y[t] - targets[t])^2 over predicted tokens times inv_items; w is trained by gradient descent
/// with clipping. Two products, six kernels, all five entry points. `code` may be empty bytes of an
/// ELF header where nothing is to run.
struct Toy {
  static constexpr int64_t batch = 2, length = 12, tokens = 24, segments = 4, vocab = 11,
                           width = 20;
};

inline void toyEntry(PackageMaker &maker, const std::string &name) {
  constexpr int64_t t = Toy::tokens, n = Toy::width;
  bool update = name == "update" || name == "train_step", takesBatch = name != "update";
  bool gradients = takesBatch && name != "evaluate";
  package::EntryT &entry = maker.entry(name);
  Operand run = maker.input(entry, "run", DType::f32, {runFields});
  enum { Embed, Product, Residual, Sum, Gradient, FreshGradient, Norm, Update };
  if (takesBatch) {
    Operand ids = maker.input(entry, "input_ids", DType::i32, {t});
    Operand targets = maker.input(entry, "targets", DType::i32, {t});
    Operand listed = maker.input(entry, "loss_rows", DType::i32, {t});
    Operand loss = maker.output(entry, "loss");
    Operand rows = maker.buffer(entry, t * n * 4), y = maker.buffer(entry, t * 4);
    Operand residual = maker.buffer(entry, t * 4), terms = maker.buffer(entry, t * 4);
    maker.launch(entry, Embed, t, {ids, maker.place("table"), rows}, 0, t * n * 8);
    maker.launch(entry, Product, 1, {rows, maker.place("w"), y}, 2 * t * n, t * n * 4);
    maker.launch(entry, Residual, t, {y, targets, listed, run, residual, terms}, 4 * t, t * 20);
    maker.launch(entry, Sum, 1, {terms, loss}, t, t * 4);
    entry.boundary = static_cast<uint32_t>(entry.launches.size());
    if (gradients) {
      entry.saved_bytes = t * n * 4 + t * 4;
      maker.launch(entry, name == "gradients" ? FreshGradient : Gradient, 1,
                   {residual, rows, maker.place("w.accumulator")}, 2 * t * n, t * n * 4);
    }
  }
  if (update) {
    Operand norm = maker.output(entry, "grad_norm");
    maker.launch(entry, Norm, 1, {maker.place("w.accumulator"), norm}, n, n * 4);
    maker.launch(
        entry, Update, n,
        {maker.place("w"), maker.place("w.accumulator"), maker.place("w.moment1"), run, norm},
        6 * n, n * 16);
  }
  entry.peak_launch = static_cast<uint32_t>(entry.launches.size() - 1);
  auto group = [&](const char *name, uint32_t count, uint64_t bytes, bool saved) {
    auto live = std::make_unique<package::LiveT>();
    live->name = name;
    live->count = count;
    live->bytes = bytes;
    live->saved = saved;
    entry.live.push_back(std::move(live));
  };
  group("L*_rows", 2, entry.live_bytes - 64, true);
  group("run", 1, 64, false);
}

inline PackageMaker toyPackage(const std::vector<uint8_t> &code, DType tableType = DType::f32,
                               InitKind init = InitKind::kaiming_uniform) {
  constexpr int64_t t = Toy::tokens, n = Toy::width;
  PackageMaker maker(Toy::batch, Toy::length, Toy::segments, Toy::vocab);
  maker.tensor("table", Role::base, tableType, {Toy::vocab, n}, InitKind::file);
  maker.tensor("w", Role::trainable, DType::f32, {1, n}, init).key = "adapter.w";
  maker.tensor("w.moment1", Role::moment1, DType::f32, {1, n}, InitKind::zeros, 1);
  maker.tensor("w.accumulator", Role::accumulator, DType::f32, {1, n}, InitKind::zeros, 1);
  package::TensorT &cosines =
      maker.tensor("cos", Role::table, DType::f32, {16, 2}, InitKind::rope_cos);
  cosines.inv_freq = {1.0f, 0.25f};
  cosines.init_scale = 0.5;
  auto read = [](DType dtype) { return PackageMaker::argument(Access::read, dtype); };
  auto write = PackageMaker::argument(Access::write, DType::f32);
  auto both = PackageMaker::argument(Access::readwrite, DType::f32);
  maker.kernel(tableType == DType::bf16 ? "embed_bf16" : "embed",
               {read(DType::i32), read(tableType), write});
  maker.gemm("product", t, 1, n, false, true, false);
  maker.kernel(
      "residual",
      {read(DType::f32), read(DType::i32), read(DType::i32), read(DType::f32), write, write}, 4);
  maker.kernel("sum", {read(DType::f32), write});
  maker.gemm("gradient", 1, n, t, true, false, true);
  maker.gemm("fresh_gradient", 1, n, t, true, false, false);
  maker.kernel("norm", {read(DType::f32), write});
  maker.kernel("descend", {both, both, both, read(DType::f32), read(DType::f32)}, 3);
  for (const char *name : {"train_step", "accumulate", "update", "evaluate", "gradients"})
    toyEntry(maker, name);
  auto pass = std::make_unique<package::PassT>();
  pass->name = "ft-test";
  pass->remarks = {"a remark"};
  pass->statistics.push_back(std::make_unique<package::StatisticT>());
  pass->statistics.back()->name = "things";
  pass->statistics.back()->value = 7;
  auto decision = std::make_unique<package::DecisionT>();
  decision->question = "which way";
  decision->site = "model.layers.*.mlp";
  decision->count = 32;
  for (bool chosen : {false, true}) {
    auto candidate = std::make_unique<package::CandidateT>();
    candidate->name = chosen ? "this" : "that";
    candidate->why = chosen ? "is smaller" : "does not fit";
    candidate->chosen = chosen;
    candidate->scores.push_back(std::make_unique<package::StatisticT>());
    candidate->scores.back()->name = "bytes";
    candidate->scores.back()->value = chosen ? 1024 : 2048;
    decision->candidates.push_back(std::move(candidate));
  }
  pass->decisions.push_back(std::move(decision));
  maker.content.passes.push_back(std::move(pass));
  auto file = std::make_unique<package::FileT>();
  file->name = "adapter_config.json";
  file->text = "{\"r\": 1}";
  maker.content.files.push_back(std::move(file));
  maker.content.train_config = "{\"learning_rate\": 0.5}";
  maker.content.code = code;
  maker.sumUp();
  return maker;
}

} // namespace ftc::test

#endif // FTC_TEST_UNIT_PACKAGE_TESTPACKAGE_H
