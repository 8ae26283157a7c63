//===- Attention.h - causal attention inside segments ---------*- C++ -*-===//
// Family `attention`: scores exist for one tile of queries by keys at a time.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_KERNELS_CUDA_ATTENTION_H
#define FTC_KERNELS_CUDA_ATTENTION_H

#include "ftc/Kernels/CUDA/AttentionTiles.h"

namespace ftc {
/// One tile of queries of one head in f32; a warp owns rows, its lanes the keys of a tile. The
/// softmax is online: M. Milakov and N. Gimelshein, arXiv:1805.02867.
template <typename S>
FTC_DEVICE void attentionPlain(int head, int first, float scale, const typename S::Element *q,
                               const typename S::Element *k, const typename S::Element *v,
                               const int *segmentBegin, typename S::Element *out, float *lse) {
  using W = WarpTile<S>;
  FTC_SHARED(shared);
  float *queries = reinterpret_cast<float *>(shared);
  float *keys = queries + S::queryTile * S::pitch;
  float *values = keys + S::keyTile * S::pitch;
  const int lane = threadIdx.x % 32, ownRow = threadIdx.x / 32 * W::rows;
  float *weights = values + S::keyTile * S::pitch + ownRow * S::keyTile;

  const int column = head * S::headDim, keyColumn = head / S::group * S::headDim;
  const AttentionRange range = keysOf<S>(first, segmentBegin);
  copyTile<S, S::queryTile>(queries, q + column, S::queryStride, first);
  int begins[W::rows];
  float largest[W::rows], sums[W::rows]; // `sums`: over this lane's keys
  float outs[W::rows][W::columns];
  setZero(outs);
  FTC_UNROLL
  for (int r = 0; r < W::rows; ++r) {
    const int token = first + ownRow + r;
    begins[r] = token < S::tokens ? load(segmentBegin + token) : S::tokens;
    largest[r] = -infinity();
    sums[r] = 0;
  }

  for (int key = range.begin; key < range.end; key += S::keyTile) {
    __syncthreads(); // the tiles before are read
    copyTile<S, S::keyTile>(keys, k + keyColumn, S::keyStride, key);
    copyTile<S, S::keyTile>(values, v + keyColumn, S::keyStride, key);
    __syncthreads();
    float scores[W::rows][W::pairs];
    dotRows<S>(queries + ownRow * S::pitch, keys, scores);
    FTC_UNROLL
    for (int r = 0; r < W::rows; ++r) {
      float tileLargest = largest[r];
      FTC_UNROLL
      for (int c = 0; c < W::pairs; ++c) {
        const int j = key + lane + 32 * c;
        const bool isSeen = lane + 32 * c < S::keyTile && begins[r] <= j && j <= first + ownRow + r;
        scores[r][c] = isSeen ? scale * scores[r][c] : -infinity();
        tileLargest = maxnum(tileLargest, scores[r][c]);
      }
      tileLargest = warpMax(tileLargest);
      // Where no key has been seen yet, anything finite serves.
      const float shift = tileLargest == -infinity() ? 0.0f : tileLargest;
      const float factor = ftc::exp(largest[r] - shift);
      largest[r] = tileLargest;
      sums[r] *= factor;
      FTC_UNROLL
      for (int c = 0; c < W::columns; ++c)
        outs[r][c] *= factor;
      FTC_UNROLL
      for (int c = 0; c < W::pairs; ++c) {
        scores[r][c] = ftc::exp(scores[r][c] - shift);
        sums[r] += scores[r][c];
      }
    }
    shareWeights<S>(weights, scores);
    addWeighted<S>(weights, values, outs);
  }

  FTC_UNROLL
  for (int r = 0; r < W::rows; ++r) {
    const long long token = first + ownRow + r;
    const float sum = warpSum(sums[r]);
    const bool isDead = sum == 0.0f;
    if (token >= S::tokens)
      continue;
    storeRow<S>(out + token * S::queryStride + column, outs[r], isDead ? 0.0f : 1.0f / sum);
    if (lane == 0)
      store(lse + token * S::heads + head, isDead ? 0.0f : largest[r] + ftc::log(sum));
  }
}

/// out = softmax(scale * q k^T) v over the keys [segmentBegin[i], i] of token i, and the logarithms
/// of the sums, f32 [Tokens, Heads]; both are 0 for a token that sees no key. q, k, v and out begin
/// at multiples of 16 bytes. Block `block` of Heads * ceil(Tokens / QueryTile) makes one tile of
/// one head, the longest tiles of a head first. Threads and shared memory: AttentionShape.
template <typename T, int Heads, int KvHeads, int HeadDim, int QueryTile, int KeyTile, int Tokens>
FTC_DEVICE void attention(long long block, float scale, const T *q, const T *k, const T *v,
                          const int *segmentBegin, T *out, float *lse) {
  using S = AttentionSizes<AttentionFamily::forward, T, Heads, KvHeads, HeadDim, QueryTile, KeyTile,
                           Tokens>;
  const int head = static_cast<int>(block / S::queryTiles);
  const int tile = S::queryTiles - 1 - static_cast<int>(block % S::queryTiles);
  attentionPlain<S>(head, tile * QueryTile, scale, q, k, v, segmentBegin, out, lse);
}
} // namespace ftc

#endif // FTC_KERNELS_CUDA_ATTENTION_H
