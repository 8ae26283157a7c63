//===- CpuInstance.h - a package on the CPU --------------------------------===//
// Memory of the process, kernels of an ELF image, products of OpenBLAS, a pool of threads.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Each launch holds its kernel's address and the addresses of its operands, those of base tensors
// being set when they are bound.
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_CPUINSTANCE_H
#define FTC_RUNTIME_CPUINSTANCE_H

#include "CodeImage.h"
#include "Gemm.h"
#include "Instance.h"
#include "Memory.h"
#include "ThreadPool.h"

namespace ftc {

class CpuInstance final : public Instance {
public:
  static Outcome create(const Package &package, unsigned threads,
                        std::unique_ptr<Instance> &instance);

  uint64_t bytes() const override { return arena.size() + state.size() + scratch.size(); }
  std::string choices() const override;
  Outcome measurePeak(double seconds, double &flopsPerSecond) override;

protected:
  Outcome bindBase(uint32_t tensor, DType dtype, const void *data) override;
  Outcome fillBase(uint32_t tensor, const Fill &fill) override;
  bool bindsInPlace() const override { return true; }
  Outcome fillState(uint32_t tensor, const Fill &fill) override;
  Outcome readBytes(uint32_t tensor, uint64_t offset, void *data, uint64_t bytes) const override;
  Outcome runLaunches(uint32_t entry, const RunValues &values, ftc_result &result) override;

private:
  struct PreparedLaunch {
    ftc_cpu_kernel kernel = nullptr; ///< null for a product
    const GemmPlan *gemm = nullptr;
    size_t firstArgument = 0; ///< of `arguments`
    int64_t grid = 0, grain = 1;
    int64_t firstRow = -1, rows = 0; ///< of the listed tokens; -1 where it is not for such
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

  explicit CpuInstance(const Package &package) : Instance(package) {}

  Outcome prepare();
  Outcome prepareKernels();
  std::vector<PreparedLaunch> prepareEntry(const package::Entry &entry);
  /// Points the arguments that use a base tensor to it.
  void setBound(uint32_t index, const void *data);
  unsigned char *stateData(uint32_t tensor) const {
    return state.data() + package->tensors()->Get(tensor)->offset();
  }

  CodeImage code;
  const Blas *blas = nullptr;
  std::unique_ptr<ThreadPool> pool;
  Memory arena, state, scratch;
  uint64_t scratchStride = 0;
  std::vector<std::unique_ptr<GemmPlan>> gemms;      ///< by kernel; null where it is none
  std::vector<ftc_cpu_kernel> kernels;               ///< by kernel; null where it is a product
  std::vector<void *> arguments;                     ///< of all launches
  std::vector<Fixup> fixups;                         ///< sorted by tensor
  std::vector<std::vector<PreparedLaunch>> launches; ///< by entry point
  std::vector<Bound> bound;                          ///< by tensor
};

} // namespace ftc

#endif // FTC_RUNTIME_CPUINSTANCE_H
