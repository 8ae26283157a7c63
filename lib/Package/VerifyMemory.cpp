//===- VerifyMemory.cpp - checks on the memory report of a package ---------===//
// The sum rule: what `inspect` prints is what the tensors and entry points add up to.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Verifier.h"

#include <algorithm>

namespace ftc {

using package::Role;

Status PackageVerifier::memory() {
  const package::Memory &memory = *root.memory();
  uint64_t parameters = 0, trainable = 0, gradients = 0, optimizer = 0, tables = 0;
  for (const package::Tensor *tensor : *root.tensors()) {
    uint64_t *category = nullptr;
    switch (tensor->role()) {
    case Role::base:
      category = &parameters;
      break;
    case Role::trainable:
    case Role::shadow:
      category = &trainable;
      break;
    case Role::accumulator:
      category = &gradients;
      break;
    case Role::moment1:
    case Role::moment2:
      category = &optimizer;
      break;
    case Role::table:
      category = &tables;
      break;
    }
    uint64_t bytes = tensor->role() == Role::base ? tensor->bytes() : alignedBytes(tensor->bytes());
    std::optional<uint64_t> sum = checkedAdd(*category, bytes);
    if (!sum)
      return fail("memory", "the sizes of the tensors overflow");
    *category = *sum;
  }
  std::optional<uint64_t> state = trainable;
  for (uint64_t part : {gradients, optimizer, tables})
    state = state ? checkedAdd(*state, part) : state;
  std::optional<uint64_t> peak = state ? checkedAdd(*state, parameters) : state;
  peak = peak ? checkedAdd(*peak, memory.arena()) : peak;
  if (!state || !peak)
    return fail("memory", "the sizes of the tensors overflow");
  struct Number {
    const char *name;
    uint64_t value, expected;
    const char *what;
  };
  for (Number number :
       {Number{"parameters", memory.parameters(), parameters, "the base tensors take"},
        Number{"trainable", memory.trainable(), trainable,
               "the trainable tensors and their shadows take"},
        Number{"gradients", memory.gradients(), gradients, "the accumulators take"},
        Number{"optimizer", memory.optimizer(), optimizer, "the moments take"},
        Number{"tables", memory.tables(), tables, "the tables take"},
        Number{"state", memory.state(), *state, "its parts add up to"},
        Number{"peak", memory.peak(), *peak, "parameters + state + arena is"}})
    if (number.value != number.expected)
      return fail(std::string("memory.") + number.name, "is " + std::to_string(number.value) +
                                                            " bytes, but " + number.what + ' ' +
                                                            std::to_string(number.expected));
  if (Status status = tensorsApart(); !status)
    return status;

  if (root.entries()->size() == 0)
    return fail("entries", "there is none");
  if (memory.peak_entry() >= root.entries()->size())
    return fail("memory.peak_entry", "is " + std::to_string(memory.peak_entry()) +
                                         ", but there are " +
                                         std::to_string(root.entries()->size()) + " entry points");
  uint64_t arena = 0, saved = 0;
  for (const package::Entry *entry : *root.entries()) {
    arena = std::max(arena, entry->arena_bytes());
    saved = std::max(saved, entry->saved_bytes());
  }
  if (arena != memory.arena())
    return fail("memory.arena", "is " + std::to_string(memory.arena()) +
                                    " bytes, but the entry points need " + std::to_string(arena));
  if (saved != memory.saved_activations())
    return fail("memory.saved_activations", "is " + std::to_string(memory.saved_activations()) +
                                                " bytes, but the entry points save " +
                                                std::to_string(saved));
  if (isCuda(root))
    return memory.workspace() == root.product_workspace()
               ? Status::ok()
               : fail("memory.workspace", "is " + std::to_string(memory.workspace()) +
                                              " bytes, but product_workspace is " +
                                              std::to_string(root.product_workspace()));
  uint64_t scratch = cpuScratchBytes(root);
  if (memory.workspace() != scratch)
    return fail("memory.workspace", "is " + std::to_string(memory.workspace()) +
                                        " bytes, but one thread needs " + std::to_string(scratch));
  return Status::ok();
}

Status PackageVerifier::tensorsApart() {
  std::vector<const package::Tensor *> order;
  for (const package::Tensor *tensor : *root.tensors())
    if (tensor->role() != Role::base)
      order.push_back(tensor);
  std::sort(order.begin(), order.end(), [](const package::Tensor *a, const package::Tensor *b) {
    return a->offset() < b->offset();
  });
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->offset() + order[i - 1]->bytes() > order[i]->offset())
      return fail("tensors", quoted(order[i - 1]->name()->string_view()) + " and " +
                                 quoted(order[i]->name()->string_view()) +
                                 " overlap in the state region");
  return Status::ok();
}

} // namespace ftc
