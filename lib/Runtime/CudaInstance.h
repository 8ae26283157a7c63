//===- CudaInstance.h - a package on a GPU ---------------------------------===//
// Device memory, kernels by the driver, products by cuBLASLt, one stream.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Everything has its address when the instance is made, base tensors too: they are copied to the
// device when they are bound. A step copies its inputs from pinned memory, enqueues its launches
// and the copies of its results, and waits once, at the end.
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_CUDAINSTANCE_H
#define FTC_RUNTIME_CUDAINSTANCE_H

#include "CudaModule.h"
#include "Instance.h"
#include "ftc/Kernels/CUDA/Host.h"

namespace ftc {

class CudaInstance final : public Instance {
public:
  static Outcome create(const Package &package, std::unique_ptr<Instance> &instance);
  ~CudaInstance() override;

  /// Of the device, and pinned memory of the host.
  uint64_t bytes() const override;
  std::string choices() const override;
  Outcome measurePeak(double seconds, double &flopsPerSecond) override;

protected:
  Outcome bindBase(uint32_t tensor, DType dtype, const void *data) override;
  Outcome fillBase(uint32_t tensor, const Fill &fill) override;
  bool bindsInPlace() const override { return false; }
  Outcome fillState(uint32_t tensor, const Fill &fill) override;
  Outcome readBytes(uint32_t tensor, uint64_t offset, void *data, uint64_t bytes) const override;
  Outcome runLaunches(uint32_t entry, const RunValues &values, ftc_result &result) override;

private:
  struct PreparedLaunch {
    cuda::driver::Kernel kernel = nullptr; ///< null for a product
    int product = -1, table = -1;          ///< of a batched launch
    size_t firstArgument = 0;              ///< of `values` and `arguments`
    unsigned blocks = 0, threads = 0, sharedBytes = 0;
    int64_t firstRow = -1, rows = 0; ///< of the listed tokens; -1 where it is not for such
    size_t gridValue = 0;            ///< of `values`
    int64_t items = 1;               ///< of the grid that a block does
  };
  struct Kernel {
    cuda::driver::Kernel single = nullptr, batched = nullptr;
    int product = -1;
  };
  /// What has to go while the device's context is current.
  struct Resources {
    cuda::OwnedStream stream;
    cuda::DeviceMemory arena, state, weights;
    cuda::Staging boundary; ///< inputs of a step, then its results
    cuda::Staging transfer; ///< for weights and state
    CudaModule module;
    cuda::Products products;
    cuda::BatchTables batches;
  };

  explicit CudaInstance(const Package &package)
      : Instance(package), resources(std::make_unique<Resources>()) {}

  Outcome prepare();
  Outcome checkMemory() const;
  Outcome allocate();
  Outcome prepareKernels();
  Outcome prepareProducts();
  PreparedLaunch prepareLaunch(const package::Launch &launch);
  Outcome finishLaunches();
  Outcome enqueueInputs(const EntryPorts &ports, const RunValues &values);
  Outcome enqueueLaunches(uint32_t entry);
  int enqueue(const PreparedLaunch &launch);
  int enqueueListed(const PreparedLaunch &launch);
  /// `launch 3 of 'train_step' ('norm' at 'model.norm')`
  std::string placeOf(uint32_t entry, size_t launch) const;

  unsigned char *address(const package::Operand &operand) const;
  unsigned char *tensorData(uint32_t tensor) const;
  /// Fills host memory, and a tensor of the device from it.
  Outcome upload(uint32_t tensor, const Fill &fill);
  Outcome failed(int error, const std::string &what) const {
    return cudaOutcome(package, cuda::failure(error, what));
  }

  cuda::Device device;
  std::unique_ptr<Resources> resources;
  std::vector<uint64_t> weightOffsets; ///< by tensor; of base tensors
  uint64_t weightBytes = 0;
  std::vector<Kernel> kernels;                       ///< by kernel
  std::vector<uint64_t> values;                      ///< of all arguments of all launches
  std::vector<void *> arguments;                     ///< the addresses of `values`
  std::vector<std::vector<PreparedLaunch>> launches; ///< by entry point
  bool waitForEach = false;                          ///< FTC_CUDA_SYNC=1
};

} // namespace ftc

#endif // FTC_RUNTIME_CUDAINSTANCE_H
