//===- JsonMembers.h - JSON objects of many members ------------------------===//
// The strict reader of Json.h for a text whose tree nobody needs as a whole.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_JSONMEMBERS_H
#define FTC_SUPPORT_JSONMEMBERS_H

#include "ftc/Support/Json.h"

#include <functional>

namespace ftc::json {

/// Parses as json::parse does, but the members of the root object go to `sink` one by one, as soon
/// as each is complete, and are not in the value that is returned. An error of the sink ends the
/// reading. A key of the root that is given twice is the sink's to find. A member may take half the
/// memory that json::parse allows for all.
Result<Value> parseMembers(std::string_view text, std::string_view file,
                           const ParseOptions &options, std::function<Status(Member &&)> sink);

} // namespace ftc::json

#endif // FTC_SUPPORT_JSONMEMBERS_H
