//===- LineFile.cpp - lines of a file, in order and again ------------------===//
// Blocks of a mebibyte, cut at newlines; a scratch file for what is a pipe.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "LineFile.h"

#include "ftc/Support/AtomicFile.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ftc::trainer {

Descriptor::~Descriptor() {
  if (number >= 0)
    ::close(number);
}

int64_t Descriptor::readAt(uint64_t offset, void *data, uint64_t bytes) const {
  uint64_t done = 0;
  while (done < bytes) {
    ssize_t count = ::pread(number, static_cast<char *>(data) + done, bytes - done,
                            static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return -1;
    if (count == 0)
      break;
    done += static_cast<uint64_t>(count);
  }
  return static_cast<int64_t>(done);
}

Error ScratchFile::failure(int reason) const {
  return systemError(directory, "cannot keep " + purpose + " there", reason)
      .note("TMPDIR names another directory for temporary files");
}

Result<ScratchFile> ScratchFile::create(const std::string &purpose) {
  ScratchFile scratch;
  const char *wanted = std::getenv("TMPDIR");
  scratch.directory = wanted && *wanted ? wanted : "/tmp";
  scratch.purpose = purpose;
  std::string path = joinPath(scratch.directory, "ftc-XXXXXX");
  scratch.descriptor = Descriptor(::mkostemp(path.data(), O_CLOEXEC));
  if (!scratch.descriptor)
    return scratch.failure(errno);
  ::unlink(path.c_str());
  return scratch;
}

Result<uint64_t> ScratchFile::append(const void *data, uint64_t bytes) {
  for (uint64_t done = 0; done < bytes;) {
    ssize_t count = ::write(descriptor.get(), static_cast<const char *>(data) + done, bytes - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return failure(count < 0 ? errno : EIO);
    done += static_cast<uint64_t>(count);
  }
  return std::exchange(size, size + bytes);
}

Status ScratchFile::readAt(uint64_t offset, void *data, uint64_t bytes) const {
  int64_t count = descriptor.readAt(offset, data, bytes);
  if (count < 0 || static_cast<uint64_t>(count) != bytes)
    return failure(count < 0 ? errno : EIO);
  return Status::ok();
}

Result<LineFile> LineFile::open(const std::string &path) {
  if (isDirectory(path))
    return makeError(path, "is a directory; training data are one JSONL file");
  LineFile lines;
  lines.name = path;
  lines.file = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info;
  if (!lines.file || ::fstat(lines.file.get(), &info) != 0)
    return systemError(path, "cannot open", errno);
  if (!S_ISREG(info.st_mode)) {
    Result<ScratchFile> scratch = ScratchFile::create("what " + path + " gives");
    if (!scratch)
      return scratch.takeError();
    lines.copy.emplace(std::move(*scratch));
  }
  return lines;
}

Result<bool> LineFile::more() {
  constexpr size_t block = size_t{1} << 20;
  if (begin > 0) {
    std::memmove(held.data(), held.data() + begin, end - begin);
    end -= begin;
    begin = 0;
  }
  if (held.size() - end < block)
    held.resize(std::max(2 * held.size(), end + block));
  ssize_t count;
  do
    count = ::read(file.get(), held.data() + end, held.size() - end);
  while (count < 0 && errno == EINTR);
  if (count < 0)
    return systemError(name, "cannot read", errno);
  if (copy)
    if (Result<uint64_t> at = copy->append(held.data() + end, static_cast<uint64_t>(count)); !at)
      return at.takeError();
  end += static_cast<size_t>(count);
  return count > 0;
}

LineFile::Line LineFile::take(size_t length) {
  Line line{std::string_view(held).substr(begin, length), offset, ++number, length < end - begin};
  size_t whole = std::min(length + 1, end - begin);
  begin += whole;
  offset += whole;
  return line;
}

Result<std::optional<LineFile::Line>> LineFile::next() {
  for (size_t searched = 0;;) {
    const char *from = held.data() + begin + searched;
    size_t left = end - begin - searched;
    const void *newline = left > 0 ? std::memchr(from, '\n', left) : nullptr;
    searched = newline
                   ? static_cast<size_t>(static_cast<const char *>(newline) - held.data()) - begin
                   : end - begin;
    if (searched > kMaxLine)
      return makeError(place(name, static_cast<unsigned>(number + 1)),
                       "the line has more than 64 MiB; cut the text into several lines");
    if (newline)
      return std::optional<Line>(take(searched));
    Result<bool> isMore = more();
    if (!isMore)
      return isMore.takeError();
    if (!*isMore)
      return searched > 0 ? std::optional<Line>(take(searched)) : std::nullopt;
  }
}

void LineFile::finish() {
  held = std::string();
  begin = end = 0;
}

Status LineFile::readAt(uint64_t at, uint64_t bytes, std::string &text) const {
  text.resize(bytes);
  int64_t count = (copy ? copy->file() : file).readAt(at, text.data(), bytes);
  if (count < 0)
    return systemError(name, "cannot read", errno);
  text.resize(static_cast<size_t>(count));
  return Status::ok();
}

} // namespace ftc::trainer
