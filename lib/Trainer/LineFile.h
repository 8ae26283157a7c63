//===- LineFile.h - lines of a file, in order and again --------------------===//
// A file or a pipe read line by line, whose lines can be read again by place.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_LIB_TRAINER_LINEFILE_H
#define FTC_LIB_TRAINER_LINEFILE_H

#include "ftc/Support/Error.h"

#include <cstdint>
#include <optional>

namespace ftc::trainer {

/// An open file.
class Descriptor {
public:
  explicit Descriptor(int number = -1) : number(number) {}
  Descriptor(Descriptor &&other) noexcept : number(std::exchange(other.number, -1)) {}
  Descriptor &operator=(Descriptor &&other) noexcept {
    std::swap(number, other.number);
    return *this;
  }
  ~Descriptor();

  int get() const { return number; }
  explicit operator bool() const { return number >= 0; }
  /// Bytes read at `offset`: all, or those that the file still has; -1 sets errno.
  int64_t readAt(uint64_t offset, void *data, uint64_t bytes) const;

private:
  int number;
};

/// A file without a name, in $TMPDIR or /tmp, that is gone when it is closed.
class ScratchFile {
public:
  /// `purpose`: what is kept there, for messages.
  static Result<ScratchFile> create(const std::string &purpose);
  /// Where in the file the bytes begin.
  Result<uint64_t> append(const void *data, uint64_t bytes);
  Status readAt(uint64_t offset, void *data, uint64_t bytes) const;
  const Descriptor &file() const { return descriptor; }

private:
  Error failure(int reason) const;

  std::string directory, purpose;
  Descriptor descriptor;
  uint64_t size = 0;
};

/// Lines, read in order once and by place any number of times. What cannot be read twice (a pipe)
/// is kept in a scratch file on the way. A line has at most 64 MiB, the newline not counted.
class LineFile {
public:
  static constexpr uint64_t kMaxLine = uint64_t{64} << 20;

  struct Line {
    std::string_view text; ///< without its newline; valid until the next call
    uint64_t offset = 0;   ///< of its first byte
    uint64_t number = 0;   ///< from 1
    bool isWhole = true;   ///< a newline follows
  };

  static Result<LineFile> open(const std::string &path);
  /// The next line; nothing at the end.
  Result<std::optional<Line>> next();
  /// Frees what only `next` needs.
  void finish();
  /// The `bytes` at `offset`, fewer where the file has become shorter.
  Status readAt(uint64_t offset, uint64_t bytes, std::string &text) const;

private:
  /// Reads on behind the bytes that are held. False at the end of the file.
  Result<bool> more();
  Line take(size_t length);

  std::string name;
  Descriptor file;
  std::optional<ScratchFile> copy; ///< of a pipe
  std::string held;
  size_t begin = 0, end = 0; ///< of the bytes in `held` that are no line yet
  uint64_t offset = 0;       ///< of `begin` in the file
  uint64_t number = 0;
};

} // namespace ftc::trainer

#endif // FTC_LIB_TRAINER_LINEFILE_H
