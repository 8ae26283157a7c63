//===- CommandLine.cpp - the commands of a program -------------------------===//
// Checks what was given against what a command takes; wrong usage is one line.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CommandLine.h"

#include "ArgumentParser.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace ftc::cli {

std::string Argument::name() const {
  size_t comma = names.find(',');
  return comma == std::string::npos ? names : names.substr(comma + 1);
}

Argument &Command::option(std::string names, std::string valueName, std::string *target,
                          std::string help) {
  Argument argument;
  argument.names = std::move(names);
  argument.valueName = std::move(valueName);
  argument.help = std::move(help);
  argument.store = [target](const std::string &value) -> std::optional<std::string> {
    if (value.empty())
      return "a value that is not empty";
    *target = value;
    return std::nullopt;
  };
  arguments.push_back(std::move(argument));
  return arguments.back();
}

Argument &Command::positional(std::string argumentName, std::string *target, std::string help) {
  Argument &argument = option(argumentName, argumentName, target, std::move(help));
  argument.required = true;
  return argument;
}

Argument &Command::list(std::string names, std::string valueName, std::vector<std::string> *target,
                        std::string help) {
  Argument &argument = option(std::move(names), std::move(valueName), nullptr, std::move(help));
  argument.repeats = true;
  argument.store = [target](const std::string &value) -> std::optional<std::string> {
    target->push_back(value);
    return std::nullopt;
  };
  return argument;
}

Argument &Command::integer(std::string names, int64_t min, int64_t max,
                           std::function<void(int64_t)> target, std::string help) {
  Argument &argument = option(std::move(names), "N", nullptr, std::move(help));
  argument.store = [min, max, target](const std::string &value) -> std::optional<std::string> {
    int64_t number = 0;
    const char *end = value.data() + value.size();
    std::from_chars_result read = std::from_chars(value.data(), end, number);
    if (read.ec != std::errc() || read.ptr != end || number < min || number > max)
      return "an integer from " + std::to_string(min) + " to " + std::to_string(max);
    target(number);
    return std::nullopt;
  };
  return argument;
}

Argument &Command::flag(std::string names, bool *target, std::string help) {
  Argument &argument = option(std::move(names), "", nullptr, std::move(help));
  argument.store = [target](const std::string &) -> std::optional<std::string> {
    *target = true;
    return std::nullopt;
  };
  return argument;
}

namespace {

constexpr char kHelp[] = "-h,--help";

bool startsWith(const std::string &text, const std::string &prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

/// The long names of a command's options.
std::vector<std::string> optionNames(const Command &command) {
  std::vector<std::string> names{"--help"};
  for (const Argument &argument : command.arguments)
    if (!argument.isPositional())
      names.push_back(argument.name());
  return names;
}

/// What is wrong with the values of one argument; nothing when they are right.
std::optional<std::string> takeValues(const Argument &argument,
                                      const std::vector<std::string> &values) {
  if (values.size() > 1 && !argument.repeats && !argument.valueName.empty())
    return argument.name() + " is given " + std::to_string(values.size()) + " times; once is right";
  for (const std::string &value : values) {
    if (argument.valueName.empty() && value != "true")
      return argument.name() + " takes no value, got " + quoted(value);
    if (!argument.choices.empty()) {
      std::string list;
      bool isRight = false;
      for (const std::string &choice : argument.choices) {
        list += (list.empty() ? "" : ", ") + choice;
        isRight |= value == choice;
      }
      if (!isRight)
        return argument.name() + " must be one of " + list + ", got " + quoted(value) +
               didYouMean(value, argument.choices);
    }
    if (std::optional<std::string> expected = argument.store(value))
      return argument.name() + " must be " + *expected + ", got " + quoted(value);
  }
  return std::nullopt;
}

/// An option without its value: at the end, or with another option behind it.
std::optional<std::string> missingValue(const Command &command,
                                        const std::vector<std::string> &words) {
  std::vector<std::string> options = optionNames(command);
  for (const Argument &argument : command.arguments) {
    if (argument.isPositional() || argument.valueName.empty())
      continue;
    std::string shortName = argument.names.substr(0, argument.names.find(','));
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] != argument.name() && words[i] != shortName)
        continue;
      std::string what = argument.name() + " needs a value (" + argument.valueName + ')';
      if (i + 1 == words.size())
        return what;
      if (std::find(options.begin(), options.end(), words[i + 1]) != options.end())
        return what + ", and is followed by " + words[i + 1];
    }
  }
  return std::nullopt;
}

std::optional<std::string> takeArguments(const Command &command, const ParsedArguments &parsed) {
  if (!parsed.error.empty())
    return parsed.error;
  if (!parsed.unexpected.empty()) {
    const std::string &word = parsed.unexpected.front();
    if (word.size() > 1 && word[0] == '-')
      return "no option " + quoted(word) +
             didYouMean(word.substr(0, word.find('=')), optionNames(command));
    return "unexpected argument " + quoted(word);
  }
  for (const Argument &argument : command.arguments) {
    auto values = parsed.values.find(argument.names);
    if (values == parsed.values.end()) {
      if (argument.required)
        return argument.name() + " is missing";
      continue;
    }
    if (std::optional<std::string> wrong = takeValues(argument, values->second))
      return wrong;
  }
  return command.check ? command.check() : std::nullopt;
}

int usageError(const std::string &command, const std::string &what) {
  std::fprintf(stderr, "error: %s: %s (see '%s --help')\n", command.c_str(), what.c_str(),
               command.c_str());
  return 2;
}

int runCommand(const ProgramText &program, const Command &command,
               const std::vector<std::string> &words) {
  std::vector<ArgumentName> names{{kHelp, false}};
  for (const Argument &argument : command.arguments)
    names.push_back(
        {argument.names, !argument.valueName.empty(), argument.isPositional() && argument.repeats});
  std::vector<std::string> own;
  for (const std::string &word : words) {
    bool isPassed = false;
    for (const std::string &prefix : command.passThrough)
      isPassed |= startsWith(word, prefix);
    if (isPassed)
      command.passed->push_back(word);
    else
      own.push_back(word);
  }
  if (std::optional<std::string> wrong = missingValue(command, own))
    return usageError(program.name + ' ' + command.name, *wrong);
  ParsedArguments parsed = parseArguments(names, own);
  if (parsed.values.count(kHelp)) {
    std::fputs(commandHelp(program, command).c_str(), stdout);
    return 0;
  }
  if (std::optional<std::string> wrong = takeArguments(command, parsed))
    return usageError(program.name + ' ' + command.name, *wrong);
  Result<int> status = command.run();
  if (!status) {
    // What was printed before stands before the error where both go to one place.
    std::fflush(stdout);
    printError(status.error());
    return 1;
  }
  return *status;
}

} // namespace

int runCommandLine(const ProgramText &program, const std::vector<Command> &commands,
                   const std::vector<std::string> &words) {
  int result = 0;
  std::string first = words.empty() ? "" : words.front();
  if (words.empty()) {
    result = usageError(program.name, "a command is missing");
  } else if (first == "-h" || first == "--help") {
    std::fputs(programHelp(program, commands).c_str(), stdout);
  } else if (first == "--version") {
    std::printf("%s %s\n", program.name.c_str(), program.version.c_str());
  } else {
    std::vector<std::string> names;
    const Command *found = nullptr;
    for (const Command &command : commands) {
      names.push_back(command.name);
      if (command.name == first)
        found = &command;
    }
    result = found ? runCommand(program, *found, {words.begin() + 1, words.end()})
                   : usageError(program.name, (first[0] == '-' ? "no option " : "no command ") +
                                                  quoted(first) + didYouMean(first, names));
  }
  if ((std::fflush(stdout) != 0 || std::ferror(stdout)) && result == 0) {
    printError(makeError("stdout", "cannot be written"));
    return 1;
  }
  return result;
}

} // namespace ftc::cli
