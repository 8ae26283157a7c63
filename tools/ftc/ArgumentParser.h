//===- ArgumentParser.h - words into options -------------------------------===//
// The only door to CLI11: takes names, gives values, throws nothing.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TOOLS_FTC_ARGUMENTPARSER_H
#define FTC_TOOLS_FTC_ARGUMENTPARSER_H

#include <map>
#include <string>
#include <vector>

namespace ftc::cli {

/// One name that a command knows: `--output`, `-o,--output`, or a positional `PKG`.
struct ArgumentName {
  std::string names;
  bool takesValue = true;
  bool takesAll = false; ///< of a positional: all that are left
};

struct ParsedArguments {
  /// By ArgumentName::names: the values in order, for flags one text each time the flag is there.
  std::map<std::string, std::vector<std::string>> values;
  /// Words that belong to no name, in order.
  std::vector<std::string> unexpected;
  /// Why the words cannot be read; empty when they can.
  std::string error;
};

ParsedArguments parseArguments(const std::vector<ArgumentName> &names,
                               const std::vector<std::string> &words);

} // namespace ftc::cli

#endif // FTC_TOOLS_FTC_ARGUMENTPARSER_H
