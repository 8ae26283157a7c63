//===- TokenTest.cpp - rope, embedding, embedding_grad, cross_entropy ------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Support.h"

#include "ftc/Kernels/CUDA/CrossEntropy.h"
#include "ftc/Kernels/CUDA/Embedding.h"
#include "ftc/Kernels/CUDA/Rope.h"

using namespace ftc::test;
using ftc::bf16;
using ftc::f16;

//===-- rope --------------------------------------------------------------===//

#define ROPE(name, T, Out, HeadDim, Rotary, Columns, Threads)                                      \
  FTC_KERNEL(name, Threads, const T *x, Out *y, const float *cos, const float *sin,                \
             const int *positions, long long grid) {                                               \
    ftc::rope<Threads, HeadDim, Rotary, Columns, false>(blockIdx.x, grid, ftc::read(x),            \
                                                        ftc::write(y), cos, sin, positions);       \
  }                                                                                                \
  FTC_KERNEL(name##_back, Threads, Out *x, const float *cos, const float *sin,                     \
             const int *positions, long long grid) {                                               \
    ftc::rope<Threads, HeadDim, Rotary, Columns, true>(blockIdx.x, grid, ftc::update(x), cos, sin, \
                                                       positions);                                 \
  }
#define FOR_ALL_HEADS(DO)                                                                          \
  DO(rope_f32_16, float, float, 16, 8, 64, 32)                                                     \
  DO(rope_bf16_128, bf16, bf16, 128, 64, 512, 32)                                                  \
  DO(rope_bf16_partial, bf16, bf16, 80, 16, 240, 64)                                               \
  DO(rope_f32_odd, float, float, 7, 3, 21, 32)                                                     \
  DO(rope_mixed, bf16, float, 32, 16, 32, 32)
FOR_ALL_HEADS(ROPE)

//===-- embedding ---------------------------------------------------------===//

FTC_KERNEL(embedding_bf16, 32, const int *ids, const bf16 *table, bf16 *out, long long grid) {
  ftc::embedding<32, 520>(blockIdx.x, grid, ids, table, out);
}
FTC_KERNEL(embedding_f16, 32, const int *ids, const f16 *table, float *out, long long grid) {
  ftc::embedding<32, 520>(blockIdx.x, grid, ids, table, out);
}
FTC_KERNEL(embedding_odd, 32, const int *ids, const float *table, bf16 *out, long long grid) {
  ftc::embedding<32, 33>(blockIdx.x, grid, ids, table, out);
}
FTC_KERNEL(scatter_bf16, 32, const int *rows, const bf16 *values, bf16 *out, long long grid) {
  ftc::scatter<32, 520>(blockIdx.x, grid, rows, values, out);
}
FTC_KERNEL(scatter_odd, 32, const int *rows, const float *values, float *out, long long grid) {
  ftc::scatter<32, 33>(blockIdx.x, grid, rows, values, out);
}
FTC_KERNEL(embedding_grad_f32, 32, const int *ids, const float *grad, float *out) {
  ftc::embeddingGrad<32, 77, 72, 9, false>(blockIdx.x, ids, grad, out);
}
FTC_KERNEL(embedding_grad_few, 32, const int *ids, const float *grad, float *out) {
  ftc::embeddingGrad<32, 5, 72, 9, false>(blockIdx.x, ids, grad, out);
}
FTC_KERNEL(embedding_grad_bf16, 64, const int *ids, const bf16 *grad, float *out) {
  ftc::embeddingGrad<64, 77, 72, 9, true>(blockIdx.x, ids, grad, out);
}

//===-- cross_entropy -----------------------------------------------------===//

#define CROSS_ENTROPY(name, T, Vocabulary, Threads)                                                \
  FTC_KERNEL(name, Threads, T *logits, const int *targets, const float *invItems,                  \
             const float *seed, float *nll, long long grid) {                                      \
    ftc::crossEntropy<Threads, Vocabulary, true, true>(blockIdx.x, grid, logits, targets,          \
                                                       invItems, seed, nll);                       \
  }                                                                                                \
  FTC_KERNEL(name##_grad, Threads, T *logits, const int *targets, const float *invItems,           \
             const float *seed, long long grid) {                                                  \
    ftc::crossEntropy<Threads, Vocabulary, true, false>(blockIdx.x, grid, logits, targets,         \
                                                        invItems, seed);                           \
  }                                                                                                \
  FTC_KERNEL(name##_loss, Threads, const T *logits, const int *targets, float *nll,                \
             long long grid) {                                                                     \
    ftc::crossEntropy<Threads, Vocabulary, false, true>(blockIdx.x, grid, logits, targets, nll);   \
  }
#define FOR_ALL_VOCABULARIES(DO)                                                                   \
  DO(entropy_1, float, 1, 32)                                                                      \
  DO(entropy_5, bf16, 5, 32)                                                                       \
  DO(entropy_64, float, 64, 64)                                                                    \
  DO(entropy_1001, bf16, 1001, 64)                                                                 \
  DO(entropy_2048, bf16, 2048, 128)                                                                \
  DO(entropy_8191, float, 8191, 256)
FOR_ALL_VOCABULARIES(CROSS_ENTROPY)

namespace {

FTC_KERNEL_TESTS(TokenKernels);

template <typename T, typename Out, int HeadDim, int Rotary, int Columns, typename Launch,
          typename Back>
void checkRope(Launch launch, Back back) {
  const long long rows = 5, table = 11;
  for (int variant = 0; variant < 4; ++variant) {
    const int offset = variant % 2;
    Memory<T> x(rows * Columns, offset);
    Memory<Out> y(rows * Columns, offset);
    Memory<float> cos(table * Rotary, variant / 2), sin(table * Rotary);
    Memory<int> positions(rows);
    x.fill(1);
    for (int p = 0; p < table; ++p)
      for (int i = 0; i < Rotary; ++i) {
        cos.set(p * Rotary + i, std::cos(p / (1.0 + i)));
        sin.set(p * Rotary + i, std::sin(p / (1.0 + i)));
      }
    for (int row = 0; row < rows; ++row)
      positions.set(row, (row * 7 + 3) % table);

    std::vector<double> want(rows * Columns);
    auto rotated = [&](auto &from, double sign) {
      for (long long row = 0; row < rows; ++row)
        for (int head = 0; head < Columns; head += HeadDim) {
          const long long at = row * Columns + head, angle = (long long)positions[row] * Rotary;
          for (int i = 0; i < Rotary; ++i) {
            double c = cos[angle + i], s = sign * sin[angle + i];
            double a = from[at + i], b = from[at + Rotary + i];
            want[at + i] = a * c - b * s;
            want[at + Rotary + i] = b * c + a * s;
          }
          for (int i = 2 * Rotary; i < HeadDim; ++i)
            want[at + i] = from[at + i];
        }
    };
    rotated(x, 1);
    FTC_EXPECT_RUNS(
        launch(rows, x.data(), y.data(), cos.data(), sin.data(), positions.data(), rows));
    expectNear(y, want, "rotated");
    rotated(y, -1);
    FTC_EXPECT_RUNS(back(rows, y.data(), cos.data(), sin.data(), positions.data(), rows));
    expectNear(y, want, "rotated back in place");
  }
}

#define CHECK_ROPE(name, T, Out, HeadDim, Rotary, Columns, Threads)                                \
  TEST_P(TokenKernels, name) {                                                                     \
    checkRope<T, Out, HeadDim, Rotary, Columns>(                                                   \
        [](long long blocks, auto... args) {                                                       \
          return FTC_LAUNCH(name, blocks, Threads, 0, nullptr, args...);                           \
        },                                                                                         \
        [](long long blocks, auto... args) {                                                       \
          return FTC_LAUNCH(name##_back, blocks, Threads, 0, nullptr, args...);                    \
        });                                                                                        \
  }
FOR_ALL_HEADS(CHECK_ROPE)

template <typename From, typename To, int Columns, typename Launch>
void checkLookup(Launch launch) {
  const int rows = 9, vocabulary = 6;
  for (int offset : {0, 1}) {
    Memory<From> table(vocabulary * Columns, offset);
    Memory<To> out(rows * Columns, offset);
    Memory<int> ids(rows);
    table.fill(1);
    for (int row = 0; row < rows; ++row)
      ids.set(row, row * 5 % vocabulary);
    FTC_EXPECT_RUNS(launch(rows, ids.data(), table.data(), out.data(), (long long)rows));
    std::vector<double> want;
    for (int i = 0; i < rows * Columns; ++i)
      want.push_back(table[size_t(ids[i / Columns]) * Columns + i % Columns]);
    expectNear(out, want, "rows of the table", 0, 0);
  }
}

TEST_P(TokenKernels, Embedding) {
  checkLookup<bf16, bf16, 520>([](long long blocks, auto... args) {
    return FTC_LAUNCH(embedding_bf16, blocks, 32, 0, nullptr, args...);
  });
  checkLookup<f16, float, 520>([](long long blocks, auto... args) {
    return FTC_LAUNCH(embedding_f16, blocks, 32, 0, nullptr, args...);
  });
  checkLookup<float, bf16, 33>([](long long blocks, auto... args) {
    return FTC_LAUNCH(embedding_odd, blocks, 32, 0, nullptr, args...);
  });
}

// Rows that are not listed keep what they hold.
template <typename T, int Columns, typename Launch> void checkScatter(Launch launch) {
  const int rows = 9, listed = 5;
  for (int offset : {0, 1}) {
    Memory<T> values(listed * Columns, offset), out(rows * Columns, offset);
    Memory<int> targets(listed);
    values.fill(1);
    out.fill(2);
    std::vector<double> want;
    for (int i = 0; i < rows * Columns; ++i)
      want.push_back(out[i]);
    for (int row = 0; row < listed; ++row) {
      targets.set(row, row * 2 % rows);
      for (int j = 0; j < Columns; ++j)
        want[size_t(row * 2 % rows * Columns + j)] = values[row * Columns + j];
    }
    FTC_EXPECT_RUNS(launch(listed, targets.data(), values.data(), out.data(), (long long)listed));
    expectNear(out, want, "scattered rows", 0, 0);
  }
}

TEST_P(TokenKernels, Scatter) {
  checkScatter<bf16, 520>([](long long blocks, auto... args) {
    return FTC_LAUNCH(scatter_bf16, blocks, 32, 0, nullptr, args...);
  });
  checkScatter<float, 33>([](long long blocks, auto... args) {
    return FTC_LAUNCH(scatter_odd, blocks, 32, 0, nullptr, args...);
  });
}

// Ids repeat near and far, within what is loaded together and across.
template <typename T, typename Launch>
void checkEmbeddingGrad(int tokens, bool adds, Launch launch) {
  const int columns = 72, vocabulary = 9;
  Memory<int> ids(tokens);
  Memory<T> grad(tokens * columns);
  Memory<float> out(vocabulary * columns);
  grad.fill(1);
  std::vector<float> want(vocabulary * columns);
  if (adds) {
    out.fill(2);
    for (size_t i = 0; i < want.size(); ++i)
      want[i] = float(out[i]);
  }
  for (int t = 0; t < tokens; ++t) {
    const int id = t < 20 ? 3 : t * t % vocabulary;
    ids.set(t, id);
    for (int j = 0; j < columns; ++j) // in float, token by token: the order of the sum
      want[id * columns + j] += float(grad[t * columns + j]);
  }
  FTC_EXPECT_RUNS(launch(ids.data(), grad.data(), out.data()));
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_EQ(out[i], want[i]) << "at " << i;
}

TEST_P(TokenKernels, EmbeddingGrad) {
  checkEmbeddingGrad<float>(77, false, [](auto... args) {
    return FTC_LAUNCH(embedding_grad_f32, 3, 32, 0, nullptr, args...);
  });
  checkEmbeddingGrad<float>(5, false, [](auto... args) {
    return FTC_LAUNCH(embedding_grad_few, 3, 32, 0, nullptr, args...);
  });
  checkEmbeddingGrad<bf16>(77, true, [](auto... args) {
    return FTC_LAUNCH(embedding_grad_bf16, 2, 64, 0, nullptr, args...);
  });
}

/// Rows of logits: ordinary ones, large ones, one of -infinity but for the target; ignored rows.
template <typename T, int Vocabulary> struct Logits {
  static constexpr int rows = 6;
  Memory<T> logits;
  Memory<int> targets;
  Memory<float> invItems, seed, nll;
  std::vector<double> wantNll, wantGrad;

  explicit Logits(int offset)
      : logits(rows * Vocabulary, offset), targets(rows), invItems(1), seed(1), nll(rows),
        wantNll(rows), wantGrad(rows * Vocabulary) {
    logits.fill(1, -10, 10);
    invItems.fill(2, 0.1, 0.5);
    seed.fill(3, 1, 2);
    const int target[rows] = {0, Vocabulary - 1, -100, Vocabulary / 2, Vocabulary / 3, -100};
    for (int row = 0; row < rows; ++row)
      targets.set(row, target[row]);
    for (int c = 0; c < Vocabulary; ++c) {
      logits.set(3 * Vocabulary + c, logits[3 * Vocabulary + c] + 1000);
      if (c != target[4])
        logits.set(4 * Vocabulary + c, -INFINITY);
    }
    for (int row = 0; row < rows; ++row)
      if (target[row] >= 0)
        computeRow(row, target[row]);
  }

  void computeRow(int row, int target) {
    double largest = -INFINITY, sum = 0;
    for (int c = 0; c < Vocabulary; ++c)
      largest = std::max(largest, logits[row * Vocabulary + c]);
    for (int c = 0; c < Vocabulary; ++c)
      sum += std::exp(logits[row * Vocabulary + c] - largest);
    wantNll[row] = largest + std::log(sum) - logits[row * Vocabulary + target];
    for (int c = 0; c < Vocabulary; ++c) {
      double probability = std::exp(logits[row * Vocabulary + c] - largest) / sum;
      wantGrad[row * Vocabulary + c] = invItems[0] * seed[0] * (probability - (c == target));
    }
  }
};

template <typename T, int Vocabulary, typename Both, typename Gradient, typename Loss>
void checkCrossEntropy(Both both, Gradient gradient, Loss loss) {
  using Problem = Logits<T, Vocabulary>;
  for (int offset : {0, 1, 3}) {
    Problem a(offset), b(offset), c(offset);
    FTC_EXPECT_RUNS(both(a.logits.data(), a.targets.data(), a.invItems.data(), a.seed.data(),
                         a.nll.data(), (long long)Problem::rows));
    expectNear(a.logits, a.wantGrad, "gradient", 0.1);
    expectNear(a.nll, a.wantNll, "nll");
    FTC_EXPECT_RUNS(gradient(b.logits.data(), b.targets.data(), b.invItems.data(), b.seed.data(),
                             (long long)Problem::rows));
    expectEqual(a.logits, b.logits, "gradient alone");
    const std::vector<double> before = c.logits.values();
    FTC_EXPECT_RUNS(
        loss(c.logits.data(), c.targets.data(), c.nll.data(), (long long)Problem::rows));
    expectEqual(a.nll, c.nll, "loss alone");
    ASSERT_EQ(before, c.logits.values());
  }
}

#define CHECK_ENTROPY(name, T, Vocabulary, Threads)                                                \
  TEST_P(TokenKernels, name) {                                                                     \
    checkCrossEntropy<T, Vocabulary>(                                                              \
        [](auto... args) {                                                                         \
          return FTC_LAUNCH(name, 6, Threads, ftc::crossEntropyShared(Threads), nullptr, args...); \
        },                                                                                         \
        [](auto... args) {                                                                         \
          return FTC_LAUNCH(name##_grad, 6, Threads, ftc::crossEntropyShared(Threads), nullptr,    \
                            args...);                                                              \
        },                                                                                         \
        [](auto... args) {                                                                         \
          return FTC_LAUNCH(name##_loss, 6, Threads, ftc::crossEntropyShared(Threads), nullptr,    \
                            args...);                                                              \
        });                                                                                        \
  }
FOR_ALL_VOCABULARIES(CHECK_ENTROPY)

// A row with a NaN or with +infinity has no loss, and says so.
TEST_P(TokenKernels, BadLogitsStayVisible) {
  for (double bad : {double(NAN), double(INFINITY)}) {
    Logits<bf16, 1001> problem(0);
    problem.logits.set(500, bad);
    FTC_EXPECT_RUNS(FTC_LAUNCH(entropy_1001, 6, 64, ftc::crossEntropyShared(64), nullptr,
                               problem.logits.data(), problem.targets.data(),
                               problem.invItems.data(), problem.seed.data(), problem.nll.data(),
                               6));
    EXPECT_TRUE(std::isnan(problem.nll[0]));
    EXPECT_TRUE(std::isnan(problem.logits[500]));
    EXPECT_NEAR(problem.nll[1], problem.wantNll[1], 1e-4);
  }
}

} // namespace
