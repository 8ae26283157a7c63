//===- Outcome.h - errors with the code of the C interface -----------------===//
// Status for functions whose failures are of more than one kind.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_OUTCOME_H
#define FTC_RUNTIME_OUTCOME_H

#include "ftc/Support/Error.h"
#include "ftc/runtime.h"

#include <optional>
#include <string>

namespace ftc {

/// Success, or an Error and what kind it is of.
class [[nodiscard]] Outcome {
public:
  static Outcome ok() { return Outcome(); }
  Outcome(ftc_code code, Error error) : kind(code), failure(std::move(error)) {}

  explicit operator bool() const { return !failure; }
  ftc_code code() const { return kind; }
  const Error &error() const { return *failure; }

private:
  Outcome() = default;
  ftc_code kind = FTC_OK;
  std::optional<Error> failure;
};

inline Outcome invalidArgument(std::string where, std::string message) {
  return Outcome(FTC_INVALID_ARGUMENT, makeError(std::move(where), std::move(message)));
}

} // namespace ftc

#endif // FTC_RUNTIME_OUTCOME_H
