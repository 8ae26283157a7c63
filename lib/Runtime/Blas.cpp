//===- Blas.cpp - OpenBLAS, loaded when it is needed -----------------------===//
// dlopen, the environment it reads while it loads, and the service table for kernels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Blas.h"

#include "CpuFeatures.h"
#include "MatrixUnit.h"

#include <cstdlib>
#include <dlfcn.h>
#include <mutex>

namespace ftc {

namespace {

Blas loaded;

void serviceSgemm(int32_t transposeA, int32_t transposeB, int64_t m, int64_t n, int64_t k,
                  float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                  float *c, int64_t ldc) {
  loaded.gemm(transposeA != 0, transposeB != 0, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

} // namespace

Result<Blas> openBlas(const std::string &library) {
  if (cpuFeatures().hasLevel4())
    ::setenv("OPENBLAS_CORETYPE", "SkylakeX", /*overwrite=*/0);
  else if (cpuFeatures().hasLevel3())
    ::setenv("OPENBLAS_CORETYPE", "Haswell", 0);
  ::setenv("OPENBLAS_NUM_THREADS", "1", 0);
  void *handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = ::dlerror();
    return makeError(library, std::string("cannot be loaded: ") +
                                  (reason ? reason : "no reason given") +
                                  "; install OpenBLAS (Debian: libopenblas0-pthread)");
  }
  Blas blas;
  blas.sgemm = reinterpret_cast<Blas::Sgemm>(::dlsym(handle, "cblas_sgemm"));
  auto coreName = reinterpret_cast<char *(*)()>(::dlsym(handle, "openblas_get_corename"));
  auto config = reinterpret_cast<char *(*)()>(::dlsym(handle, "openblas_get_config"));
  auto setThreads = reinterpret_cast<void (*)(int)>(::dlsym(handle, "openblas_set_num_threads"));
  auto getThreads = reinterpret_cast<int (*)()>(::dlsym(handle, "openblas_get_num_threads"));
  if (!blas.sgemm || !coreName || !config || !setThreads || !getThreads) {
    ::dlclose(handle);
    return makeError(library, "is no OpenBLAS: cblas_sgemm or openblas_* functions are missing; "
                              "install OpenBLAS (Debian: libopenblas0-pthread)");
  }
  // The host may have loaded it before us, with threads of its own; bits and allocations rest on 1.
  if (getThreads() != 1)
    setThreads(1);
  if (getThreads() != 1)
    return makeError(library, "runs with " + std::to_string(getThreads()) +
                                  " threads and cannot be set to 1");
  blas.config = config();
  blas.core = coreName();
  return blas;
}

Result<const Blas *> sharedBlas() {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  if (!loaded.sgemm) {
    const char *chosen = std::getenv("FTC_OPENBLAS");
    Result<Blas> blas = openBlas(chosen && *chosen ? chosen : "libopenblas.so.0");
    if (!blas)
      return blas.takeError();
    loaded = *std::move(blas);
  }
  return static_cast<const Blas *>(&loaded);
}

static void serviceBf16Gemm(int32_t transposeA, int32_t transposeB, int64_t m, int64_t n, int64_t k,
                            float alpha, const void *a, int64_t lda, const void *b, int64_t ldb,
                            float *c, int64_t ldc, void *scratch) {
  MatrixUnitResult result;
  result.c = c;
  result.stride = ldc;
  result.added = c;
  result.addedStride = ldc;
  result.scale = alpha;
  multiplyOnMatrixUnit({a, lda, transposeA != 0}, {b, ldb, transposeB != 0}, m, n, k, result,
                       static_cast<unsigned char *>(scratch));
}

const ftc_cpu_services &cpuServices() {
  static const ftc_cpu_services services = {serviceSgemm,
                                            haveMatrixUnit() ? serviceBf16Gemm : nullptr};
  return services;
}

} // namespace ftc
