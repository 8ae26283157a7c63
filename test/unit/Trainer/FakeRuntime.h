//===- FakeRuntime.h - a runtime for testing the training loop -------------===//
// A model small enough to check by hand, behind the whole C interface.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_TRAINER_FAKERUNTIME_H
#define FTC_TEST_UNIT_TRAINER_FAKERUNTIME_H

#include "ftc/Support/Json.h"

namespace ftc::test {

/// The "package" is this description as JSON. The model is one trainable vector of logits, the same
/// for every position: the loss of a token y is logsumexp(logits) - logits[y], its gradient
/// softmax(logits)
/// - onehot(y). An update subtracts learning_rate x gradient; a frozen base tensor `scale` ([2, 2],
/// bf16) is bound and read back. It is a runtime that checks what it is asked: too many tokens or
/// segments, ids out of range, cu_seqlens that do not rise, and running before binding are errors.
struct FakePackage {
  int64_t vocab = 8;
  int64_t batch = 2;
  int64_t maxLength = 4;
  int64_t maxSegments = 3;
  bool writesModel = false;
  std::string dtype = "float32"; ///< of the carried config.json
  json::Value trainConfig = json::Value::object();
  int64_t nanAtStep = 0;                ///< the loss of this step is not a number
  int64_t signalAtStep = 0, signal = 0; ///< raised in this step
  int64_t changesBaseAtStep = 0;        ///< a frozen weight is another after this step
  bool losesGradient = false;           ///< moments stay zero
  bool lacksMemory = false;

  std::string text() const;
};

} // namespace ftc::test

#endif // FTC_TEST_UNIT_TRAINER_FAKERUNTIME_H
