//===- Guards.h - what must hold for a run to be a training ---------------===//
// Gradients reach what is trained; what is frozen stays as it was.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_GUARDS_H
#define FTC_TRAINER_GUARDS_H

#include "ftc/Trainer/Session.h"

namespace ftc::trainer {

/// Steps with a learning rate above 0 after which every trainable tensor must have had a gradient.
/// With B = 0 the gradient of A is zero until the first such step has changed B.
constexpr int64_t kStepsUntilGradients = 3;

/// The keys of the trainable tensors whose first moment is zero everywhere: Adam's moment is a mean
/// of all gradients so far, so these have had none. In the package's order.
Result<std::vector<std::string>> withoutGradient(const Package &package, const Instance &instance);

/// Checksums of the bound base tensors, as the instance has them.
class BaseChecksums {
public:
  static Result<BaseChecksums> of(const Package &package, const Instance &instance);

  /// 32 hexadecimal digits: the same for the same names and bytes.
  std::string identity() const;
  /// The name of the first tensor that differs.
  std::optional<std::string> firstDifference(const BaseChecksums &other) const;

private:
  struct Sum {
    std::string name;
    uint32_t crc = 0;
  };
  BaseChecksums() = default;
  std::vector<Sum> sums;
};

} // namespace ftc::trainer

#endif // FTC_TRAINER_GUARDS_H
