//===- Inspect.cpp - the flags of ftc inspect ------------------------------===//
// What `ftc inspect` takes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Commands.h"

#include "ftc/Trainer/Commands.h"

#include <memory>

namespace ftc {

Command inspectCommand() {
  auto options = std::make_shared<InspectOptions>();
  Command command("inspect", "show what is in a package, or how a run went");
  command.synopsis = "PKG|OUTDIR [--json]";
  command.about =
      "For a package: its target, entry points, planned memory by category, kernels with their "
      "operations and bytes, and what each pass did. For an output directory of 'ftc train': "
      "steps, "
      "tokens, losses and the loss curve.";
  command.example = "ftc inspect lora.ftp";
  command.positional("PATH", &options->path, "a package, or an output directory of 'ftc train'");
  command.flag("--json", &options->json, "print JSON, all sizes in bytes");
  command.run = [options] { return runInspect(*options); };
  return command;
}

} // namespace ftc
