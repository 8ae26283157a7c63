//===- CudaModule.cpp - a package's kernels on a GPU -----------------------===//
// Choosing a cubin, compiling where there is none, loading.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CudaModule.h"

#include <algorithm>

namespace ftc {

namespace {

/// `sm_90a` as its compute capability, with 2 for code of exactly that device, 1 for a device of
/// the same major from that minor on.
struct Architecture {
  int capability = 0; ///< major * 10 + minor
  bool exact = false;
};

Architecture parseArch(std::string_view arch) {
  Architecture result;
  for (char c : arch.substr(3)) {
    if (c >= '0' && c <= '9')
      result.capability = result.capability * 10 + (c - '0');
    else
      result.exact = true;
  }
  return result;
}

std::string archsOf(const package::Package &package) {
  std::string archs;
  if (package.cubins())
    for (const package::Cubin *cubin : *package.cubins())
      archs += (archs.empty() ? "" : ", ") + cubin->arch()->str();
  return archs;
}

/// The lines of a compiler's log that say what is wrong, the first few of them.
std::vector<std::string> errorLines(const std::string &log) {
  constexpr size_t shown = 3;
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < log.size() && lines.size() < shown;) {
    size_t end = std::min(log.find('\n', begin), log.size());
    std::string line = log.substr(begin, end - begin);
    if (line.find("error") != std::string::npos)
      lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

} // namespace

Outcome cudaOutcome(const Package &package, const cuda::Status &status) {
  switch (status.fault()) {
  case cuda::Fault::none:
    return Outcome::ok();
  case cuda::Fault::unsupported:
    return Outcome(FTC_UNSUPPORTED, makeError(package.path(), status.text()));
  case cuda::Fault::outOfMemory:
    return Outcome(FTC_OUT_OF_MEMORY, makeError(package.path(), status.text()));
  case cuda::Fault::invalid:
    return Outcome(FTC_INVALID_PACKAGE, makeError(package.path(), status.text()));
  case cuda::Fault::internal:
    break;
  }
  return Outcome(FTC_INTERNAL, makeError(package.path(), status.text()));
}

std::optional<uint32_t> fittingCubin(const package::Package &package, int major, int minor) {
  int device = major * 10 + minor, best = -1;
  std::optional<uint32_t> found;
  for (uint32_t i = 0; package.cubins() && i < package.cubins()->size(); ++i) {
    Architecture arch = parseArch(package.cubins()->Get(i)->arch()->string_view());
    bool fits = arch.exact ? arch.capability == device
                           : arch.capability / 10 == major && arch.capability <= device;
    int rank = arch.capability * 2 + arch.exact;
    if (fits && rank > best) {
      best = rank;
      found = i;
    }
  }
  return found;
}

Result<std::vector<char>> compileSources(const Package &package, const std::string &arch) {
  const cuda::Nvrtc *nvrtc = nullptr;
  if (cuda::Status status = cuda::load(nvrtc); !status)
    return makeError(package.path(), status.text());
  const auto &sources = *package->sources();
  std::vector<const char *> headers, names;
  for (uint32_t i = 1; i < sources.size(); ++i) {
    headers.push_back(sources[i]->text()->c_str());
    names.push_back(sources[i]->name()->c_str());
  }
  cuda::Nvrtc::Program program = nullptr;
  int error =
      nvrtc->createProgram(&program, sources[0]->text()->c_str(), sources[0]->name()->c_str(),
                           static_cast<int>(headers.size()), headers.data(), names.data());
  std::string archOption = "--gpu-architecture=" + arch;
  const char *options[] = {archOption.c_str(), "--std=c++17"};
  if (!error)
    error = nvrtc->compileProgram(program, 2, options);
  std::string log;
  size_t size = 0;
  if (error && program && nvrtc->getLogSize(program, &size) == 0 && size > 1) {
    log.resize(size);
    if (nvrtc->getLog(program, log.data()) != 0)
      log.clear();
  }
  std::vector<char> cubin;
  if (!error)
    error = nvrtc->getCubinSize(program, &size);
  if (!error) {
    cubin.resize(size);
    error = nvrtc->getCubin(program, cubin.data());
  }
  if (program)
    (void)nvrtc->destroyProgram(&program);
  if (!error)
    return cubin;
  Error failure = makeError(package.path(), "NVRTC cannot compile its sources for " + arch + ": " +
                                                nvrtc->getErrorString(error));
  for (std::string &line : errorLines(log))
    failure.note(std::move(line));
  return failure;
}

CudaModule::~CudaModule() {
  if (library)
    (void)device->driver().libraryUnload(library);
}

Outcome CudaModule::load(const Package &package, const cuda::Device &target) {
  device = &target;
  auto loadImage = [&](const void *image) {
    return target.driver().libraryLoad(&library, image, nullptr, nullptr, 0, nullptr, nullptr, 0);
  };
  std::string about = target.name() + " (" + target.arch() + ')';
  std::optional<uint32_t> fitting =
      fittingCubin(package.root(), target.computeMajor(), target.computeMinor());
  std::string why;
  if (fitting) {
    const package::Cubin &cubin = *package->cubins()->Get(*fitting);
    int error = loadImage(cubin.code()->data());
    if (!error)
      return Outcome::ok();
    why = "its cubin for " + cubin.arch()->str() + " cannot be loaded: " + cuda::describe(error);
  } else {
    std::string archs = archsOf(package.root());
    why = archs.empty() ? "it has no cubins" : "it has cubins for " + archs;
  }
  Result<std::vector<char>> compiled = compileSources(package, target.arch());
  if (!compiled) {
    Error error = makeError(package.path(), "has no code for " + about + ": " + why + ", and " +
                                                compiled.error().message);
    for (const std::string &note : compiled.error().notes)
      error.note(note);
    return Outcome(FTC_UNSUPPORTED, std::move(error));
  }
  if (int error = loadImage(compiled->data()))
    return cudaOutcome(package, cuda::failure(error, "load the kernels compiled for " + about));
  return Outcome::ok();
}

cuda::Status CudaModule::find(const char *name, uint32_t sharedBytes,
                              cuda::driver::Kernel &kernel) const {
  constexpr uint32_t withoutAsking = 48 * 1024;
  const cuda::Driver &functions = device->driver();
  if (int error = functions.libraryGetKernel(&kernel, library, name))
    return cuda::Status(cuda::Fault::invalid, "its device code has no kernel '" +
                                                  std::string(name) +
                                                  "': " + cuda::describe(error));
  if (sharedBytes > static_cast<uint32_t>(device->sharedBytes()))
    return cuda::Status(cuda::Fault::unsupported,
                        "kernel '" + std::string(name) + "' needs " + std::to_string(sharedBytes) +
                            " bytes of shared memory, but a block on " + device->name() +
                            " has at most " + std::to_string(device->sharedBytes()) +
                            "; compile for " + device->arch());
  if (sharedBytes <= withoutAsking)
    return cuda::Status();
  return cuda::failure(functions.kernelSetAttribute(cuda::driver::maxDynamicSharedMemory,
                                                    static_cast<int>(sharedBytes), kernel,
                                                    device->ordinal()),
                       "give kernel '" + std::string(name) + "' its shared memory");
}

} // namespace ftc
