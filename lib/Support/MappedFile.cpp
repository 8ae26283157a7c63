//===- MappedFile.cpp - a file mapped read-only into memory ----------------===//
// RAII over mmap; pages are private to this process and never written back.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/MappedFile.h"

#include "Mappings.h"
#include "ftc/Support/AtomicFile.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ftc {

Result<MappedFile> MappedFile::open(const std::string &path) {
  MappedFile file;
  file.name = path;
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  file.descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.descriptor < 0)
    return systemError(path, "cannot open", errno);
  struct stat info;
  if (::fstat(file.descriptor, &info) != 0)
    return systemError(path, "cannot read", errno);
  if (!S_ISREG(info.st_mode))
    return makeError(path, S_ISDIR(info.st_mode) ? "is a directory; give a file"
                                                 : "is not a regular file");
  file.length = static_cast<uint64_t>(info.st_size);
  if (file.length == 0)
    return file;
  void *address = ::mmap(nullptr, file.length, PROT_READ, MAP_PRIVATE, file.descriptor, 0);
  if (address == MAP_FAILED)
    return systemError(path, "cannot map into memory", errno);
  file.address = static_cast<const uint8_t *>(address);
  addMapping(address, file.length, file.descriptor, path);
  return file;
}

MappedFile::MappedFile(MappedFile &&other) noexcept { *this = std::move(other); }

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(name, other.name);
  std::swap(address, other.address);
  std::swap(length, other.length);
  std::swap(descriptor, other.descriptor);
  return *this;
}

MappedFile::~MappedFile() { unmap(); }

void MappedFile::unmap() {
  if (address) {
    removeMapping(address);
    ::munmap(const_cast<uint8_t *>(address), length);
  }
  if (descriptor >= 0)
    ::close(descriptor);
  address = nullptr;
  descriptor = -1;
}

Result<uint64_t> MappedFile::sizeOnDisk() const {
  struct stat info;
  if (::fstat(descriptor, &info) != 0)
    return systemError(name, "cannot read", errno);
  return static_cast<uint64_t>(info.st_size);
}

} // namespace ftc
