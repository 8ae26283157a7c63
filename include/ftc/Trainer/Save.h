//===- Save.h - trained weights to disk ------------------------------------===//
// The files of a PEFT adapter directory or of a Hugging Face model directory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_SAVE_H
#define FTC_TRAINER_SAVE_H

#include "ftc/Support/DType.h"
#include "ftc/Trainer/Session.h"

namespace ftc::trainer {

/// The element type of a model's `config.json` (`dtype`, or `torch_dtype` of transformers 4, there
/// or in its `text_config`); F32 when it names none. Fails on a type that no trained weight can
/// have.
Result<DType> modelDType(const std::vector<PackageFile> &files);

/// Writes the package's files and the weights into a directory: an adapter's trainable tensors
/// under their checkpoint keys (`adapter_model.safetensors`), or all tensors of a model, base
/// tensors as stored and trained ones in the model's type (`model.safetensors`), and what the
/// package leaves alone of `modelWeights`, the directory that it was trained from. Fails on a
/// trained value that is not finite.
Status writeResult(const Package &package, const Instance &instance,
                   const std::string &modelWeights, const std::string &directory);

} // namespace ftc::trainer

#endif // FTC_TRAINER_SAVE_H
