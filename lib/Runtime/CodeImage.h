//===- CodeImage.h - the ELF image of a package, loaded --------------------===//
// dlopen of bytes in memory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_RUNTIME_CODEIMAGE_H
#define FTC_RUNTIME_CODEIMAGE_H

#include "ftc/Support/Error.h"

#include <cstddef>
#include <utility>

namespace ftc {

/// A shared object loaded from memory; unloaded by the destructor.
class CodeImage {
public:
  CodeImage() = default;
  static Result<CodeImage> load(const void *bytes, size_t size);
  CodeImage(CodeImage &&other) noexcept { swap(other); }
  CodeImage &operator=(CodeImage &&other) noexcept {
    swap(other);
    return *this;
  }
  ~CodeImage();

  /// The address of an exported symbol, or null.
  void *find(const char *symbol) const;

private:
  void swap(CodeImage &other) {
    std::swap(handle, other.handle);
    std::swap(descriptor, other.descriptor);
  }

  void *handle = nullptr;
  /// Open as long as the image is loaded: the loader knows images by path, and a later image under
  /// the same descriptor number would be taken for this one.
  int descriptor = -1;
};

} // namespace ftc

#endif // FTC_RUNTIME_CODEIMAGE_H
