//===- Twin.h - a small model of the same kind -----------------------------===//
// The user's program with its sizes reduced, for running it in the interpreter.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_FRONTEND_TWIN_H
#define FTC_FRONTEND_TWIN_H

#include "ftc/Frontend/ForwardBuilder.h"

namespace ftc {

/// A twin goes through the same passes as the program: as many layers (targets are chosen by layer
/// numbers), the same biases, ties, rotary type, dtypes and targets; but a few tokens, few heads of
/// few columns, a small vocabulary, a small rank. Grouped heads stay grouped, and a head_dim that
/// is not hidden / heads stays so.
struct Twin {
  ModelConfig model;
  AdapterSpec adapter;
  TrainConfig train;
};
Twin makeTwin(const ModelConfig &model, const AdapterSpec &adapter, const TrainConfig &train);

} // namespace ftc

#endif // FTC_FRONTEND_TWIN_H
