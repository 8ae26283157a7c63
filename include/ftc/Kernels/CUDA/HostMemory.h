//===- HostMemory.h - device, streams, memory and staging ------------------===//
// A GPU opened by the driver, memory on it, pinned memory beside it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_HOSTMEMORY_H
#define FTC_KERNELS_CUDA_HOSTMEMORY_H

#include "ftc/Kernels/CUDA/HostLibraries.h"

#include <cstring>

namespace ftc::cuda {

//===----------------------------------------------------------------------===//
// Device
//===----------------------------------------------------------------------===//

/// A GPU's primary context, the one that CUDA's runtime library uses too, so that streams and
/// memory of either work with the other.
class Device {
public:
  Device() = default;
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;
  ~Device() {
    if (retained)
      (void)functions->primaryContextRelease(device);
  }

  /// Opens the device of the calling thread's context or, where it has none, the first one, and
  /// makes its primary context the thread's.
  Status open() {
    if (Status status = load(functions); !status)
      return status;
    if (int error = functions->init(0))
      return Status(Fault::unsupported, "the CUDA driver does not start: " + describe(error) +
                                            "; a machine with an NVIDIA GPU is needed");
    int count = 0;
    if (int error = functions->deviceGetCount(&count); error || count < 1)
      return Status(Fault::unsupported, "the CUDA driver knows of no GPU; is one hidden by "
                                        "CUDA_VISIBLE_DEVICES?");
    int error = functions->contextGetCurrent(&before);
    // A context that is left over from an owner who is gone has no device either.
    if (error || !before || functions->contextGetDevice(&device) != cuda::driver::success) {
      before = nullptr;
      error = functions->deviceGet(&device, 0);
    }
    if (!error)
      error = functions->primaryContextRetain(&context, device);
    if (error)
      return failure(error, "open the GPU");
    retained = true;
    if (Status status = readAttributes(); !status)
      return status;
    return failure(functions->contextSetCurrent(context), "open the GPU");
  }

  bool isOpen() const { return retained; }
  /// Gives the thread that opened the device the context back that it had before.
  void restore() const { (void)functions->contextSetCurrent(before); }
  const Driver &driver() const { return *functions; }
  int ordinal() const { return device; }
  const std::string &name() const { return deviceName; }
  /// `sm_90`
  std::string arch() const { return "sm_" + std::to_string(major) + std::to_string(minor); }
  int computeMajor() const { return major; }
  int computeMinor() const { return minor; }
  /// Most bytes of shared memory that a block can have.
  int sharedBytes() const { return shared; }

  /// Makes this device's context the calling thread's, as every function of the driver needs it,
  /// for as long as the guard lives.
  class Guard {
  public:
    explicit Guard(const Device &device) : device(device) {
      (void)device.functions->contextGetCurrent(&before);
      if (before != device.context)
        (void)device.functions->contextSetCurrent(device.context);
    }
    ~Guard() {
      if (before != device.context)
        (void)device.functions->contextSetCurrent(before);
    }
    Guard(const Guard &) = delete;
    Guard &operator=(const Guard &) = delete;

  private:
    const Device &device;
    cuda::driver::Context before = nullptr;
  };

private:
  Status readAttributes() {
    char text[256] = {};
    int error = functions->deviceGetName(text, sizeof text - 1, device);
    struct Attribute {
      int number;
      int *value;
    };
    for (Attribute attribute : {Attribute{cuda::driver::computeCapabilityMajor, &major},
                                Attribute{cuda::driver::computeCapabilityMinor, &minor},
                                Attribute{cuda::driver::sharedMemoryPerBlock, &shared}})
      if (!error)
        error = functions->deviceGetAttribute(attribute.value, attribute.number, device);
    deviceName = text;
    return failure(error, "read the GPU's attributes");
  }

  const Driver *functions = nullptr;
  cuda::driver::Context context = nullptr, before = nullptr;
  bool retained = false;
  int device = 0, major = 0, minor = 0, shared = 0;
  std::string deviceName;
};

/// A stream of its own.
class OwnedStream {
public:
  OwnedStream() = default;
  OwnedStream(const OwnedStream &) = delete;
  OwnedStream &operator=(const OwnedStream &) = delete;
  ~OwnedStream() {
    if (stream)
      (void)functions->streamDestroy(stream);
  }
  Status open(const Device &device) {
    functions = &device.driver();
    return failure(functions->streamCreate(&stream, driver::nonBlockingStream), "make a stream");
  }
  Stream get() const { return stream; }
  int synchronize() const { return functions->streamSynchronize(stream); }

private:
  const Driver *functions = nullptr;
  Stream stream = nullptr;
};

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Device memory, at a multiple of 256 bytes. Empty when it has no bytes.
class DeviceMemory {
public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory &) = delete;
  DeviceMemory &operator=(const DeviceMemory &) = delete;
  DeviceMemory(DeviceMemory &&other) noexcept { swap(other); }
  DeviceMemory &operator=(DeviceMemory &&other) noexcept {
    swap(other);
    return *this;
  }
  ~DeviceMemory() {
    if (address)
      (void)functions->memoryFree(address);
  }

  /// Zeroed on `stream`. `what` names it where there is not enough: "the arena".
  Status allocate(const Device &device, uint64_t bytes, const std::string &what, Stream stream) {
    functions = &device.driver();
    if (bytes == 0)
      return Status();
    void *memory = nullptr;
    int error = functions->memoryAllocate(&memory, bytes);
    if (error == driver::outOfMemory) {
      size_t free = 0, total = 0;
      (void)functions->memoryInfo(&free, &total);
      return Status(Fault::outOfMemory, what + " needs " + std::to_string(bytes) +
                                            " bytes of device memory, but " + device.name() +
                                            " has " + std::to_string(free) + " free of " +
                                            std::to_string(total));
    }
    if (error)
      return failure(error, "allocate device memory for " + what);
    address = static_cast<unsigned char *>(memory);
    length = bytes;
    return failure(functions->setBytes(address, 0, length, stream), "clear " + what);
  }

  unsigned char *data() const { return address; }
  uint64_t size() const { return length; }

private:
  void swap(DeviceMemory &other) {
    std::swap(functions, other.functions);
    std::swap(address, other.address);
    std::swap(length, other.length);
  }

  const Driver *functions = nullptr;
  unsigned char *address = nullptr;
  uint64_t length = 0;
};

/// Pinned host memory: where inputs are written for the device to fetch while the host goes on, and
/// where results arrive. A part must not be written again before the stream has passed its copy.
class Staging {
public:
  Staging() = default;
  Staging(const Staging &) = delete;
  Staging &operator=(const Staging &) = delete;
  ~Staging() {
    if (memory)
      (void)functions->hostFree(memory);
  }

  Status open(const Device &device, size_t bytes) {
    functions = &device.driver();
    void *pinned = nullptr;
    if (int error = functions->hostAllocate(&pinned, bytes, 0))
      return failure(error, "allocate " + std::to_string(bytes) + " bytes of pinned memory");
    memory = static_cast<unsigned char *>(pinned);
    length = bytes;
    return Status();
  }

  unsigned char *data() const { return memory; }
  size_t size() const { return length; }

  /// Copies [offset, offset + bytes) of this memory to the device, after what the stream already
  /// does. 0 or a CUresult.
  int upload(void *to, size_t offset, size_t bytes, Stream stream) const {
    return functions->copyToDevice(to, memory + offset, bytes, stream);
  }
  int download(size_t offset, const void *from, size_t bytes, Stream stream) const {
    return functions->copyToHost(memory + offset, from, bytes, stream);
  }

  /// Copies between pageable host memory and the device through this memory, piece by piece, each
  /// waited for. For weights and state, not for steps.
  int copyToDevice(void *to, const void *from, uint64_t bytes, Stream stream) const {
    for (uint64_t done = 0; done < bytes;) {
      size_t piece = bytes - done < length ? static_cast<size_t>(bytes - done) : length;
      std::memcpy(memory, static_cast<const unsigned char *>(from) + done, piece);
      int error = upload(static_cast<unsigned char *>(to) + done, 0, piece, stream);
      if (!error)
        error = functions->streamSynchronize(stream);
      if (error)
        return error;
      done += piece;
    }
    return 0;
  }
  int copyToHost(void *to, const void *from, uint64_t bytes, Stream stream) const {
    for (uint64_t done = 0; done < bytes;) {
      size_t piece = bytes - done < length ? static_cast<size_t>(bytes - done) : length;
      int error = download(0, static_cast<const unsigned char *>(from) + done, piece, stream);
      if (!error)
        error = functions->streamSynchronize(stream);
      if (error)
        return error;
      std::memcpy(static_cast<unsigned char *>(to) + done, memory, piece);
      done += piece;
    }
    return 0;
  }

private:
  const Driver *functions = nullptr;
  unsigned char *memory = nullptr;
  size_t length = 0;
};

} // namespace ftc::cuda

#endif // FTC_KERNELS_CUDA_HOSTMEMORY_H
