//===- ArgumentParser.cpp - words into options -----------------------------===//
// CLI11 behind a function that throws nothing.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ArgumentParser.h"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace ftc::cli {

ParsedArguments parseArguments(const std::vector<ArgumentName> &names,
                               const std::vector<std::string> &words) {
  ParsedArguments parsed;
  try {
    CLI::App app;
    app.set_help_flag();
    app.allow_extras();
    std::vector<CLI::Option *> options;
    for (const ArgumentName &name : names) {
      if (name.takesAll)
        options.push_back(app.add_option(name.names)->expected(-1)->take_all());
      else if (name.takesValue)
        options.push_back(
            app.add_option(name.names)->expected(1)->allow_extra_args(false)->take_all());
      else
        options.push_back(app.add_flag(name.names)->take_all());
    }
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    app.parse(reversed);
    for (size_t i = 0; i < names.size(); ++i)
      if (options[i]->count() > 0)
        parsed.values[names[i].names] = options[i]->results();
    parsed.unexpected = app.remaining();
  } catch (const std::exception &failure) {
    parsed.error = failure.what();
    // One line, whatever CLI11 says.
    std::replace(parsed.error.begin(), parsed.error.end(), '\n', ' ');
    if (parsed.error.empty())
      parsed.error = "the arguments cannot be read";
  }
  return parsed;
}

} // namespace ftc::cli
