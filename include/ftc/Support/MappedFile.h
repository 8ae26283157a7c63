//===- MappedFile.h - a file mapped read-only into memory ------------------===//
// RAII over mmap; pages are private to this process and never written back.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_MAPPEDFILE_H
#define FTC_SUPPORT_MAPPEDFILE_H

#include "ftc/Support/Error.h"

#include <cstdint>
#include <string>

namespace ftc {

/// A regular file mapped with PROT_READ, MAP_PRIVATE. An empty file has size 0 and a null pointer.
/// A file that another process truncates while mapped raises SIGBUS on access: `sizeOnDisk` tells
/// whether that has happened, for callers that check before long reads; TruncationHandler.h makes
/// an error line of the signal.
class MappedFile {
public:
  static Result<MappedFile> open(const std::string &path);
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;
  ~MappedFile();

  const uint8_t *data() const { return address; }
  uint64_t size() const { return length; }
  const std::string &path() const { return name; }
  /// The file's size now, or an error when it is gone.
  Result<uint64_t> sizeOnDisk() const;

private:
  MappedFile() = default;
  void unmap();

  std::string name;
  const uint8_t *address = nullptr;
  uint64_t length = 0;
  int descriptor = -1;
};

} // namespace ftc

#endif // FTC_SUPPORT_MAPPEDFILE_H
