//===- TrainConfigTable.h - one row for each key ---------------------------===//
// The tables behind TrainConfig: supported keys, refused keys, keys without effect.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_SUPPORT_TRAINCONFIGTABLE_H
#define FTC_LIB_SUPPORT_TRAINCONFIGTABLE_H

#include "ftc/Support/TrainConfig.h"

#include <variant>

namespace ftc::detail {

/// The member a key fills; its type is the key's kind.
using TrainConfigField =
    std::variant<bool TrainConfig::*, int64_t TrainConfig::*, double TrainConfig::*,
                 std::string TrainConfig::*, StepCount TrainConfig::*,
                 std::optional<int64_t> TrainConfig::*, std::optional<StepCount> TrainConfig::*,
                 std::vector<std::string> TrainConfig::*, Mesh TrainConfig::*,
                 ByteSize TrainConfig::*, json::Value TrainConfig::*>;

enum class When : bool { Compile, Run };

struct TrainConfigRow {
  const char *name;
  TrainConfigField field;
  When when;
  /// What a right value is, for messages: "must be ...".
  const char *expected;
  /// Holds for the numbers that are right; null accepts all.
  bool (*holds)(double) = nullptr;
  /// For strings: the accepted words, separated by spaces; null accepts all.
  const char *words = nullptr;
};

/// All supported keys, in the order in which they are printed and compared.
const std::vector<TrainConfigRow> &trainConfigRows();
const TrainConfigRow *findTrainConfigRow(std::string_view name);

/// Reads one value into the row's member. `where` is the value's place.
Status readField(TrainConfig &config, const TrainConfigRow &row, const json::Value &value,
                 const std::string &where);
/// The member as a value that readField takes back.
json::Value writeField(const TrainConfig &config, const TrainConfigRow &row);

/// A key of transformers or TRL that we do not implement. A value listed in `neutral` (JSON texts
/// separated by spaces; whole numbers without a point) is what absence means, and accepted; any
/// other is refused with `reason`. When `neutral` is null the key has no bearing on the result, and
/// is accepted with a warning that gives `reason`.
struct ForeignKey {
  const char *name;
  const char *neutral;
  const char *reason;
};
const ForeignKey *findForeignKey(std::string_view name);
bool isNeutral(const ForeignKey &key, const json::Value &value);

/// The present name of a deprecated key; empty when it is none.
std::string_view presentName(std::string_view deprecated);

} // namespace ftc::detail

#endif // FTC_LIB_SUPPORT_TRAINCONFIGTABLE_H
