//===- RandomTest.cpp - random programs against the interpreter -----------===//
// Sizes, adapters, trainable sets, storage, segments and tiles by chance: native gradients and one
// optimizer step against the interpreter. FTC_CHECK_FULL=1 runs many more.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Native.h"

#include "ftc/Support/Philox.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cstdlib>
#include <gtest/gtest.h>

using namespace ftc;
using namespace ftc::ft;
using namespace ftc::test;

namespace {
/// A case with the texts that it points to.
class RandomCase {
public:
  explicit RandomCase(uint64_t seed) : seed(seed) {
    bool biases = pick({0, 1}), tied = pick({0, 1});
    // RMS norm of very few columns is a sign function, whose gradients are rounding errors: from 5.
    int64_t kvHeads = pick({1, 1, 2, 3}), heads = kvHeads * pick({1, 2, 3, 4});
    model = llvm::formatv(
        R"("hidden_size": {0}, "num_attention_heads": {1}, "num_key_value_heads": {2},
           "head_dim": {3}, "intermediate_size": {4}, "vocab_size": {5}, "num_hidden_layers": {6},
           "tie_word_embeddings": {7}, "attention_bias": {8}, "mlp_bias": {9})",
        pick({5, 7, 8, 16, 23, 24, 32, 33, 48}), heads, kvHeads, 2 * pick({1, 2, 3, 4, 5, 8, 9}),
        pick({1, 3, 8, 17, 32, 41}), pick({2, 3, 17, 31, 64, 65, 100}), pick({1, 1, 2, 3}),
        tied ? "true" : "false", biases ? "true" : "false", pick({0, 1}) ? "true" : "false");
    int64_t tokens = pick({3, 4, 5, 8, 15, 16, 17, 31, 33, 64, 65, 70, 130});
    train = llvm::formatv(R"("per_device_train_batch_size": 1, "max_length": {0})", tokens);
    if (pick({0, 1, 1})) {
      adapter = llvm::formatv(
          R"("r": {0}, "lora_alpha": {1}, "target_modules": [{2}])", pick({1, 2, 3, 5, 8, 9}),
          pick({1, 2, 4, 16}),
          some({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}));
    } else if (pick({0, 1, 1})) {
      std::vector<const char *> names = {"q_proj.weight", "k_proj.weight", "v_proj.weight",
                                         "o_proj.weight", "gate_proj",     "up_proj",
                                         "down_proj",     "norm",          "embed_tokens"};
      if (biases)
        names.push_back("self_attn.*bias$");
      if (!tied)
        names.push_back("lm_head");
      train += R"(, "trainable": [)" + some(names) + "]";
    }
    one.name = "random";
    one.model = model.c_str();
    one.adapter = adapter.empty() ? nullptr : adapter.c_str();
    one.train = train.c_str();
    for (int64_t left = tokens; left > 0 && one.lengths.size() < 5;) {
      // The first segment predicts from two tokens, without which scores have no gradient.
      int64_t least = one.lengths.empty() ? 3 : 1;
      one.lengths.push_back(least + below(left - least + 1));
      left -= one.lengths.back();
      if (below(4) == 0)
        break;
    }
    if (pick({0, 1})) {
      one.attentionTile = pick({1, 3, 8, 16, 20, 32});
      one.logitsBytes = 1;
    }
    const char *const dtypes[] = {"float32", "float32", "bfloat16", "float16"};
    one.dtype = dtypes[below(4)];
  }
  RandomCase(const RandomCase &) = delete;

  const Case &get() const { return one; }
  std::string describe() const {
    return llvm::formatv("seed {0}: {1} | {2} | {3} | segments {4:$[, ]} | tile {5} | {6}", seed,
                         model, adapter, train,
                         llvm::make_range(one.lengths.begin(), one.lengths.end()),
                         one.attentionTile, one.dtype);
  }

private:
  int64_t below(int64_t end) { return philoxBits(seed, siteHash("random case"), 0, next++) % end; }
  int64_t pick(std::initializer_list<int64_t> choices) {
    return choices.begin()[below(choices.size())];
  }
  /// A third of the names, at least one, as JSON strings.
  std::string some(const std::vector<const char *> &names) {
    std::vector<std::string> chosen;
    while (chosen.empty())
      for (const char *name : names)
        if (below(3) == 0)
          chosen.push_back("\"" + std::string(name) + "\"");
    return llvm::join(chosen, ", ");
  }

  uint64_t seed, next = 0;
  std::string model, adapter, train;
  Case one = {};
};

void expectGradients(const State &actual, const State &expected, double largest) {
  for (const auto &[symbol, value] : expected) {
    if (!llvm::StringRef(symbol).ends_with(".grad"))
      continue;
    const std::vector<double> &numbers = actual.at(symbol).data;
    // Scores of a token that sees itself alone have gradients of zero, but only by cancellation.
    if (norm(value.data) <= 1e-14 * largest)
      EXPECT_LE(norm(numbers), 1e-6 * largest) << symbol;
    else
      expectClose("gradients of random programs", 2e-5, symbol, numbers, value.data);
  }
}
} // namespace

TEST(RandomPrograms, RunAsInterpreted) {
  const char *full = std::getenv("FTC_CHECK_FULL");
  uint64_t count = full && std::string(full) == "1" ? 60 : 10;
  for (uint64_t seed = 0; seed < count; ++seed) {
    RandomCase random(seed);
    SCOPED_TRACE(random.describe());
    Experiment oracle(random.get());
    ASSERT_TRUE(oracle.ok());
    oracle.advance("ft-prune-graph");
    ASSERT_TRUE(oracle.ok());
    Experiment program(random.get());
    PackagePtr package = loadPackage(program.compile());
    ASSERT_TRUE(package);
    const State start = oracle.makeState();
    Data data = oracle.makeData(seed);
    BatchArrays batch(oracle, data, Layout::cuSeqlens);
    ftc_run step = makeStep(itemsOf(data));
    Native native(package.get(), start, /*threads=*/2);

    State state = start;
    double loss = oracle.run("gradients", data, step, state).at(0);
    double actualLoss = native.run("gradients", &batch, step).loss;
    expectClose("loss of random programs", 2e-6, "loss", actualLoss, loss);
    double largest = 0;
    for (const auto &[symbol, value] : state)
      if (llvm::StringRef(symbol).ends_with(".grad"))
        largest = std::max(largest, norm(value.data));
    ASSERT_GT(largest, 0);
    expectGradients(native.read(), state, largest);

    native.write(start);
    state = start;
    double gradNorm = oracle.run("train_step", data, step, state).at(1);
    double actualNorm = native.run("train_step", &batch, step).grad_norm;
    expectClose("gradient norm of random programs", 2e-5, "gradient norm", actualNorm, gradNorm);
    expectClose("state of random programs", 2e-5, native.read(), state);
  }
}
