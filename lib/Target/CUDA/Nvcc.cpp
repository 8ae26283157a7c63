//===- Nvcc.cpp - cubins, where nvcc is at hand ---------------------------===//
// Runs the compiler over a temporary copy of the sources.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Target/CUDA/CUDA.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using namespace mlir;
using namespace ftc;
using namespace ftc::cuda;

std::string cuda::findNvcc() {
  std::vector<std::string> folders;
  if (const char *home = std::getenv("CUDA_HOME"))
    folders.push_back(std::string(home) + "/bin");
  folders.emplace_back("/usr/local/cuda/bin");
  if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("nvcc"))
    return *found;
  for (const std::string &folder : folders)
    if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("nvcc", {folder}))
      return *found;
  return "";
}

static bool writeFile(StringRef folder, const SourceFile &file) {
  SmallString<128> path = folder;
  llvm::sys::path::append(path, file.name);
  if (llvm::sys::fs::create_directories(llvm::sys::path::parent_path(path)))
    return false;
  std::error_code error;
  llvm::raw_fd_ostream os(path, error);
  os << file.text;
  os.close();
  bool written = !error && !os.has_error();
  os.clear_error();
  return written;
}

static std::string firstLine(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().trim().split('\n').first.str() : "";
}

FailureOr<Cubin> cuda::compileCubin(const std::string &nvcc, const std::string &arch,
                                    const std::vector<SourceFile> &sources, std::string &error) {
  SmallString<128> folder;
  if (llvm::sys::fs::createUniqueDirectory("ftc-nvcc", folder)) {
    error = "a temporary folder cannot be made";
    return failure();
  }
  auto remove = llvm::scope_exit([&] {
    [[maybe_unused]] std::error_code ignored = llvm::sys::fs::remove_directories(folder);
  });
  for (const SourceFile &file : sources)
    if (!writeFile(folder, file)) {
      error = (folder + "/" + file.name + ": cannot be written").str();
      return failure();
    }
  std::string source = (folder + "/" + sources.front().name).str(),
              output = (folder + "/kernels.cubin").str(), log = (folder + "/log").str();
  std::string include = ("-I" + folder).str(), target = "-arch=" + arch;
  StringRef arguments[] = {nvcc,      "-std=c++17", "-cubin", target, include,
                           "-Xptxas", "-O3",        "-o",     output, source};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log), StringRef(log)};
  int status = llvm::sys::ExecuteAndWait(nvcc, arguments, std::nullopt, redirects,
                                         /*SecondsToWait=*/600, /*MemoryLimit=*/0, &error);
  if (status != 0) {
    if (error.empty())
      error = nvcc + ": " + firstLine(log);
    return failure();
  }
  auto buffer = llvm::MemoryBuffer::getFile(output, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer) {
    error = nvcc + ": left no cubin";
    return failure();
  }
  return Cubin{arch, std::vector<char>((*buffer)->getBufferStart(), (*buffer)->getBufferEnd())};
}
