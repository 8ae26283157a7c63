//===- Nvrtc.cpp - a stand-in for libnvrtc.so.13 ---------------------------===//
// The interface of NVRTC over the host's C++ compiler; see Compile.h for what a "cubin" is here.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "stand-ins/StandIn.h"
#include "stand-ins/nvrtc/Compile.h"

#include <cstring>
#include <memory>
#include <mutex>
#include <set>

using standin::refuse;

namespace {

// nvrtcResult.
enum Result {
  Success = 0,
  InvalidInput = 3,
  InvalidProgram = 4,
  InvalidOption = 5,
  Compilation = 6,
};

struct Program {
  standin::Source source;
  standin::Binary binary;
  bool compiled = false;
};

std::mutex mutex;
std::set<Program *> &programs() {
  static auto *all = new std::set<Program *>;
  return *all;
}

Program *find(void *handle) {
  std::lock_guard<std::mutex> lock(mutex);
  auto at = programs().find(static_cast<Program *>(handle));
  return at == programs().end() ? nullptr : *at;
}

int noProgram(const char *function) {
  return refuse(function, InvalidProgram, "no such program; create it, and destroy it last");
}

} // namespace

STAND_IN int nvrtcVersion(int *major, int *minor) {
  if (!major || !minor)
    return refuse("nvrtcVersion", InvalidInput, "a null pointer");
  *major = 13;
  *minor = 0;
  return Success;
}

STAND_IN const char *nvrtcGetErrorString(int result) {
  static const char *const names[] = {"NVRTC_SUCCESS",
                                      "NVRTC_ERROR_OUT_OF_MEMORY",
                                      "NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
                                      "NVRTC_ERROR_INVALID_INPUT",
                                      "NVRTC_ERROR_INVALID_PROGRAM",
                                      "NVRTC_ERROR_INVALID_OPTION",
                                      "NVRTC_ERROR_COMPILATION",
                                      "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE"};
  bool known = result >= 0 && result < static_cast<int>(sizeof names / sizeof *names);
  return known ? names[result] : "NVRTC_ERROR unknown";
}

STAND_IN int nvrtcCreateProgram(void **handle, const char *source, const char *name,
                                int headerCount, const char *const *headers,
                                const char *const *includeNames) {
  if (!handle || !source || headerCount < 0 || (headerCount && (!headers || !includeNames)))
    return refuse("nvrtcCreateProgram", InvalidInput, "a null pointer or a negative count");
  auto program = std::make_unique<Program>();
  program->source.text = source;
  program->source.name = name && *name ? name : "default_program";
  for (int i = 0; i < headerCount; ++i) {
    if (!standin::isPlainPath(includeNames[i]))
      return refuse("nvrtcCreateProgram", InvalidInput,
                    std::string("include name ") + includeNames[i] +
                        "; the stand-in takes relative paths without ..");
    program->source.headers.push_back({includeNames[i], headers[i]});
  }
  std::lock_guard<std::mutex> lock(mutex);
  programs().insert(program.get());
  *handle = program.release();
  return Success;
}

STAND_IN int nvrtcDestroyProgram(void **handle) {
  Program *program = handle ? find(*handle) : nullptr;
  if (!program)
    return noProgram("nvrtcDestroyProgram");
  std::lock_guard<std::mutex> lock(mutex);
  programs().erase(program);
  delete program;
  *handle = nullptr;
  return Success;
}

STAND_IN int nvrtcCompileProgram(void *handle, int count, const char *const *options) {
  Program *program = find(handle);
  if (!program)
    return noProgram("nvrtcCompileProgram");
  if (count < 0 || (count && !options))
    return refuse("nvrtcCompileProgram", InvalidInput, "a null pointer or a negative count");
  program->compiled = false;
  program->binary = {};
  std::string wrong = standin::readOptions(program->source, count, options);
  if (!wrong.empty()) {
    program->binary.log = "nvrtc: error: " + wrong + "\n";
    return refuse("nvrtcCompileProgram", InvalidOption, wrong);
  }
  program->compiled = standin::compile(program->source, program->binary);
  return program->compiled ? Success : Compilation;
}

STAND_IN int nvrtcGetProgramLogSize(void *handle, size_t *bytes) {
  Program *program = find(handle);
  if (!program || !bytes)
    return noProgram("nvrtcGetProgramLogSize");
  *bytes = program->binary.log.size() + 1;
  return Success;
}

STAND_IN int nvrtcGetProgramLog(void *handle, char *log) {
  Program *program = find(handle);
  if (!program || !log)
    return noProgram("nvrtcGetProgramLog");
  std::memcpy(log, program->binary.log.c_str(), program->binary.log.size() + 1);
  return Success;
}

namespace {

// As NVRTC: `compute_XX` gives PTX only. Both are the same bytes here.
int imageSize(const char *function, void *handle, size_t *bytes, bool cubin) {
  Program *program = find(handle);
  if (!program || !bytes)
    return noProgram(function);
  if (!program->compiled)
    return refuse(function, InvalidProgram, "the program has not been compiled");
  *bytes = cubin && program->source.isVirtual ? 0 : program->binary.image.size();
  return Success;
}

int image(const char *function, void *handle, char *to, bool cubin) {
  size_t bytes = 0;
  if (int result = imageSize(function, handle, &bytes, cubin))
    return result;
  if (!to || !bytes)
    return refuse(function, InvalidInput, "nothing to write, or nowhere to write it");
  std::memcpy(to, find(handle)->binary.image.data(), bytes);
  return Success;
}

} // namespace

STAND_IN int nvrtcGetCUBINSize(void *handle, size_t *bytes) {
  return imageSize("nvrtcGetCUBINSize", handle, bytes, true);
}
STAND_IN int nvrtcGetCUBIN(void *handle, char *cubin) {
  return image("nvrtcGetCUBIN", handle, cubin, true);
}
STAND_IN int nvrtcGetPTXSize(void *handle, size_t *bytes) {
  return imageSize("nvrtcGetPTXSize", handle, bytes, false);
}
STAND_IN int nvrtcGetPTX(void *handle, char *ptx) {
  return image("nvrtcGetPTX", handle, ptx, false);
}
