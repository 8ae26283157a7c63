//===- Commands.h - the commands of ftc ------------------------------------===//
// One function a command, each in a file of its own.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TOOLS_FTC_COMMANDS_H
#define FTC_TOOLS_FTC_COMMANDS_H

#include "CommandLine.h"

namespace ftc::cli {

Command compileCommand(const std::string &programName);
Command trainCommand();
Command gradientsCommand();
Command evaluateCommand();
Command inspectCommand();
Command plotCommand();
Command initWeightsCommand();

} // namespace ftc::cli

#endif // FTC_TOOLS_FTC_COMMANDS_H
