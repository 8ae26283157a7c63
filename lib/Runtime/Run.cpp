//===- Run.cpp - running entry points --------------------------------------===//
// Checks of what the caller gives; then it is the target's turn. Nothing is allocated.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Instance.h"

#include <cmath>
#include <limits>

namespace ftc {

namespace {

RunValues runValues(const ftc_run &run) {
  RunValues values;
  auto set = [&](RunField field, double value) {
    values[static_cast<size_t>(field)] = static_cast<float>(value);
  };
  auto step = static_cast<double>(run.step);
  set(RunField::LearningRate, run.learning_rate);
  set(RunField::OneMinusBeta1, 1.0 - run.beta1);
  set(RunField::OneMinusBeta2, 1.0 - run.beta2);
  set(RunField::Epsilon, run.epsilon);
  set(RunField::WeightDecay, run.weight_decay);
  // In double: 1 - beta^t loses most of its digits in f32 while t is small.
  set(RunField::BiasCorrection1, 1.0 - std::pow(run.beta1, step));
  set(RunField::BiasCorrection2Sqrt, std::sqrt(1.0 - std::pow(run.beta2, step)));
  set(RunField::MaxGradNorm,
      run.max_grad_norm > 0 ? run.max_grad_norm : std::numeric_limits<double>::infinity());
  set(RunField::InvItems, run.inv_items);
  for (unsigned i = 0; i < 4; ++i)
    values[static_cast<size_t>(RunField::Seed0) + i] =
        static_cast<float>(run.seed >> (16 * i) & 0xffff);
  set(RunField::DrawStep, static_cast<double>(run.step & 0xffffff));
  set(RunField::MicroBatch, static_cast<double>(run.micro_batch));
  return values;
}

} // namespace

Outcome Instance::checkReady() const {
  const auto &tensors = *package->tensors();
  size_t missing = 0;
  std::string first;
  for (uint32_t i = 0; i < tensors.size(); ++i)
    if (!ready[i] && missing++ == 0)
      first = std::string(package::EnumNameRole(tensors[i]->role())) + " tensor " +
              quoted(tensors[i]->name()->string_view());
  if (missing == 0)
    return Outcome::ok();
  std::string others = missing > 1 ? ", nor have " + std::to_string(missing - 1) + " more" : "";
  return Outcome(FTC_NOT_BOUND,
                 makeError("instance", "the " + first + " has no values yet" + others +
                                           "; bind the weights and initialize the state before a "
                                           "run"));
}

Outcome Instance::checkRun(const EntryPorts &entry, const ftc_run &run) const {
  auto wrong = [](const char *field, const std::string &what) {
    return invalidArgument("run", std::string(field) + ' ' + what);
  };
  if (run.struct_size < sizeof(ftc_run))
    return wrong("struct_size", "is " + std::to_string(run.struct_size) + ", not sizeof(ftc_run)");
  if (entry.takesBatch && !(std::isfinite(run.inv_items) && run.inv_items >= 0))
    return wrong("inv_items", "is negative or not finite");
  if (run.micro_batch < 0 || run.micro_batch >= int64_t{1} << 24)
    return wrong("micro_batch", "is " + std::to_string(run.micro_batch) +
                                    "; the accumulated batches count from 0 to 2^24 - 1");
  if (!entry.gradNorm)
    return Outcome::ok();
  if (run.step < 1)
    return wrong("step", "is " + std::to_string(run.step) + "; optimizer steps count from 1");
  if (!(run.beta1 >= 0 && run.beta1 < 1) || !(run.beta2 >= 0 && run.beta2 < 1))
    return wrong("beta1, beta2", "are not within 0 and 1, 1 excluded");
  if (!(std::isfinite(run.epsilon) && run.epsilon >= 0))
    return wrong("epsilon", "is negative or not finite");
  if (!std::isfinite(run.learning_rate) || !std::isfinite(run.weight_decay))
    return wrong("learning_rate, weight_decay", "are not both finite");
  if (std::isnan(run.max_grad_norm))
    return wrong("max_grad_norm", "is not a number");
  if (!clips && run.max_grad_norm > 0)
    return wrong("max_grad_norm", "is above 0, but the package updates each parameter as soon as "
                                  "its gradient is known and cannot clip; compile without "
                                  "max_grad_norm: 0");
  return Outcome::ok();
}

Outcome Instance::batchItems(const ftc_batch &batch, int64_t &items) const {
  if (Status status = inputs.fill(batch); !status)
    return Outcome(FTC_INVALID_ARGUMENT, status.takeError());
  items = inputs.items();
  return Outcome::ok();
}

Outcome Instance::batchFlops(const ftc_batch &batch, double &flops) const {
  if (Status status = inputs.fill(batch); !status)
    return Outcome(FTC_INVALID_ARGUMENT, status.takeError());
  flops = 0;
  int64_t row = 0;
  while (row < package->tokens() && inputs.segmentEnd()[row] > row) {
    const int64_t end = inputs.segmentEnd()[row];
    flops += stepFlops.ofSegment(end - row);
    row = end;
  }
  flops += stepFlops.ofRows(row, inputs.items());
  return Outcome::ok();
}

bool Instance::multipliesBf16() const {
  for (const package::Kernel *kernel : *package->kernels())
    if (kernel->gemm() && kernel->args()->Get(0)->dtype() == package::DType::bf16 &&
        kernel->args()->Get(1)->dtype() == package::DType::bf16)
      return true;
  return false;
}

Outcome Instance::runEntry(std::string_view name, const ftc_batch *batch, const ftc_run &run,
                           ftc_result *result) {
  const EntryPorts *entry = nullptr;
  for (const EntryPorts &candidate : entries)
    if (candidate.name == name)
      entry = &candidate;
  if (!entry) {
    std::vector<std::string_view> names;
    std::string all;
    for (const EntryPorts &candidate : entries) {
      names.push_back(candidate.name);
      all += (all.empty() ? "" : ", ") + std::string(candidate.name);
    }
    return invalidArgument("entry", quoted(name) + " is no entry point of the package, which has " +
                                        all + didYouMean(name, names));
  }
  if (Outcome outcome = checkRun(*entry, run); !outcome)
    return outcome;
  if (Outcome outcome = checkReady(); !outcome)
    return outcome;
  if (entry->takesBatch && !batch)
    return invalidArgument("batch", "is null, but " + quoted(name) + " takes one");
  if (!entry->takesBatch && batch)
    return invalidArgument("batch", "is given, but " + quoted(name) + " takes none");
  if (batch)
    if (Status status = inputs.fill(*batch); !status)
      return Outcome(FTC_INVALID_ARGUMENT, status.takeError());
  ftc_result results = {};
  Outcome outcome =
      runLaunches(static_cast<uint32_t>(entry - entries.data()), runValues(run), results);
  if (outcome && result)
    *result = results;
  return outcome;
}

} // namespace ftc
