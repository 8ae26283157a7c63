//===- AtomicFile.cpp - files and directories that appear whole ------------===//
// Written beside the final name, synced, renamed; removed when not committed.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/AtomicFile.h"

#include "Mappings.h"
#include "ftc/Mutants.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace ftc {

namespace {

/// Tries `.NAME.tmp-PID`, then `-1`, `-2`, ... until `make` does not fail with EEXIST: containers
/// reuse process numbers, so a killed run may have left its name behind.
template <class Make> std::string makeTemporary(const std::string &finalPath, Make make) {
  std::string stem = joinPath(directoryName(finalPath),
                              "." + baseName(finalPath) + ".tmp-" + std::to_string(::getpid()));
  for (int attempt = 0; attempt < 1000; ++attempt) {
    std::string candidate = attempt ? stem + '-' + std::to_string(attempt) : stem;
    if (make(candidate))
      return candidate;
    if (errno != EEXIST)
      break;
  }
  return {};
}

/// A final name must have a last component of its own.
Status checkName(const std::string &path) {
  std::string name = baseName(path);
  if (name.empty() || name == "." || name == "..")
    return makeError(path, "is not a name for a new file or directory");
  return Status::ok();
}

std::string withoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  return path;
}

/// fsync, made again where a signal interrupts it: 0 or the errno.
int syncDescriptor(int descriptor) {
  for (;;) {
    if (FTC_MUTATE("unsynced", ::fsync(descriptor), 0) == 0)
      return 0;
    if (errno != EINTR)
      return errno;
  }
}

Status syncPath(const std::string &path, int flags) {
  int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0)
    return systemError(path, "cannot sync", errno);
  int reason = syncDescriptor(descriptor);
  ::close(descriptor);
  // File systems that keep directories in order by themselves refuse to sync them so.
  bool isRefused = (flags & O_DIRECTORY) && (reason == EINVAL || reason == ENOTSUP);
  if (reason != 0 && !isRefused)
    return systemError(path, "cannot sync", reason);
  return Status::ok();
}

/// Why bytes could not be written to a file. Those of a mapped file that was truncated meanwhile
/// fault in the system call.
Error writeError(const std::string &path, const void *data, ssize_t count) {
  int reason = count < 0 ? errno : ENOSPC;
  if (const Mapping *source = reason == EFAULT ? findMapping(data) : nullptr)
    return makeError(source->path, "was truncated while in use; restore it, and leave files that a "
                                   "run reads as they are until it ends");
  return systemError(path, "cannot write", reason);
}

/// Syncs regular files first, each directory after its content.
Status syncTree(const std::string &directory) {
  std::error_code code;
  std::vector<std::filesystem::directory_entry> entries;
  for (std::filesystem::directory_iterator it(directory, code), end; !code && it != end;
       it.increment(code))
    entries.push_back(*it);
  if (code)
    return makeError(directory, "cannot read the directory: " + code.message());
  std::sort(entries.begin(), entries.end()); // the same calls in the same order, every time
  for (const std::filesystem::directory_entry &entry : entries) {
    std::error_code ignored;
    std::filesystem::file_status status = entry.symlink_status(ignored);
    if (std::filesystem::is_directory(status)) {
      if (Status s = syncTree(entry.path().string()); !s)
        return s;
    } else if (std::filesystem::is_regular_file(status)) {
      if (Status s = syncPath(entry.path().string(), O_RDONLY | O_NOFOLLOW); !s)
        return s;
    }
  }
  return syncDirectory(directory);
}

} // namespace

Error systemError(const std::string &path, std::string_view what, int errorNumber) {
  return makeError(path, std::string(what) + ": " + std::generic_category().message(errorNumber));
}

std::string baseName(std::string_view path) {
  size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string directoryName(std::string_view path) {
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos)
    return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string joinPath(std::string_view directory, std::string_view name) {
  if (directory.empty())
    return std::string(name);
  std::string path(directory);
  if (path.back() != '/')
    path += '/';
  return path += name;
}

bool fileExists(const std::string &path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

bool isDirectory(const std::string &path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Status makeDirectories(const std::string &path) {
  std::string name = withoutTrailingSlashes(path);
  if (isDirectory(name))
    return Status::ok();
  std::string parent = withoutTrailingSlashes(directoryName(name));
  if (parent != name)
    if (Status s = makeDirectories(parent); !s)
      return s;
  if (::mkdir(name.c_str(), 0777) == 0)
    return syncDirectory(parent);
  if (errno != EEXIST)
    return systemError(path, "cannot make the directory", errno);
  // Another process was faster, or a file has the name.
  return isDirectory(name) ? Status::ok() : makeError(path, "is not a directory");
}

Status syncFile(const std::string &path) { return syncPath(path, O_RDONLY | O_NOFOLLOW); }

Status syncDirectory(const std::string &path) { return syncPath(path, O_RDONLY | O_DIRECTORY); }

Status removeTree(const std::string &path) {
  std::error_code code;
  std::filesystem::remove_all(path, code);
  if (code)
    return makeError(path, "cannot remove: " + code.message());
  return Status::ok();
}

Result<AtomicFile> AtomicFile::create(const std::string &path) {
  if (Status s = checkName(path); !s)
    return s.takeError();
  // Renaming fails on a directory only after all the work, and would replace a device or a pipe.
  if (struct stat info; ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return makeError(path, S_ISDIR(info.st_mode) ? "is a directory; give the path of a file"
                                                 : "is no regular file; give the path of a file");
  AtomicFile file;
  file.finalPath = path;
  file.temporary = makeTemporary(path, [&](const std::string &candidate) {
    file.descriptor = ::open(candidate.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return file.descriptor >= 0;
  });
  if (file.temporary.empty())
    return systemError(path, "cannot create", errno);
  return file;
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept { *this = std::move(other); }

AtomicFile &AtomicFile::operator=(AtomicFile &&other) noexcept {
  std::swap(finalPath, other.finalPath);
  std::swap(temporary, other.temporary);
  std::swap(descriptor, other.descriptor);
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (descriptor >= 0)
    ::close(descriptor);
  descriptor = -1;
  if (!temporary.empty())
    ::unlink(temporary.c_str());
  temporary.clear();
}

Status AtomicFile::write(const void *data, uint64_t bytes) {
  const char *next = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t count = ::write(descriptor, next, std::min<uint64_t>(bytes, uint64_t{1} << 30));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return writeError(finalPath, next, count);
    next += count;
    bytes -= static_cast<uint64_t>(count);
  }
  return Status::ok();
}

Status AtomicFile::writeAt(uint64_t offset, const void *data, uint64_t bytes) {
  const char *next = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t count = ::pwrite(descriptor, next, std::min<uint64_t>(bytes, uint64_t{1} << 30),
                             static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return writeError(finalPath, next, count);
    next += count;
    offset += static_cast<uint64_t>(count);
    bytes -= static_cast<uint64_t>(count);
  }
  return Status::ok();
}

Status AtomicFile::commit() {
  if (descriptor < 0)
    return makeError(finalPath, "was committed before");
  if (int reason = syncDescriptor(descriptor))
    return systemError(finalPath, "cannot sync", reason);
  int closed = ::close(descriptor);
  descriptor = -1;
  // Interrupted, it is closed all the same, and what it holds is on the disk.
  if (closed != 0 && errno != EINTR)
    return systemError(finalPath, "cannot write", errno);
  if (::rename(temporary.c_str(), finalPath.c_str()) != 0)
    return systemError(finalPath, "cannot rename the finished file to this name", errno);
  temporary.clear();
  return syncDirectory(directoryName(finalPath));
}

Status writeFileAtomically(const std::string &path, std::string_view content) {
  Result<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  if (Status s = file->write(content); !s)
    return s;
  return file->commit();
}

Result<AtomicDirectory> AtomicDirectory::create(const std::string &finalPath) {
  AtomicDirectory directory;
  directory.target = withoutTrailingSlashes(finalPath);
  if (Status s = checkName(directory.target); !s)
    return s.takeError();
  auto makeDirectory = [](const std::string &candidate) {
    return ::mkdir(candidate.c_str(), 0777) == 0;
  };
  directory.temporary = FTC_MUTATE("saved-in-place", makeTemporary(directory.target, makeDirectory),
                                   makeDirectory(directory.target) ? directory.target : "");
  if (directory.temporary.empty())
    return systemError(directory.target, "cannot create", errno);
  return directory;
}

AtomicDirectory::AtomicDirectory(AtomicDirectory &&other) noexcept { *this = std::move(other); }

AtomicDirectory &AtomicDirectory::operator=(AtomicDirectory &&other) noexcept {
  std::swap(target, other.target);
  std::swap(temporary, other.temporary);
  return *this;
}

AtomicDirectory::~AtomicDirectory() { discard(); }

void AtomicDirectory::discard() {
  // A destructor has nobody to tell: what cannot be removed stays under its temporary name.
  if (!temporary.empty())
    (void)static_cast<bool>(removeTree(temporary));
  temporary.clear();
}

Status AtomicDirectory::commit() {
  if (temporary.empty())
    return makeError(target, "was committed before");
  if (Status s = syncTree(temporary); !s)
    return s;
  if (::rename(temporary.c_str(), target.c_str()) != 0) {
    if (errno == ENOTEMPTY || errno == EEXIST)
      return makeError(target, "exists and is not empty; give a new or an empty directory");
    return systemError(target, "cannot rename the finished directory to this name", errno);
  }
  temporary.clear();
  return syncDirectory(directoryName(target));
}

} // namespace ftc
