//===- SourceText.cpp - checks and positions common to text formats --------===//
// What JSON and YAML refuse before parsing, offsets into positions, whole files.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "SourceText.h"

#include "Unicode.h"
#include "ftc/Support/AtomicFile.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ftc::json {

namespace {

bool isContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

} // namespace

Position PositionFinder::at(size_t offset) {
  offset = std::min(offset, text.size());
  while (offset > 0 && offset < text.size() && isContinuation(text[offset]))
    --offset;
  if (offset < reached) {
    reached = 0;
    position = {1, 1};
  }
  for (; reached < offset; ++reached) {
    if (text[reached] == '\n') {
      ++position.line;
      position.column = 1;
    } else if (!isContinuation(text[reached])) {
      ++position.column;
    }
  }
  return position;
}

Error errorAt(std::string_view text, std::string_view file, size_t offset, std::string message) {
  Position at = PositionFinder(text).at(offset);
  return makeError(place(file, at.line, at.column), std::move(message));
}

Status checkText(std::string_view text, std::string_view file, const ParseOptions &options) {
  if (text.size() > options.maxBytes)
    return makeError(std::string(file), "the text has " + std::to_string(text.size()) +
                                            " bytes; at most " + std::to_string(options.maxBytes) +
                                            " are read");
  if (text.substr(0, 3) == "\xEF\xBB\xBF")
    return errorAt(text, file, 0, "a byte order mark; save the file as UTF-8 without one");
  if (size_t bad = firstInvalidUtf8(text); bad != text.size()) {
    // The text up to there is well formed: its end is the place, whatever the bad byte looks like.
    return errorAt(text.substr(0, bad), file, bad, "not valid UTF-8; save the file as UTF-8");
  }
  if (size_t nul = text.find('\0'); nul != std::string_view::npos)
    return errorAt(text, file, nul, "a NUL byte; text has none");
  return Status::ok();
}

} // namespace ftc::json

namespace ftc {

Result<std::string> readFile(const std::string &path, uint64_t maxBytes) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return systemError(path, "cannot open", errno);
  struct stat info;
  std::optional<Error> failure;
  std::string text;
  if (::fstat(descriptor, &info) != 0) {
    failure = systemError(path, "cannot read", errno);
  } else if (!S_ISREG(info.st_mode)) {
    failure = makeError(path, S_ISDIR(info.st_mode) ? "is a directory; give a file"
                                                    : "is not a regular file");
  } else if (static_cast<uint64_t>(info.st_size) > maxBytes) {
    failure = makeError(path, "has " + std::to_string(info.st_size) + " bytes; at most " +
                                  std::to_string(maxBytes) + " are read");
  } else {
    text.resize(static_cast<size_t>(info.st_size));
    size_t done = 0;
    while (done < text.size()) {
      ssize_t count = ::read(descriptor, &text[done], text.size() - done);
      if (count < 0 && errno == EINTR)
        continue;
      if (count < 0)
        failure = systemError(path, "cannot read", errno);
      if (count <= 0)
        break;
      done += static_cast<size_t>(count);
    }
    text.resize(done);
  }
  ::close(descriptor);
  if (failure)
    return std::move(*failure);
  return text;
}

} // namespace ftc
