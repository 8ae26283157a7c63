//===- Instance.h - a package that can be bound and run --------------------===//
// What every target's executor shares: checks, weights, first values, inputs of a step.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// A target derives from it (CpuInstance, CudaInstance) and says where tensors lie and how an entry
// point runs. Everything that a step needs is looked up when the instance is made: a step is a loop
// over launches and allocates nothing.
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_INSTANCE_H
#define FTC_RUNTIME_INSTANCE_H

#include "Batch.h"
#include "Memory.h"
#include "Outcome.h"
#include "ftc/Package/Package.h"
#include "ftc/Package/StepFlops.h"
#include "ftc/Support/Safetensors.h"
#include "ftc/runtime.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ftc {

/// The `run` input of an entry point, by RunField.
using RunValues = std::array<float, runFields>;

/// One instance is used by one thread at a time.
class Instance {
public:
  /// Of the package's target. `threads` (CPU) 0: as many as the process may use. `package` must
  /// outlive the instance.
  static Outcome create(const Package &package, int threads, std::unique_ptr<Instance> &instance);
  virtual ~Instance() = default;

  /// Whether the machine has what an instance will take; see ftc_memory_check.
  static Outcome checkMemory(const Package &package, int threads);

  Outcome bindDirectory(const std::string &directory);
  Outcome bindTensor(std::string_view name, package::DType dtype, const std::vector<int64_t> &shape,
                     const void *data);
  Outcome initState(uint64_t seed);
  Outcome loadAdapter(const std::string &directory);
  Outcome readState(std::string_view name, void *data, size_t bytes) const;
  Outcome readRange(std::string_view name, uint64_t offset, void *data, uint64_t bytes) const;
  Outcome writeState(std::string_view name, const void *data, size_t bytes);

  Outcome batchItems(const ftc_batch &batch, int64_t &items) const;
  /// See ftc_batch_flops.
  Outcome batchFlops(const ftc_batch &batch, double &flops) const;
  /// See ftc_measure_peak.
  virtual Outcome measurePeak(double seconds, double &flopsPerSecond) = 0;
  Outcome runEntry(std::string_view entry, const ftc_batch *batch, const ftc_run &run,
                   ftc_result *result);

  /// All that was allocated for arena, state and scratch, and weights where they are copied.
  virtual uint64_t bytes() const = 0;
  /// See ftc_instance_choices.
  virtual std::string choices() const = 0;

protected:
  struct Input {
    InputKind kind = InputKind::InputIds;
    uint64_t offset = 0, bytes = 0; ///< in the arena
  };
  /// What the boundary of an entry point looks like.
  struct EntryPorts {
    std::string_view name;
    std::vector<Input> inputs;
    std::optional<uint64_t> loss, gradNorm; ///< offsets in the arena
    bool takesBatch = false;
  };
  /// Writes a tensor's bytes. What it finds there is undefined.
  using Fill = std::function<void(unsigned char *data)>;

  explicit Instance(const Package &package);

  /// Binds a base tensor to data of its shape and of a type that converts without loss.
  virtual Outcome bindBase(uint32_t tensor, DType dtype, const void *data) = 0;
  /// Fills a base tensor that is bound to no data as it is.
  virtual Outcome fillBase(uint32_t tensor, const Fill &fill) = 0;
  /// Fills memory of the tensor's size on the host.
  static Outcome fillMemory(const package::Tensor &tensor, const Fill &fill, Memory &memory);
  /// Whether bound base tensors are used where they are, so that files must stay mapped.
  virtual bool bindsInPlace() const = 0;
  /// Fills a tensor of the state region.
  virtual Outcome fillState(uint32_t tensor, const Fill &fill) = 0;
  /// Copies bytes of a tensor that has values to host memory.
  virtual Outcome readBytes(uint32_t tensor, uint64_t offset, void *data, uint64_t bytes) const = 0;
  Outcome readTensor(uint32_t tensor, void *data) const {
    return readBytes(tensor, 0, data, package->tensors()->Get(tensor)->bytes());
  }
  /// Copies `inputs` and `values` into the arena, runs the launches of an entry point, reads its
  /// outputs. `entry`: index of the package's entries.
  virtual Outcome runLaunches(uint32_t entry, const RunValues &values, ftc_result &result) = 0;

  /// Of `count` listed tokens from `first` on, how many a launch has to do with the current batch:
  /// up to the last one that predicts, and at least the first of the list.
  int64_t rowsToDo(int64_t first, int64_t count) const {
    return std::clamp<int64_t>(inputs.items() - first, first == 0 ? 1 : 0, count);
  }
  /// Whether the products of the package multiply bf16 by bf16.
  bool multipliesBf16() const;
  /// The bytes of an input of the current batch.
  const void *inputData(InputKind kind, const RunValues &values) const;
  /// Converts `count` elements without loss.
  static void convert(package::DType to, uint64_t count, DType from, const void *source,
                      unsigned char *destination);

  const Package &package;
  std::vector<EntryPorts> entries;
  bool clips = true; ///< whether entry points that update know the norm of all gradients before
  mutable StepInputs inputs;
  const StepFlops stepFlops;

private:
  /// Whether a tensor of this type and shape can take the place of `index`; the reason if not.
  std::optional<std::string> mismatch(uint32_t index, DType dtype,
                                      const std::vector<int64_t> &shape,
                                      const std::vector<int64_t> &wantedShape) const;
  /// Why an adapter's file does not go with the frozen tensor that it holds too, if it does not.
  std::optional<std::string> frozenDiffers(uint32_t index, const SafetensorsFile &file) const;
  /// Takes data that `mismatch` has passed: a base tensor is bound to it, a trainable one filled.
  Outcome take(uint32_t index, DType dtype, const void *data);
  /// Fills a tensor with those of the files that it is made of.
  Outcome takeSources(uint32_t index, const SafetensorsDirectory &files);
  Outcome initTensor(uint32_t index, uint64_t seed);
  Outcome initRowNorm(uint32_t index);
  /// Fills a tensor of the state region, and with a trainable one its shadow.
  Outcome fillTensor(uint32_t index, const Fill &write);
  Outcome checkRun(const EntryPorts &entry, const ftc_run &run) const;
  Outcome checkReady() const;
  Error tensorUnknown(std::string_view name) const;

  std::unique_ptr<SafetensorsDirectory> weights; ///< mapped as long as tensors are bound to it
  std::vector<bool> ready;                       ///< by tensor: bound or filled
};

/// The same type under the name of safetensors.
DType supportDType(package::DType dtype);
/// Whether every value of `from` is one of `to`.
bool isLossless(DType from, package::DType to);
/// Whether it stands in adapter_model.safetensors: a trainable tensor, or a frozen one of an
/// adapter (a table that is none of the model's).
bool isAdapterTensor(const package::Tensor &tensor);

} // namespace ftc

#endif // FTC_RUNTIME_INSTANCE_H
