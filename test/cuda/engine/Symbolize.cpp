//===- Symbolize.cpp - source lines of code addresses ----------------------===//
// Runs the tool on the object that holds the address; only ever after a mistake.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "engine/Symbolize.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>

namespace ftc_on_cpu {

SourceLines symbolize(const void *instruction) {
  SourceLines lines;
  Dl_info object;
  if (!dladdr(instruction, &object) || !object.dli_fname || strchr(object.dli_fname, '\''))
    return lines;
  auto offset =
      reinterpret_cast<uintptr_t>(instruction) - reinterpret_cast<uintptr_t>(object.dli_fbase);
  char command[4096];
  std::snprintf(
      command, sizeof command,
      "llvm-symbolizer-22 --functions=none --inlining --relativenames --obj='%s' 0x%zx 2>/dev/null",
      object.dli_fname, static_cast<size_t>(offset));
  FILE *output = popen(command, "r");
  if (!output)
    return lines;
  char line[1024];
  for (int depth = 0; depth < 6 && std::fgets(line, sizeof line, output); ++depth) {
    line[strcspn(line, "\n")] = 0;
    char *column = strrchr(line, ':');
    if (!column || line[0] == '?')
      break;
    *column = 0;
    if (lines.place.empty())
      lines.place = line;
    else
      lines.callers += (lines.callers.empty() ? ", called from " : ", ") + std::string(line);
  }
  pclose(output);
  return lines;
}

} // namespace ftc_on_cpu
