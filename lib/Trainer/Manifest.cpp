//===- Manifest.cpp - what makes a checkpoint whole ------------------------===//
// Sizes and CRC32C of files as the file system gives them back.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Trainer/Manifest.h"

#include "ftc/Mutants.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Support/Crc32c.h"
#include "ftc/Support/Json.h"
#include "ftc/Support/ObjectReader.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ftc::trainer {

namespace {

struct FileSum {
  uint64_t bytes = 0;
  uint32_t crc = 0;
};

/// Read rather than mapped: a file that another process cuts short is an error, no signal.
Result<FileSum> sumOf(const std::string &path) {
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return systemError(path, "cannot open", errno);
  struct stat info;
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    return makeError(path, "is not a regular file");
  }
  std::vector<char> buffer(size_t{1} << 20);
  FileSum sum;
  for (;;) {
    ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0) {
      int reason = errno;
      ::close(descriptor);
      return systemError(path, "cannot read", reason);
    }
    if (count == 0)
      break;
    sum.crc = crc32c(buffer.data(), static_cast<size_t>(count), sum.crc);
    sum.bytes += static_cast<uint64_t>(count);
  }
  ::close(descriptor);
  return sum;
}

std::string hex(uint32_t crc) {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", crc);
  return text;
}

} // namespace

Status writeManifest(const std::string &directory, int64_t step) {
  std::vector<std::string> names;
  std::error_code code;
  for (std::filesystem::directory_iterator it(directory, code), end; !code && it != end;
       it.increment(code))
    names.push_back(it->path().filename().string());
  if (code)
    return makeError(directory, "cannot read the directory: " + code.message());
  std::sort(names.begin(), names.end());
  json::Value files = json::Value::array();
  for (const std::string &name : names) {
    Result<FileSum> sum = sumOf(joinPath(directory, name));
    if (!sum)
      return sum.takeError();
    json::Value entry = json::Value::object();
    entry.set("name", name).set("bytes", sum->bytes).set("crc32c", hex(sum->crc));
    files.push(std::move(entry));
  }
  json::Value manifest = json::Value::object();
  manifest.set("format", 1).set("step", step).set("files", std::move(files));
  return writeFileAtomically(joinPath(directory, kManifestName), json::dump(manifest, 2) + '\n');
}

Result<int64_t> verifyManifest(const std::string &directory) {
  std::string path = joinPath(directory, kManifestName);
  Result<json::Value> manifest = json::parseFile(path);
  if (!manifest)
    return manifest.takeError();
  json::ObjectReader reader(*manifest, path);
  Result<int64_t> format = reader.getInt("format", 1, 1);
  if (!format)
    return format.takeError();
  Result<int64_t> step = reader.getInt("step", 1);
  if (!step)
    return step;
  Result<const json::Value *> files = reader.getArray("files");
  if (!files)
    return files.takeError();
  if ((*files)->elements().empty())
    return reader.errorAt("files", "is empty; a manifest names the files of its directory");
  for (const json::Value &element : (*files)->elements()) {
    json::ObjectReader entry(element, path, "files");
    Result<std::string> name = entry.getString("name");
    if (!name)
      return name.takeError();
    if (name->empty() || name->find('/') != std::string::npos || *name == "." || *name == "..")
      return entry.errorAt("name", "must be a plain file name, got " + ftc::quoted(*name));
    Result<int64_t> bytes = entry.getInt("bytes", 0);
    if (!bytes)
      return bytes;
    Result<std::string> crc = entry.getString("crc32c");
    if (!crc)
      return crc.takeError();
    Result<FileSum> sum = sumOf(joinPath(directory, *name));
    if (!sum)
      return sum.takeError();
    if (sum->bytes != static_cast<uint64_t>(*bytes))
      return makeError(joinPath(directory, *name), "has " + std::to_string(sum->bytes) +
                                                       " bytes, and had " + std::to_string(*bytes) +
                                                       " when it was saved");
    if (FTC_MUTATE("checksum-unchecked", hex(sum->crc) != *crc, false))
      return makeError(joinPath(directory, *name), "has the checksum " + hex(sum->crc) +
                                                       ", and had " + ftc::quoted(*crc) +
                                                       " when it was saved");
  }
  return step;
}

} // namespace ftc::trainer
