//===- HelpText.cpp - what --help prints -----------------------------------===//
// Paragraphs and columns of at most 80 characters.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CommandLine.h"

#include <algorithm>

namespace ftc::cli {

namespace {

constexpr size_t kWidth = 80;

/// Words in lines of at most kWidth characters; lines but the first are indented.
std::string wrapped(const std::string &text, size_t firstColumn, size_t indent) {
  std::string result;
  size_t column = firstColumn;
  bool lineHasWord = false;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find(' ', at), text.size());
    std::string word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty())
      continue;
    if (lineHasWord && column + 1 + word.size() > kWidth) {
      result += '\n' + std::string(indent, ' ');
      column = indent;
      lineHasWord = false;
    }
    result += (lineHasWord ? " " : "") + word;
    column += word.size() + (lineHasWord ? 1 : 0);
    lineHasWord = true;
  }
  return result + '\n';
}

/// A left column and its explanation.
std::string entry(const std::string &left, const std::string &text, size_t indent) {
  std::string line = "  " + left;
  if (line.size() + 2 > indent)
    line += '\n' + std::string(indent, ' ');
  else
    line += std::string(indent - line.size(), ' ');
  return line + wrapped(text, indent, indent);
}

std::string leftColumn(const Argument &argument) {
  if (argument.isPositional())
    return argument.valueName;
  std::string names = argument.names;
  if (size_t comma = names.find(','); comma != std::string::npos)
    names.insert(comma + 1, " ");
  return argument.valueName.empty() ? names : names + ' ' + argument.valueName;
}

std::string explanation(const Argument &argument) {
  std::string text = argument.help;
  if (argument.required)
    text += " [required]";
  return text;
}

} // namespace

std::string programHelp(const ProgramText &program, const std::vector<Command> &commands) {
  std::string text = wrapped(program.about, 0, 0);
  text += "\nUsage: " + program.name + " COMMAND [ARGUMENT...]\n\nCommands:\n";
  size_t indent = 0;
  for (const Command &command : commands)
    indent = std::max(indent, command.name.size() + 4);
  for (const Command &command : commands)
    text += entry(command.name, command.summary, indent);
  text += "\nExample:\n" + program.example + '\n';
  text += "'" + program.name + " COMMAND --help' explains a command; '" + program.name +
          " --version' prints the version.\n";
  return text + "Exit status: 0 done, 1 an error (told on stderr), 2 wrong usage.\n";
}

std::string commandHelp(const ProgramText &program, const Command &command) {
  std::string start = "Usage: " + program.name + ' ' + command.name + ' ';
  std::string text = start + wrapped(command.synopsis, start.size(), start.size());
  text += '\n' + wrapped(command.about, 0, 0);
  size_t indent = std::string("  -h, --help  ").size();
  for (const Argument &argument : command.arguments)
    indent = std::max(indent, leftColumn(argument).size() + 4);
  indent = std::min<size_t>(indent, 30);
  for (bool positionals : {true, false}) {
    bool isFirst = true;
    for (const Argument &argument : command.arguments) {
      if (argument.isPositional() != positionals)
        continue;
      if (isFirst)
        text += positionals ? "\nArguments:\n" : "\nOptions:\n";
      isFirst = false;
      text += entry(leftColumn(argument), explanation(argument), indent);
    }
    if (!positionals)
      text += entry("-h, --help", "print this help", indent);
  }
  return text + "\nExample:\n  " + command.example + '\n';
}

} // namespace ftc::cli
