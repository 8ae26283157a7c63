//===- AdapterFile.cpp - an adapter's file, whatever its method -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Pipelines/AdapterFile.h"

#include "ReadDump.h"
#include "ftc/Frontend/AdapterTemplate.h"
#include "ftc/Support/AtomicFile.h"

using namespace ftc;

static Result<MethodConfig> readTemplate(mlir::MLIRContext &context, const std::string &path) {
  Result<std::string> text = readFile(path);
  if (!text)
    return text.takeError();
  if (std::string why = unreadable(*text); !why.empty())
    return makeError(path, why);
  return readAdapterTemplate(context, path, *text);
}

Result<AdapterSpec> ftc::readAdapter(mlir::MLIRContext &context, const std::string &path) {
  AdapterSpec adapter = AdapterSpec::fullFineTuning();
  if (path == "none")
    return adapter;
  if (std::optional<std::string> found = findAdapterTemplate(path)) {
    Result<MethodConfig> config = readTemplate(context, *found);
    if (!config)
      return config.takeError();
    adapter.other = std::move(*config);
    return adapter;
  }
  Result<std::optional<MethodConfig>> other = readMethodConfig(path);
  if (!other)
    return other.takeError();
  adapter.other = std::move(*other);
  if (adapter.other)
    return adapter;
  Result<AdapterConfig> lora = readAdapterConfig(path);
  if (!lora)
    return lora.takeError();
  adapter.lora = std::move(*lora);
  return adapter;
}
