//===- Inspect.cpp - ftc inspect -------------------------------------------===//
// What `ftc inspect` takes, and what it prints of a package.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Commands.h"

#include "ftc/Package/Inspect.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Trainer/Commands.h"

#include <cstdio>
#include <memory>

namespace ftc::cli {

namespace {

struct Flags {
  std::string path;
  bool json = false;
};

Status inspect(const Flags &flags) {
  if (isDirectory(flags.path))
    return trainer::runInspectOutput(flags.path, flags.json);
  Result<std::unique_ptr<Package>> package = Package::open(flags.path);
  if (!package)
    return package.takeError();
  std::string text = flags.json ? inspectJson(**package) : inspectText(**package);
  if (text.empty() || text.back() != '\n')
    text += '\n';
  std::fputs(text.c_str(), stdout);
  return Status::ok();
}

} // namespace

Command inspectCommand() {
  auto flags = std::make_shared<Flags>();
  Command command("inspect", "show what is in a package, or how a run went");
  command.synopsis = "PKG|OUTDIR [--json]";
  command.about =
      "For a package: its target, entry points, planned memory by category, kernels with their "
      "operations and bytes, and what each pass did. For an output directory of 'ftc train': "
      "steps, "
      "tokens, losses and the loss curve.";
  command.example = "ftc inspect lora.ftp";
  command.positional("PATH", &flags->path, "a package, or an output directory of 'ftc train'");
  command.flag("--json", &flags->json, "print JSON, all sizes in bytes");
  command.run = [flags] { return exitStatus(inspect(*flags)); };
  return command;
}

} // namespace ftc::cli
