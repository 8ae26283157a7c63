//===- Widen.h - bf16 and f16 matrices to f32 and back, fast ---------------===//
// The widest vectors that this machine has, chosen when it runs.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_WIDEN_H
#define FTC_RUNTIME_WIDEN_H

#include "ftc/Package/Package.h"

#include <cstdint>

namespace ftc {

/// Converts `count` elements of bf16 or f16 to f32, exactly. `source` may be misaligned.
void widen(package::DType dtype, const void *source, float *destination, int64_t count);

/// Converts a matrix whose rows lie `stride` elements apart into a dense one.
inline void widenRows(package::DType dtype, const void *source, int64_t rows, int64_t columns,
                      int64_t stride, float *destination) {
  const auto *elements = static_cast<const unsigned char *>(source);
  for (int64_t row = 0; row < rows; ++row)
    widen(dtype, elements + row * stride * 2, destination + row * columns, columns);
}

/// Rounds `count` floats to bf16, to nearest with ties to even; a NaN stays one. `destination` may
/// be misaligned.
void narrow(const float *source, void *destination, int64_t count);

/// Rounds a dense matrix into one of bf16 whose rows lie `stride` elements apart.
inline void narrowRows(const float *source, int64_t rows, int64_t columns, void *destination,
                       int64_t stride) {
  auto *elements = static_cast<unsigned char *>(destination);
  for (int64_t row = 0; row < rows; ++row)
    narrow(source + row * columns, elements + row * stride * 2, columns);
}

} // namespace ftc

#endif // FTC_RUNTIME_WIDEN_H
