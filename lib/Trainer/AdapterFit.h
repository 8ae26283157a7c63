//===- AdapterFit.h - an adapter's config beside the package's -------------===//
// Two adapters with equal tensors may still compute different things.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TRAINER_ADAPTERFIT_H
#define FTC_LIB_TRAINER_ADAPTERFIT_H

#include "ftc/Trainer/Session.h"

namespace ftc::trainer {

/// Whether `directory`/adapter_config.json, where there is one, means what the package was compiled
/// for: the method, its scaling and form. What decides names and shapes of tensors, dropout and
/// initial values are not compared: the tensors tell, or they may change. Fails at the first key
/// that differs.
Status checkAdapterConfig(const Package &package, const std::string &directory);

} // namespace ftc::trainer

#endif // FTC_LIB_TRAINER_ADAPTERFIT_H
