//===- CompileCuda.cpp - ftc compile for GPUs -----------------------------===//
// Prints the kernels, asks nvcc for cubins, writes the directory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CompileCuda.h"
#include "MakePackage.h"

#include "ftc/Package/Inspect.h"
#include "ftc/Package/Package.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Target/CUDA/CUDA.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <filesystem>

using namespace mlir;
using namespace ftc;

static std::vector<std::string> architecturesOf(llvm::StringRef names) {
  std::vector<std::string> result;
  llvm::SmallVector<llvm::StringRef> parts;
  names.split(parts, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/true);
  for (llvm::StringRef part : parts)
    if (!llvm::is_contained(result, part.trim()))
      result.push_back(part.trim().str());
  return result;
}

Status ftc::checkGpuArchitectures(const std::string &names) {
  const std::vector<std::string> known = cuda::gpuArchitectures();
  for (const std::string &name : architecturesOf(names))
    if (!llvm::is_contained(known, name))
      return makeError("--gpu-arch", ftc::quoted(name) +
                                         " is no architecture that ftc knows; expected " +
                                         llvm::join(known, ", ") + didYouMean(name, known));
  return Status::ok();
}

Status ftc::checkOutputDirectory(const std::string &path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return Status::ok();
  if (!std::filesystem::is_directory(path, error))
    return makeError(path, "is a file; --emit=cuda writes a directory");
  if (!std::filesystem::is_empty(path, error))
    return makeError(path, "is not empty; --emit=cuda writes a new directory");
  return Status::ok();
}

Result<PackageContents> ftc::cudaContents(ModuleOp module, const CompileOptions &options,
                                          DiagnosticCollector &diagnostics) {
  FailureOr<std::vector<cuda::SourceFile>> sources = cuda::printKernels(module);
  if (failed(sources))
    return diagnostics.takeError("the kernels could not be printed");
  PackageContents contents;
  contents.target = options.target;
  const std::vector<std::string> architectures = architecturesOf(options.gpuArch);
  contents.arch = architectures.front();
  contents.productWorkspace = cuda::kProductWorkspace;
  for (const cuda::SourceFile &source : *sources)
    contents.sources.emplace_back(source.name, source.text);
  if (options.cubins == "none" || options.emit == "cuda")
    return contents;
  std::string nvcc = cuda::findNvcc(), error;
  if (nvcc.empty() && options.cubins == "require")
    return makeError("--cubins=require", "finds no nvcc on PATH, in CUDA_HOME or /usr/local/cuda");
  for (const std::string &arch : architectures) {
    if (nvcc.empty())
      break;
    FailureOr<cuda::Cubin> cubin = cuda::compileCubin(nvcc, arch, *sources, error);
    // A compiler that is there and refuses is no reason to leave the code out silently.
    if (failed(cubin))
      return makeError("nvcc for " + arch, error + "; --cubins=none leaves it to the runtime");
    contents.cubins.push_back({cubin->arch, std::move(cubin->code)});
  }
  return contents;
}

/// What the package says of itself, and its tensors.
static std::string manifest(const Package &package) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::json::OStream json(os, 2);
  json.object([&] {
    json.attributeBegin("step");
    json.rawValue(llvm::StringRef(inspectJson(package)).trim());
    json.attributeEnd();
    json.attributeArray("tensors", [&] {
      int64_t parameter = 0;
      for (const package::Tensor *tensor : *package.root().tensors())
        json.object([&] {
          bool bound = tensor->role() == package::Role::base;
          json.attribute("name", tensor->name()->str());
          json.attribute("key", tensor->key()->str());
          json.attribute("role", package::EnumNameRole(tensor->role()));
          json.attribute("dtype", package::EnumNameDType(tensor->dtype()));
          json.attributeArray("shape", [&] {
            for (int64_t size : *tensor->shape())
              json.value(size);
          });
          json.attribute("bytes", static_cast<int64_t>(tensor->bytes()));
          if (bound)
            json.attribute("parameter", parameter++);
          else
            json.attribute("offset", static_cast<int64_t>(tensor->offset()));
        });
    });
  });
  return os.str() + "\n";
}

static Status writeFile(const std::string &directory, const std::string &name,
                        const std::string &text) {
  const std::string path = joinPath(directory, name);
  if (Status status = makeDirectories(directoryName(path)); !status)
    return status;
  return writeFileAtomically(path, text);
}

Status ftc::emitCuda(ModuleOp module, const CompileOptions &options,
                     DiagnosticCollector &diagnostics, CompileReport &report) {
  Result<PackageContents> contents = cudaContents(module, options, diagnostics);
  if (!contents)
    return contents.takeError();
  FailureOr<std::vector<cuda::SourceFile>> step = cuda::printStep(module);
  if (failed(step))
    return diagnostics.takeError("the step could not be printed");
  report.lap("kernels");
  Result<MadePackage> made = makePackage(module, *contents, options.output, diagnostics);
  if (!made)
    return made.takeError();

  Result<AtomicDirectory> directory = AtomicDirectory::create(options.output);
  if (!directory)
    return directory.takeError();
  uint64_t written = 0;
  for (const auto &[name, text] : contents->sources)
    if (Status status = writeFile(directory->path(), name, text); !status)
      return status;
    else
      written += text.size();
  for (const cuda::SourceFile &file : *step)
    if (Status status = writeFile(directory->path(), file.name, file.text); !status)
      return status;
    else
      written += file.text.size();
  if (Status status = writeFile(directory->path(), "manifest.json", manifest(*made->package));
      !status)
    return status;
  if (Status status = directory->commit(); !status)
    return status;
  report.lap("package");
  report.summarize(*made->package, written, options);
  return Status::ok();
}
