//===- Mma.h - tensor core and copy instructions ----------------*- C++ -*-===//
// One function per instruction (PTX ISA 7.0, sm_80 and newer), with a portable body for the CPU.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Fragments of mma.m16n8k16, with lane = 4 * g + t (PTX ISA, "Matrix Fragments for mma.m16n8k16"):
// two bf16 in a word, the lower column or row in the lower half.
//   A [16 x 16]  a[0] (g, 2t..)  a[1] (g + 8, 2t..)  a[2] (g, 2t + 8..)  a[3] (g + 8, 2t + 8..)
//   B [16 x 8]   b0 (2t.., g)    b1 (2t + 8.., g)
//   C [16 x 8]   c[0] (g, 2t)    c[1] (g, 2t + 1)    c[2] (g + 8, 2t)    c[3] (g + 8, 2t + 1)
// So two neighbours C of the same rows, rounded and packed, are one A.
//
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_MMA_H
#define FTC_KERNELS_CUDA_MMA_H

#include "ftc/Kernels/CUDA/Device.h"

namespace ftc {
#ifdef FTC_ON_CPU
namespace detail {
/// What a lane gives to an mma.
struct MmaOperands {
  unsigned a[4], b[2];
};
inline void unpackBf16(float *pair, unsigned word) {
  pair[0] = asFloat(word << 16);
  pair[1] = asFloat(word & 0xffff0000u);
}
} // namespace detail
#endif

/// c += a * b.
FTC_DEVICE void multiplyAdd(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#ifdef FTC_ON_CPU
  const detail::MmaOperands own = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  const auto &lanes = ftc_on_cpu::warpExchange(wholeWarp, &own, sizeof own, "mma");
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  float rows[2][16], columns[2][16];
  for (unsigned i = 0; i < 4; ++i) {
    const auto row = lanes.template get<detail::MmaOperands>(4 * g + i);
    for (unsigned j = 0; j < 4; ++j)
      detail::unpackBf16(&rows[j % 2][2 * i + j / 2 * 8], row.a[j]);
    for (unsigned column = 0; column < 2; ++column) {
      const auto there = lanes.template get<detail::MmaOperands>(4 * (2 * t + column) + i);
      detail::unpackBf16(&columns[column][2 * i], there.b[0]);
      detail::unpackBf16(&columns[column][2 * i + 8], there.b[1]);
    }
  }
  for (unsigned i = 0; i < 4; ++i) {
    float sum = 0;
    for (unsigned k = 0; k < 16; ++k)
      sum += rows[i / 2][k] * columns[i % 2][k];
    c[i] += sum;
  }
#else
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

/// Four 8 x 8 matrices of shared memory. Lane l gives row l % 8 of matrix l / 8, which is aligned
/// to 16 bytes, and gets columns 2t and 2t + 1 of row g of each; of its transpose with
/// `Transposed`.
template <bool Transposed> FTC_DEVICE void loadMatrices(unsigned (&matrices)[4], const bf16 *row) {
#ifdef FTC_ON_CPU
  detail::checkAccess<16>(row);
  const auto &lanes = ftc_on_cpu::warpExchange(wholeWarp, &row, sizeof row, "ldmatrix");
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  for (unsigned i = 0; i < 4; ++i) {
    unsigned pair[2];
    for (unsigned j = 0; j < 2; ++j) {
      const unsigned from = Transposed ? 2 * t + j : g, column = Transposed ? g : 2 * t + j;
      pair[j] = load(lanes.template get<const bf16 *>(8 * i + from) + column).bits;
    }
    matrices[i] = pair[0] | pair[1] << 16;
  }
#else
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if (Transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
                 : "r"(address)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
                 : "r"(address)
                 : "memory");
#endif
}

/// Copies 4 or 16 bytes from global to shared memory behind the thread's back; zeros, and no read,
/// unless `isValid`. Both addresses are aligned to the size.
template <int Bytes> FTC_DEVICE void copyAsync(void *shared, const void *global, bool isValid) {
  static_assert(Bytes == 4 || Bytes == 16, "cp.async copies words or 16 bytes");
#ifdef FTC_ON_CPU
  ftc_on_cpu::copyAsync(shared, global, Bytes, isValid);
#else
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  const int bytes = isValid ? Bytes : 0;
  if (Bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global),
                 "r"(bytes)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address), "l"(global),
                 "r"(bytes)
                 : "memory");
#endif
}

/// Waits for this thread's copies. Other threads see them behind a barrier.
FTC_DEVICE void waitForCopies() {
#ifdef FTC_ON_CPU
  ftc_on_cpu::commitAsync();
  ftc_on_cpu::waitAsync(0);
#else
  asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

/// 2^x within 2 ulp and 0 below the normal numbers: enough where the result becomes bf16.
FTC_DEVICE float fastExp2(float x) {
#ifdef FTC_ON_CPU
  return exp2(x);
#else
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#endif
}
} // namespace ftc

#endif // FTC_KERNELS_CUDA_MMA_H
