//===- CommandLine.h - the commands of a program ---------------------------===//
// What a command takes, where the values go, and how wrong usage is told.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TOOLS_FTC_COMMANDLINE_H
#define FTC_TOOLS_FTC_COMMANDLINE_H

#include "ftc/Support/Error.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ftc::cli {

/// One option or positional argument.
struct Argument {
  std::string names;     ///< `--output`, `-o,--output`, or a positional `PKG`
  std::string valueName; ///< as help shows it; empty for a flag
  std::string help;      ///< with units and the default
  bool required = false;
  bool repeats = false;
  std::vector<std::string> choices; ///< empty: any text
  /// Takes a value; gives what would be right when it is not.
  std::function<std::optional<std::string>(const std::string &)> store;

  bool isPositional() const { return names[0] != '-'; }
  /// The long name, for messages.
  std::string name() const;
};

/// One command: `ftc NAME ...`.
class Command {
public:
  Command(std::string name, std::string summary)
      : name(std::move(name)), summary(std::move(summary)) {}

  // Each appends an argument that fills `target` (which must outlive the command).
  Argument &positional(std::string name, std::string *target, std::string help);
  Argument &option(std::string names, std::string valueName, std::string *target, std::string help);
  Argument &list(std::string names, std::string valueName, std::vector<std::string> *target,
                 std::string help);
  Argument &integer(std::string names, int64_t min, int64_t max,
                    std::function<void(int64_t)> target, std::string help);
  Argument &flag(std::string names, bool *target, std::string help);

  std::string name;
  std::string summary;  ///< one line
  std::string about;    ///< one paragraph
  std::string synopsis; ///< the arguments, after `ftc NAME`
  std::string example;  ///< a whole command line
  std::vector<Argument> arguments;
  /// Words that begin with one of these texts go to `passed`, unread.
  std::vector<std::string> passThrough;
  std::vector<std::string> *passed = nullptr;
  /// Wrong usage that no single argument shows: what it is, or nothing.
  std::function<std::optional<std::string>()> check;
  /// The exit status of a command that did what it was to do, or an error, which is 1.
  std::function<Result<int>()> run;
};

/// Of a command that ends in one way only.
inline Result<int> exitStatus(Status status) {
  return status ? Result<int>(0) : Result<int>(status.takeError());
}

/// What the program says of itself.
struct ProgramText {
  std::string name;
  std::string version;
  std::string about;
  std::string example;
};

/// Finds the command, reads its arguments, runs it. Returns the exit status: the command's, 1 for
/// an error, 2 for wrong usage.
int runCommandLine(const ProgramText &program, const std::vector<Command> &commands,
                   const std::vector<std::string> &words);

// HelpText.cpp
std::string programHelp(const ProgramText &program, const std::vector<Command> &commands);
std::string commandHelp(const ProgramText &program, const Command &command);

} // namespace ftc::cli

#endif // FTC_TOOLS_FTC_COMMANDLINE_H
