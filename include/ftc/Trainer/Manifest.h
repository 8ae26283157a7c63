//===- Manifest.h - what makes a checkpoint whole ---------------*- C++ -*-===//
// MANIFEST.json: every file of a directory with its size and checksum.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TRAINER_MANIFEST_H
#define FTC_TRAINER_MANIFEST_H

#include "ftc/Support/Error.h"

#include <cstdint>
#include <string>

namespace ftc::trainer {

constexpr const char *kManifestName = "MANIFEST.json";

/// Reads the files of `directory` back and writes `MANIFEST.json` beside them: `step`, and for each
/// file `name`, `bytes` and `crc32c` (8 hexadecimal digits), sorted by name.
Status writeManifest(const std::string &directory, int64_t step);

/// The step of a directory whose files are those of its manifest, byte for byte; an error that
/// names the first file that is missing, shorter, longer or different. Files that the manifest does
/// not name are not looked at.
Result<int64_t> verifyManifest(const std::string &directory);

} // namespace ftc::trainer

#endif // FTC_TRAINER_MANIFEST_H
