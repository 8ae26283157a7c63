//===- CodeImage.cpp - the ELF image of a package, loaded ------------------===//
// A memfd, and dlopen by its path under /proc.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "CodeImage.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ftc {

Result<CodeImage> CodeImage::load(const void *bytes, size_t size) {
  CodeImage image;
  image.descriptor = ::memfd_create("ftc-kernels", MFD_CLOEXEC);
  if (image.descriptor < 0)
    return makeError("code", std::string("cannot make a file in memory: ") + std::strerror(errno));
  const char *rest = static_cast<const char *>(bytes);
  for (size_t left = size; left > 0;) {
    ssize_t written = ::write(image.descriptor, rest, left);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return makeError("code", std::string("cannot write it to memory: ") + std::strerror(errno));
    rest += written;
    left -= static_cast<size_t>(written);
  }
  // The process by number, not "self": a debugger opens the path too, in its own process.
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%ld/fd/%d", static_cast<long>(::getpid()),
                image.descriptor);
  image.handle = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!image.handle) {
    const char *reason = ::dlerror();
    return makeError("code",
                     std::string("cannot be loaded: ") + (reason ? reason : "no reason given"));
  }
  return image;
}

CodeImage::~CodeImage() {
  if (handle)
    ::dlclose(handle);
  if (descriptor >= 0)
    ::close(descriptor);
}

void *CodeImage::find(const char *symbol) const {
  return handle ? ::dlsym(handle, symbol) : nullptr;
}

} // namespace ftc
