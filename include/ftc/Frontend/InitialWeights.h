//===- InitialWeights.h - random weights in Hugging Face's layout ----------===//
// A model directory to try things out with.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_FRONTEND_INITIALWEIGHTS_H
#define FTC_FRONTEND_INITIALWEIGHTS_H

#include "ftc/Frontend/ModelConfig.h"

namespace ftc {

/// Makes the directory `outDir` (which must not exist, or be empty) with `config.json`, the text
/// that was read, and `model.safetensors` in the config's dtype: matrices normal with standard
/// deviation `initializer_range`, norm weights 1, biases 0. Element i of a matrix is the Philox
/// normal of (seed, hash of its name, step 0, i), so a weight does not depend on the rest of the
/// model. The directory appears whole or not at all; memory is a few megabytes whatever the model's
/// size.
Status writeInitialWeights(const ModelConfig &config, uint64_t seed, const std::string &outDir);

} // namespace ftc

#endif // FTC_FRONTEND_INITIALWEIGHTS_H
