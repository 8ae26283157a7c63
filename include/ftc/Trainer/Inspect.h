//===- Inspect.h - reports as text -----------------------------------------===//
// What `ftc inspect` prints for people, from the JSON that machines get.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_INSPECT_H
#define FTC_TRAINER_INSPECT_H

#include "ftc/Support/Json.h"

namespace ftc {

/// Tables of a package's report (`ftc inspect --json`); what the report lacks is shown as `-`.
std::string packageText(const json::Value &report);

/// Steps, epochs, tokens and the first, last, mean and evaluation loss of a trainer_state.json;
/// what it lacks is left out.
json::Value runSummary(const json::Value &trainerState);

} // namespace ftc

#endif // FTC_TRAINER_INSPECT_H
