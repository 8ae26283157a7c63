//===- TemplateFuzz.cpp - an adapter as a template --------------------------===//
// The head of a template, and the module that it is for one size.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Contexts.h"
#include "FuzzTarget.h"
#include "ftc/Frontend/AdapterTemplate.h"
#include "lib/Pipelines/ReadDump.h"

using namespace ftc;

void fuzz::readInput(std::string_view input) {
  const char *path = "adapter.mlir";
  if (!unreadable({input.data(), input.size()}).empty())
    return;
  mlir::MLIRContext &context = contextForInput();
  Result<MethodConfig> adapter = readAdapterTemplate(context, path, std::string(input));
  if (!adapter)
    return checkError(adapter.error(), path);
  TemplateSizes sizes;
  sizes.in = 32, sizes.out = 64, sizes.tokens = 16;
  Result<mlir::OwningOpRef<mlir::ModuleOp>> module = instantiate(context, *adapter, sizes);
  if (!module)
    checkError(module.error(), path);
}
