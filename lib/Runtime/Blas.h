//===- Blas.h - OpenBLAS, loaded when it is needed -------------------------===//
// Single-threaded products from the shared library of the system, of the right core type.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_BLAS_H
#define FTC_RUNTIME_BLAS_H

#include "ftc/Package/CpuAbi.h"
#include "ftc/Support/Error.h"

#include <cstdint>
#include <string>

namespace ftc {

/// The functions of one loaded OpenBLAS.
struct Blas {
  /// cblas_sgemm with its enumerations as int (CBLAS_ORDER, CBLAS_TRANSPOSE).
  using Sgemm = void (*)(int order, int transA, int transB, int m, int n, int k, float alpha,
                         const float *a, int lda, const float *b, int ldb, float beta, float *c,
                         int ldc);

  /// What OpenBLAS maps for each thread that multiplies (BUFFER_SIZE, at most this on x86-64); it
  /// touches a few MiB of them. Where it cannot map them it tries for ever.
  static constexpr uint64_t bufferBytes = uint64_t{128} << 20;

  Sgemm sgemm = nullptr;
  std::string config; ///< what OpenBLAS says of its version and build
  std::string core;   ///< what OpenBLAS calls the core type it runs for

  /// C[m,n] = alpha op(A) op(B) + beta C, row-major; every size and leading dimension below 2^31.
  void gemm(bool transposeA, bool transposeB, int64_t m, int64_t n, int64_t k, float alpha,
            const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
            int64_t ldc) const {
    constexpr int rowMajor = 101, none = 111, transposed = 112;
    sgemm(rowMajor, transposeA ? transposed : none, transposeB ? transposed : none,
          static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), alpha, a,
          static_cast<int>(lda), b, static_cast<int>(ldb), beta, c, static_cast<int>(ldc));
  }
};

/// Loads `library` by dlopen. Before, it sets OPENBLAS_CORETYPE by cpuid (OpenBLAS releases older
/// than a CPU take it for the slowest kind) and OPENBLAS_NUM_THREADS to 1 (our pool has the
/// threads), each unless the user has set it. Fails where it is missing, naming the Debian package,
/// or is no OpenBLAS.
Result<Blas> openBlas(const std::string &library);

/// The process's OpenBLAS: `libopenblas.so.0`, or what FTC_OPENBLAS names. Loaded by the first call
/// that succeeds and never unloaded; a failure is tried again by the next call. Any thread may call
/// it.
Result<const Blas *> sharedBlas();

/// The services for kernels; usable once sharedBlas has succeeded.
const ftc_cpu_services &cpuServices();

} // namespace ftc

#endif // FTC_RUNTIME_BLAS_H
