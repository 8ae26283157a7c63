//===- Link.cpp - an object to a shared object ----------------------------===//
// lld in this process, by way of a temporary folder.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CodeGen.h"

#include "lld/Common/Driver.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace mlir;
using namespace ftc;
using namespace ftc::cpu;

namespace {

/// A folder of this process, removed with all that is in it.
class TemporaryFolder {
public:
  std::error_code create() { return llvm::sys::fs::createUniqueDirectory("ftc-link", path); }
  ~TemporaryFolder() {
    if (path.empty())
      return;
    // What stays lies in the system's temporary folder.
    [[maybe_unused]] std::error_code ignored = llvm::sys::fs::remove_directories(path);
  }
  std::string file(StringRef name) const { return (path + "/" + name).str(); }

private:
  SmallString<128> path;
};

/// lld resets the registered options of llvm::cl to their defaults: those that the command line has
/// set are taken off the register until it is done.
class OptionsKept {
public:
  OptionsKept() {
    llvm::SmallPtrSet<llvm::cl::Option *, 16> seen;
    for (auto &entry : llvm::cl::getRegisteredOptions())
      if (entry.second->getNumOccurrences() > 0 && seen.insert(entry.second).second)
        options.push_back(entry.second);
    for (llvm::cl::Option *option : options)
      option->removeArgument();
  }
  ~OptionsKept() {
    for (llvm::cl::Option *option : options)
      option->addArgument();
  }

private:
  SmallVector<llvm::cl::Option *> options;
};

} // namespace

FailureOr<std::vector<char>> cpu::linkSharedObject(ModuleOp module, ArrayRef<char> object) {
  TemporaryFolder folder;
  if (std::error_code error = folder.create())
    return module.emitError("cannot make a temporary folder to link in: ") << error.message();
  std::string input = folder.file("kernels.o"), output = folder.file("kernels.so");
  {
    std::error_code error;
    llvm::raw_fd_ostream stream(input, error);
    if (!error) {
      stream.write(object.data(), object.size());
      stream.close();
      error = stream.error();
      stream.clear_error();
    }
    if (error)
      return module.emitError("cannot write an object file to link: ") << error.message();
  }

  std::string messages;
  {
    llvm::raw_string_ostream stream(messages);
    const char *arguments[] = {"ld.lld",
                               "-shared",
                               "-z",
                               "defs",
                               "-z",
                               "noseparate-code",
                               "-s",
                               "--build-id=none",
                               "--hash-style=gnu",
                               "--threads=1",
                               "-o",
                               output.c_str(),
                               input.c_str()};
    // Two links at once crash, and one that crashed must not be followed by another.
    static std::mutex mutex;
    static bool canRun = true;
    std::lock_guard<std::mutex> lock(mutex);
    if (!canRun)
      return module.emitError("the linker crashed earlier in this process; run it anew");
    OptionsKept kept;
    lld::Result result = lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
    canRun = result.canRunAgain;
    if (result.retCode != 0)
      return module.emitError("kernels could not be linked: ")
             << StringRef(messages).split('\n').first;
  }
  auto linked = llvm::MemoryBuffer::getFile(output, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!linked)
    return module.emitError("cannot read the linked kernels: ") << linked.getError().message();
  StringRef bytes = (*linked)->getBuffer();
  return std::vector<char>(bytes.begin(), bytes.end());
}
