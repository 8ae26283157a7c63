//===- VerifyEntries.cpp - checks on entry points and launches -------------===//
// Ports lie in the arena, operands in their region, and a kernel gets what it was made for.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Verifier.h"

#include <algorithm>
#include <tuple>

namespace ftc {

using package::Access;
using package::DType;
using package::Region;

namespace {

bool isScalar(const package::Port &port) {
  return port.dtype() == DType::f32 && port.bytes() == elementBytes(DType::f32);
}

const package::Port *findPort(const flatbuffers::Vector<flatbuffers::Offset<package::Port>> &ports,
                              std::string_view name) {
  for (const package::Port *port : ports)
    if (port->name()->string_view() == name)
      return port;
  return nullptr;
}

} // namespace

Status PackageVerifier::entries() {
  std::vector<std::string_view> seen;
  for (uint32_t i = 0; i < root.entries()->size(); ++i) {
    if (Status status = entry(i); !status)
      return status;
    std::string_view name = root.entries()->Get(i)->name()->string_view();
    if (std::find(seen.begin(), seen.end(), name) != seen.end())
      return fail("entries", "two are named " + quoted(name));
    seen.push_back(name);
  }
  return Status::ok();
}

Status PackageVerifier::entry(uint32_t index) {
  const package::Entry &entry = *root.entries()->Get(index);
  std::string where = "entry point " + std::to_string(index);
  if (Status status = unique(entry.name(), where); !status)
    return status;
  where += ' ' + quoted(entry.name()->string_view());
  uint32_t launches = entry.launches()->size();
  if (launches == 0)
    return fail(where, "has no launches");
  if (entry.boundary() > launches)
    return fail(where, "boundary is " + std::to_string(entry.boundary()) + ", but there are " +
                           std::to_string(launches) + " launches");
  if (entry.peak_launch() >= launches)
    return fail(where, "peak_launch is " + std::to_string(entry.peak_launch()) +
                           ", but there are " + std::to_string(launches) + " launches");
  if (entry.live_bytes() > entry.arena_bytes() || entry.saved_bytes() > entry.arena_bytes())
    return fail(where, "live_bytes or saved_bytes is over arena_bytes = " +
                           std::to_string(entry.arena_bytes()));
  if (Status status = live(entry, where); !status)
    return status;
  if (Status status = ports(entry, where); !status)
    return status;
  for (uint32_t i = 0; i < launches; ++i)
    if (Status status = launch(entry, i, where); !status)
      return status;
  return Status::ok();
}

Status PackageVerifier::live(const package::Entry &entry, const std::string &where) {
  if (!entry.live())
    return Status::ok();
  std::optional<uint64_t> sum = 0;
  for (const package::Live *group : *entry.live()) {
    if (group->name()->size() == 0 || group->count() == 0)
      return fail(where, "live: a group has no name or no buffers");
    sum = sum ? checkedAdd(*sum, group->bytes()) : sum;
  }
  if (sum != entry.live_bytes())
    return fail(where, "live_bytes is " + std::to_string(entry.live_bytes()) +
                           ", but what is live adds up to " +
                           (sum ? std::to_string(*sum) : "more than 64 bits hold"));
  return Status::ok();
}

Status PackageVerifier::ports(const package::Entry &entry, const std::string &where) {
  names.clear();
  for (uint32_t i = 0; i < entry.inputs()->size(); ++i) {
    const package::Port &input = *entry.inputs()->Get(i);
    std::string at = where + ", input " + std::to_string(i);
    if (Status status = port(input, entry, at); !status)
      return status;
    at += ' ' + quoted(input.name()->string_view());
    std::optional<InputKind> kind = inputKind(input.name()->string_view());
    if (!kind)
      return fail(at, "is no input that this runtime knows how to fill");
    bool run = *kind == InputKind::Run;
    int64_t length = run ? int64_t{runFields} : root.tokens();
    DType dtype = run ? DType::f32 : DType::i32;
    if (input.dtype() != dtype || input.shape()->size() != 1 || (*input.shape())[0] != length)
      return fail(at, "is " + typeString(input.dtype(), *input.shape()) + ", not " +
                          package::EnumNameDType(dtype) + '[' + std::to_string(length) + ']');
  }
  for (uint32_t i = 0; i < entry.outputs()->size(); ++i)
    if (Status status =
            port(*entry.outputs()->Get(i), entry, where + ", output " + std::to_string(i));
        !status)
      return status;
  std::sort(names.begin(), names.end());
  auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end())
    return fail(where, "two inputs or outputs are named " + quoted(*twice));

  for (const char *name : {"loss", "grad_norm"})
    if (const package::Port *output = findPort(*entry.outputs(), name))
      if (!isScalar(*output))
        return fail(where, std::string("output '") + name + "' is " +
                               typeString(output->dtype(), *output->shape()) + ", not one f32");
  std::string_view name = entry.name()->string_view();
  bool batch =
      name == "train_step" || name == "accumulate" || name == "evaluate" || name == "gradients";
  bool updates = name == "train_step" || name == "update";
  for (const char *input : {"input_ids", "targets"})
    if (batch != (findPort(*entry.inputs(), input) != nullptr) && (batch || updates))
      return fail(where, std::string("it ") + (batch ? "lacks" : "takes no batch, but has") +
                             " the input '" + input + "'");
  if (batch && !findPort(*entry.outputs(), "loss"))
    return fail(where, "it lacks the output 'loss'");
  if (updates && (!findPort(*entry.inputs(), "run") || !findPort(*entry.outputs(), "grad_norm")))
    return fail(where, "it lacks the input 'run' or the output 'grad_norm'");
  return Status::ok();
}

Status PackageVerifier::port(const package::Port &port, const package::Entry &entry,
                             const std::string &where) {
  if (Status status = unique(port.name(), where); !status)
    return status;
  std::string at = where + ' ' + quoted(port.name()->string_view());
  if (!isKnown(port.dtype()))
    return fail(at, "has an unknown dtype");
  std::optional<uint64_t> bytes = tensorBytes(port.dtype(), *port.shape());
  if (!bytes || *bytes != port.bytes())
    return fail(at, "bytes is " + std::to_string(port.bytes()) + ", which is not what " +
                        typeString(port.dtype(), *port.shape()) + " takes");
  if (port.offset() % packageAlignment != 0)
    return fail(at, "offset " + std::to_string(port.offset()) + " is not a multiple of 64");
  if (!within(port.offset(), port.bytes(), entry.arena_bytes()))
    return fail(at, "lies at " + std::to_string(port.offset()) + " with " +
                        std::to_string(port.bytes()) + " bytes, outside the arena of " +
                        std::to_string(entry.arena_bytes()));
  return Status::ok();
}

Status PackageVerifier::launch(const package::Entry &entry, uint32_t index,
                               const std::string &where) {
  const package::Launch &launch = *entry.launches()->Get(index);
  std::string at = where + ", launch " + std::to_string(index);
  if (launch.kernel() >= root.kernels()->size())
    return fail(at, "kernel is " + std::to_string(launch.kernel()) + ", but there are " +
                        std::to_string(root.kernels()->size()));
  const package::Kernel &kernel = *root.kernels()->Get(launch.kernel());
  at += " of " + quoted(kernel.name()->string_view());
  if (launch.site() >= root.strings()->size())
    return fail(at, "site is " + std::to_string(launch.site()) + ", but there are " +
                        std::to_string(root.strings()->size()) + " strings");
  if (launch.grid() < 1)
    return fail(at, "grid is " + std::to_string(launch.grid()) + ", below 1");
  if (Status status = batch(kernel, launch, at); !status)
    return status;
  if (Status status = rows(entry, kernel, launch, at); !status)
    return status;
  for (uint32_t i = 0; i < launch.operands()->size(); ++i)
    if (Status status = operand(entry, kernel, *launch.operands()->Get(i), i, at); !status)
      return status;
  return operandsApart(kernel, launch, at);
}

Status PackageVerifier::rows(const package::Entry &entry, const package::Kernel &kernel,
                             const package::Launch &launch, const std::string &where) {
  int64_t first = launch.rows(), count = listedRows(kernel, launch);
  if (first == -1)
    return Status::ok();
  if (launch.batch() > 1)
    return fail(where, "it leaves rows out, but is batched");
  if (!findPort(*entry.inputs(), "targets"))
    return fail(where, "it leaves rows out, but the entry point lacks the input 'targets'");
  if (first < 0 || count > root.tokens() || first > root.tokens() - count)
    return fail(where, "is for " + std::to_string(count) + " rows from " + std::to_string(first) +
                           " on, but there are " + std::to_string(root.tokens()) + " tokens");
  return Status::ok();
}

Status PackageVerifier::operand(const package::Entry &entry, const package::Kernel &kernel,
                                const package::Operand &operand, uint32_t index,
                                const std::string &where) {
  const package::KernelArg &arg = *kernel.args()->Get(index % kernel.args()->size());
  std::string at = where + ", operand " + std::to_string(index);
  uint64_t size = 0;
  switch (operand.region()) {
  case Region::arena:
    size = entry.arena_bytes();
    break;
  case Region::state:
    size = root.memory()->state();
    break;
  case Region::bound: {
    if (operand.index() >= root.tensors()->size())
      return fail(at, "tensor is " + std::to_string(operand.index()) + ", but there are " +
                          std::to_string(root.tensors()->size()));
    const package::Tensor &tensor = *root.tensors()->Get(operand.index());
    if (tensor.role() != package::Role::base)
      return fail(at, "is bound to " + quoted(tensor.name()->string_view()) +
                          ", which is not a base tensor");
    if (arg.access() != Access::read)
      return fail(at, "the kernel writes it, but it is the base tensor " +
                          quoted(tensor.name()->string_view()));
    size = tensor.bytes();
    break;
  }
  default:
    return fail(at, "has an unknown region");
  }
  if (operand.region() != Region::bound && operand.index() != 0)
    return fail(at, "index is " + std::to_string(operand.index()) +
                        ", but only bound operands "
                        "have one");
  unsigned element = elementBytes(arg.dtype());
  if (operand.bytes() == 0 || operand.bytes() % element != 0 || operand.offset() % element != 0)
    return fail(at, "has " + std::to_string(operand.bytes()) + " bytes at " +
                        std::to_string(operand.offset()) + ", not whole elements of " +
                        std::to_string(element) + " bytes");
  if (!within(operand.offset(), operand.bytes(), size))
    return fail(at, "lies at " + std::to_string(operand.offset()) + " with " +
                        std::to_string(operand.bytes()) + " bytes, outside the " +
                        package::EnumNameRegion(operand.region()) + " memory of " +
                        std::to_string(size));
  if (const package::Gemm *gemm = kernel.gemm()) {
    uint64_t needed =
        index == 0 ? matrixBytes(gemm->transpose_a() ? gemm->k() : gemm->m(),
                                 gemm->transpose_a() ? gemm->m() : gemm->k(), gemm->lda(), element)
        : index == 1
            ? matrixBytes(gemm->transpose_b() ? gemm->n() : gemm->k(),
                          gemm->transpose_b() ? gemm->k() : gemm->n(), gemm->ldb(), element)
            : matrixBytes(gemm->m(), gemm->n(), gemm->ldc(), element);
    if (operand.bytes() < needed)
      return fail(at, "has " + std::to_string(operand.bytes()) +
                          " bytes, but the product touches " + std::to_string(needed));
  }
  return Status::ok();
}

Status PackageVerifier::operandsApart(const package::Kernel &kernel, const package::Launch &launch,
                                      const std::string &where) {
  struct Use {
    Region region;
    uint64_t begin, end;
    uint32_t index;
    bool written;
  };
  std::vector<Use> uses;
  uint32_t arguments = kernel.args()->size();
  for (uint32_t i = 0; i < launch.operands()->size(); ++i) {
    const package::Operand &operand = *launch.operands()->Get(i);
    // Base tensors are only read. Ends cannot overflow: operands lie within their region.
    if (operand.region() != Region::bound)
      uses.push_back({operand.region(), operand.offset(), operand.offset() + operand.bytes(), i,
                      kernel.args()->Get(i % arguments)->access() != Access::read});
  }
  std::sort(uses.begin(), uses.end(), [](const Use &a, const Use &b) {
    return std::tie(a.region, a.begin, a.index) < std::tie(b.region, b.begin, b.index);
  });
  // Of those before, the one that reaches furthest, and the written one that does.
  const Use *furthest = nullptr, *furthestWritten = nullptr;
  for (const Use &use : uses) {
    const Use *other = use.written ? furthest : furthestWritten;
    if (other && other->region == use.region && use.begin < other->end)
      return fail(where, "operands " + std::to_string(std::min(use.index, other->index)) + " and " +
                             std::to_string(std::max(use.index, other->index)) +
                             " overlap, and one of them is written");
    auto reaches = [&](const Use *before) {
      return !before || before->region != use.region || before->end < use.end;
    };
    if (reaches(furthest))
      furthest = &use;
    if (use.written && reaches(furthestWritten))
      furthestWritten = &use;
  }
  return Status::ok();
}

} // namespace ftc
