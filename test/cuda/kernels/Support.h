//===- Support.h - memory and comparisons for kernel tests -----------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_CUDA_KERNELS_SUPPORT_H
#define FTC_TEST_CUDA_KERNELS_SUPPORT_H

#include "CudaOnCpu.h"

#include "ftc/Kernels/CUDA/Device.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

namespace ftc::test {

template <typename T> struct Storage {
  static T from(double value) { return ftc::fromFloat<T>(float(value)); }
  static double to(T value) { return ftc::toFloat(value); }
};
template <> struct Storage<int> {
  static int from(double value) { return int(value); }
  static double to(int value) { return value; }
};

/// `size` numbers, `offset` numbers behind an address that is a multiple of 64. A kernel that
/// touches anything else fails.
template <typename T> class Memory {
public:
  Memory(size_t size, size_t offset = 0)
      : bytes(new unsigned char[(size + offset) * sizeof(T) + 64]), length(size) {
    size_t misfit = reinterpret_cast<uintptr_t>(bytes.get()) % 64;
    first = reinterpret_cast<T *>(bytes.get() + (64 - misfit) % 64) + offset;
    std::memset(first, 0xff, size * sizeof(T)); // NaN, also as bf16
    ftc_on_cpu::registerRange(first, size * sizeof(T), "memory of a test");
  }
  ~Memory() { ftc_on_cpu::unregisterRange(first); }
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

  T *data() { return first; }
  size_t size() const { return length; }
  double operator[](size_t i) const { return Storage<T>::to(first[i]); }
  void set(size_t i, double value) { first[i] = Storage<T>::from(value); }

  /// Fills with numbers in [low, high), the same for a seed whatever T.
  void fill(unsigned seed, double low = -1, double high = 1) {
    unsigned long long state = seed * 2654435761ull + 1;
    for (size_t i = 0; i < length; ++i) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      set(i, low + (high - low) * double(state >> 40) / double(1 << 24));
    }
  }
  std::vector<double> values() const {
    std::vector<double> result(length);
    for (size_t i = 0; i < length; ++i)
      result[i] = (*this)[i];
    return result;
  }

private:
  std::unique_ptr<unsigned char[]> bytes;
  size_t length;
  T *first;
};

/// Half a unit in the last place, relative to the number.
template <typename T> constexpr double rounding = sizeof(T) == 2 ? 1.0 / 256 : 1.0 / (1 << 24);

/// Compares with numbers computed in double precision: one rounding to T, and `error` of f32
/// arithmetic, relative to the number or to `scale` where terms cancel.
template <typename T>
void expectNear(const Memory<T> &got, const std::vector<double> &want, const char *what,
                double scale = 1.0, double error = 2e-6) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    double allowed = 1.01 * rounding<T> * std::abs(want[i]) +
                     error * std::max(scale, std::abs(want[i])) * (1 + rounding<T>);
    ASSERT_NEAR(got[i], want[i], allowed) << what << " at " << i;
  }
}

template <typename T> void expectEqual(const Memory<T> &a, const Memory<T> &b, const char *what) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_EQ(a[i], b[i]) << what << " at " << i;
}

inline long long blocksFor(long long grid, long long items) { return (grid + items - 1) / items; }

/// Tests under several orders of threads and blocks; the first one runs every launch twice,
/// forwards and backwards.
class Kernels : public testing::TestWithParam<ftc_on_cpu::Order> {
protected:
  void SetUp() override {
    ftc_on_cpu::setOrder(GetParam(), 11);
    ftc_on_cpu::setTwice(GetParam() == ftc_on_cpu::Order::Forward);
  }
  void TearDown() override {
    ftc_on_cpu::setOrder(ftc_on_cpu::Order::Forward);
    ftc_on_cpu::setTwice(false);
  }
};

} // namespace ftc::test

// A test suite of that name, in all orders.
#define FTC_KERNEL_TESTS(name)                                                                     \
  class name : public ftc::test::Kernels {};                                                       \
  INSTANTIATE_TEST_SUITE_P(Orders, name,                                                           \
                           testing::Values(ftc_on_cpu::Order::Forward, ftc_on_cpu::Order::Random))

#define FTC_EXPECT_RUNS(launch) ASSERT_EQ(launch, 0) << ftc_on_cpu::lastError()

#endif // FTC_TEST_CUDA_KERNELS_SUPPORT_H
