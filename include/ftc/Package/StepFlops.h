//===- StepFlops.h - the operations that a training step needs -------------===//
// Products of forward and backward for a batch's own tokens; what is repeated counts once.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PACKAGE_STEPFLOPS_H
#define FTC_PACKAGE_STEPFLOPS_H

#include "ftc/Package/Package.h"

#include <vector>

namespace ftc {

/// The operations (a multiply-add is two) of the matrix products and of attention in `train_step`,
/// as a function of the batch. Counted is what the mathematics needs: a product that the backward
/// repeats counts once, attention's backward as its four products (scores that are rebuilt do not
/// count), every row of a batch as far as it has tokens, logits for tokens that predict, attention
/// for the causal half of each segment, or the window's part of it. Not counted: elementwise work,
/// norms, softmax, the optimizer.
class StepFlops {
public:
  explicit StepFlops(const package::Package &package);

  /// Beginning of the count of a batch: `rows` of the step have tokens (virtual ones included),
  /// `predicted` of them predict.
  double ofRows(int64_t rows, int64_t predicted) const {
    return fixed + perRow * static_cast<double>(rows) +
           perPrediction * static_cast<double>(predicted);
  }
  /// Attention within one segment of `length` rows.
  double ofSegment(int64_t length) const;

private:
  struct Attention {
    int64_t window = 0; ///< 0: none
    double perPair = 0; ///< of a query and a key that it sees, the diagonal counting half
  };
  void addAttention(const package::Package &package, const package::Entry &entry);

  double fixed = 0, perRow = 0, perPrediction = 0;
  std::vector<Attention> attention; ///< one for each window
};

} // namespace ftc

#endif // FTC_PACKAGE_STEPFLOPS_H
