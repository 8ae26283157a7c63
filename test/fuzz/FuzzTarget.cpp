//===- FuzzTarget.cpp - what the fuzz targets share -------------------------===//
// libFuzzer's entry point, the checks that all targets make, the scratch file.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"

#include "Limits.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace ftc::fuzz {

void require(bool holds, const char *what) { require(holds, what, std::string()); }

void require(bool holds, const char *what, const std::string &text) {
  if (holds)
    return;
  std::fprintf(stderr, "fuzz: %s\n%s\n", what, text.c_str());
  std::abort();
}

namespace {

// As the tests of the command line have it.
constexpr size_t kLongestLine = 700;

void checkLine(const std::string &line) {
  require(line.size() <= kLongestLine, "a line of a message is too long", line);
  for (char c : line)
    require(static_cast<unsigned char>(c) >= ' ' && c != 0x7f,
            "a message holds a control character", line);
}

std::string &scratchFolder() {
  static std::string folder;
  return folder;
}

void removeScratchFolder() { ::rmdir(scratchFolder().c_str()); }

/// Made once; the process ends where it cannot be.
const std::string &makeScratchFolder() {
  std::string &folder = scratchFolder();
  if (!folder.empty())
    return folder;
  const char *given = std::getenv("FTC_FUZZ_SCRATCH");
  std::string base = given ? given : ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  folder = base + "/ftc-fuzz-XXXXXX";
  require(::mkdtemp(folder.data()) != nullptr, "no scratch folder", folder);
  std::atexit(removeScratchFolder);
  return folder;
}

} // namespace

void checkError(const Error &error, std::string_view file) {
  std::string text = formatError(error);
  require(!error.message.empty(), "an error without a message", text);
  require(std::string_view(error.where).substr(0, file.size()) == file,
          "an error does not begin with its file", text);
  size_t lines = 0;
  for (size_t at = 0; at < text.size(); ++lines) {
    size_t end = text.find('\n', at);
    require(end != std::string::npos, "an error does not end its line", text);
    checkLine(text.substr(at, end - at));
    at = end + 1;
  }
  require(lines == 1 + error.notes.size(), "a message is more than one line", text);
}

void checkWarning(const std::string &text, std::string_view file) {
  require(std::string_view(text).substr(0, file.size()) == file,
          "a warning does not begin with its file", text);
  checkLine(text);
}

ScratchFile::ScratchFile(const std::string &file) : name(makeScratchFolder() + '/' + file) {
  descriptor = ::open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  require(descriptor >= 0, "cannot make the scratch file", name);
}

ScratchFile::~ScratchFile() {
  ::close(descriptor);
  ::unlink(name.c_str());
}

const std::string &ScratchFile::write(std::string_view content) {
  require(::ftruncate(descriptor, 0) == 0, "cannot empty the scratch file", name);
  for (size_t done = 0; done < content.size();) {
    ssize_t count = ::pwrite(descriptor, content.data() + done, content.size() - done,
                             static_cast<off_t>(done));
    require(count > 0, "cannot write the scratch file", name);
    done += static_cast<size_t>(count);
  }
  return name;
}

} // namespace ftc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ftc::fuzz::Limits limits(size);
  ftc::fuzz::readInput({reinterpret_cast<const char *>(data), size});
  limits.check();
  return 0;
}
