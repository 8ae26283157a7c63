//===- AtomicFile.h - files and directories that appear whole --------------===//
// Written beside the final name, synced, renamed; removed when not committed.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_ATOMICFILE_H
#define FTC_SUPPORT_ATOMICFILE_H

#include "ftc/Support/Error.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace ftc {

/// One file under a temporary name (`.NAME.tmp-PID[-N]`) in the directory of its final name.
/// `commit` syncs it, renames it over the final name and syncs the directory; the destructor
/// removes what was not committed. A reader therefore sees the old file or the whole new one.
class AtomicFile {
public:
  static Result<AtomicFile> create(const std::string &path);
  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&other) noexcept;
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;
  ~AtomicFile();

  /// Appends all bytes (short writes and EINTR are continued).
  Status write(const void *data, uint64_t bytes);
  Status write(std::string_view text) { return write(text.data(), text.size()); }
  /// Writes all bytes at an offset.
  Status writeAt(uint64_t offset, const void *data, uint64_t bytes);
  Status commit();

  const std::string &path() const { return finalPath; }
  const std::string &temporaryPath() const { return temporary; }

private:
  AtomicFile() = default;
  void discard();

  std::string finalPath;
  std::string temporary;
  int descriptor = -1;
};

/// Writes a whole text file atomically.
Status writeFileAtomically(const std::string &path, std::string_view content);

/// A directory under a temporary name beside its final name. Files are made in `path()`; `commit`
/// syncs every file and directory in it, renames it to the final name (which must not exist, or be
/// an empty directory) and syncs the parent; the destructor removes what was not committed.
class AtomicDirectory {
public:
  static Result<AtomicDirectory> create(const std::string &finalPath);
  AtomicDirectory(AtomicDirectory &&other) noexcept;
  AtomicDirectory &operator=(AtomicDirectory &&other) noexcept;
  AtomicDirectory(const AtomicDirectory &) = delete;
  AtomicDirectory &operator=(const AtomicDirectory &) = delete;
  ~AtomicDirectory();

  /// The temporary directory to write into.
  const std::string &path() const { return temporary; }
  const std::string &finalPath() const { return target; }
  Status commit();

private:
  AtomicDirectory() = default;
  void discard();

  std::string target;
  std::string temporary;
};

/// Makes a directory and its missing parents, each synced into the one above; one that exists is
/// fine.
Status makeDirectories(const std::string &path);
/// Syncs a file's content.
Status syncFile(const std::string &path);
/// Syncs a directory, so that renames in it survive a power cut.
Status syncDirectory(const std::string &path);
/// Removes a file or a directory tree (links are removed, not followed); absent is fine.
Status removeTree(const std::string &path);

/// Path helpers on text: the part after the last slash, the part before it (`.` when none), and the
/// two joined with one slash.
std::string baseName(std::string_view path);
std::string directoryName(std::string_view path);
std::string joinPath(std::string_view directory, std::string_view name);
bool fileExists(const std::string &path);
bool isDirectory(const std::string &path);

/// `what: reason of errno` at a path, e.g. systemError(path, "cannot open", errno).
Error systemError(const std::string &path, std::string_view what, int errorNumber);

} // namespace ftc

#endif // FTC_SUPPORT_ATOMICFILE_H
