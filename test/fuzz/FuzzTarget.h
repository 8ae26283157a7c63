//===- FuzzTarget.h - what the fuzz targets share ---------------------------===//
// One function a target, the checks that all make, and a file to read an input from.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_FUZZ_FUZZTARGET_H
#define FTC_TEST_FUZZ_FUZZTARGET_H

#include "ftc/Support/Error.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ftc::fuzz {

/// The target's own: reads `input` as a user's file and checks what it got. Runs under the limits
/// of Limits.h; a failed check ends the process.
void readInput(std::string_view input);

/// Ends the process where `holds` is false; libFuzzer then keeps the input.
void require(bool holds, const char *what);
void require(bool holds, const char *what, const std::string &text);

/// What every refusal must be: it begins with the file, says what is wrong, and each of its lines
/// is one line of a length that a person reads.
void checkError(const Error &error, std::string_view file);
/// The same of a warning's text.
void checkWarning(const std::string &text, std::string_view file);

/// A file that is written anew for each input, in memory where the machine has /dev/shm. Its folder
/// is made at the first use and removed at the end of the process.
class ScratchFile {
public:
  /// `name` within the folder, e.g. `config.json`.
  explicit ScratchFile(const std::string &name);
  ~ScratchFile();
  ScratchFile(const ScratchFile &) = delete;
  ScratchFile &operator=(const ScratchFile &) = delete;

  const std::string &write(std::string_view content);
  const std::string &path() const { return name; }

private:
  std::string name;
  int descriptor = -1;
};

} // namespace ftc::fuzz

#endif // FTC_TEST_FUZZ_FUZZTARGET_H
