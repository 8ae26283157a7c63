//===- Instance.h - a package with memory, weights and threads -------------===//
// The executor behind the C interface: one instance, one thread at a time.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Everything that a step needs is looked up when the instance is made: each launch holds its
// kernel's address and the addresses of its operands, those of base tensors being set when they are
// bound. A step is a loop over launches.
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_INSTANCE_H
#define FTC_RUNTIME_INSTANCE_H

#include "Batch.h"
#include "CodeImage.h"
#include "Gemm.h"
#include "Memory.h"
#include "Outcome.h"
#include "ThreadPool.h"
#include "ftc/Package/Package.h"
#include "ftc/Support/Safetensors.h"
#include "ftc/runtime.h"

#include <memory>
#include <string>
#include <vector>

namespace ftc {

class Instance {
public:
  /// `threads` 0: as many as the process may use. `package` must outlive the instance.
  static Outcome create(const Package &package, int threads, std::unique_ptr<Instance> &instance);

  Outcome bindDirectory(const std::string &directory);
  Outcome bindTensor(std::string_view name, package::DType dtype, const std::vector<int64_t> &shape,
                     const void *data);
  Outcome initState(uint64_t seed);
  Outcome loadAdapter(const std::string &directory);
  Outcome readState(std::string_view name, void *data, size_t bytes) const;
  Outcome writeState(std::string_view name, const void *data, size_t bytes);

  Outcome batchItems(const ftc_batch &batch, int64_t &items) const;
  Outcome runEntry(std::string_view entry, const ftc_batch *batch, const ftc_run &run,
                   ftc_result *result);

  uint64_t bytes() const { return arena.size() + state.size() + scratch.size(); }

private:
  struct PreparedLaunch {
    ftc_cpu_kernel kernel = nullptr; ///< null for a product
    const GemmPlan *gemm = nullptr;
    size_t firstArgument = 0; ///< of `arguments`
    int64_t grid = 0, grain = 1;
  };
  struct Input {
    InputKind kind = InputKind::InputIds;
    unsigned char *data = nullptr;
    uint64_t bytes = 0;
  };
  struct PreparedEntry {
    std::string_view name;
    std::vector<PreparedLaunch> launches;
    std::vector<Input> inputs;
    const float *loss = nullptr;
    const float *gradNorm = nullptr;
    bool takesBatch = false;
  };
  /// An argument that points into a base tensor.
  struct Fixup {
    uint32_t tensor = 0;
    size_t argument = 0;
    uint64_t offset = 0;
  };
  /// A base tensor's bytes where they are, and those of them that are the instance's own.
  struct Bound {
    const void *data = nullptr;
    Memory owned;
  };

  explicit Instance(const Package &package) : package(package) {}

  Outcome prepare();
  Outcome prepareKernels();
  void prepareEntry(const package::Entry &entry);
  Outcome checkRun(const PreparedEntry &entry, const ftc_run &run) const;
  Outcome checkReady() const;
  void writeInputs(const PreparedEntry &entry, const ftc_run &run);
  Error tensorUnknown(std::string_view name) const;

  /// Whether a tensor of this type and shape can take the place of `index`; the reason if not.
  std::optional<std::string> mismatch(uint32_t index, DType dtype,
                                      const std::vector<int64_t> &shape) const;
  /// Takes data that `mismatch` has passed: a base tensor is bound to it (converted or copied into
  /// memory of its own where type or alignment ask for that), a trainable one filled from it.
  Outcome take(uint32_t index, DType dtype, const void *data);
  /// Points the arguments that use a base tensor to it.
  void setBound(uint32_t index, const void *data);
  void initTensor(uint32_t index, uint64_t seed);
  /// Rounds a trainable tensor, just filled, into its shadow where it has one.
  void updateShadow(uint32_t master);
  unsigned char *stateData(const package::Tensor &tensor) const {
    return state.data() + tensor.offset();
  }

  const Package &package;
  CodeImage code;
  const Blas *blas = nullptr;
  std::unique_ptr<ThreadPool> pool;
  Memory arena, state, scratch;
  uint64_t scratchStride = 0;
  std::vector<std::unique_ptr<GemmPlan>> gemms; ///< by kernel; null where it is none
  std::vector<ftc_cpu_kernel> kernels;          ///< by kernel; null where it is a product
  std::vector<void *> arguments;                ///< of all launches
  std::vector<Fixup> fixups;                    ///< sorted by tensor
  std::vector<PreparedEntry> entries;
  std::unique_ptr<SafetensorsDirectory> weights; ///< mapped as long as tensors are bound to it
  std::vector<Bound> bound;                      ///< by tensor
  std::vector<bool> ready;                       ///< by tensor: bound or filled
  mutable std::unique_ptr<StepInputs> inputs;
};

/// The same type under the name of safetensors.
DType supportDType(package::DType dtype);
/// Whether every value of `from` is one of `to`.
bool isLossless(DType from, package::DType to);

} // namespace ftc

#endif // FTC_RUNTIME_INSTANCE_H
