//===- TruncationHandler.h - mapped files that are cut off while in use ----===//
// A message and exit status 1 where a program would otherwise die of SIGBUS.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_SUPPORT_TRUNCATIONHANDLER_H
#define FTC_SUPPORT_TRUNCATIONHANDLER_H

namespace ftc {

/// For programs, early in main: a SIGBUS on an address that a MappedFile maps ends the process with
/// one error line that names the file and exit status 1. Every other SIGBUS does what it did
/// before. Bytes behind the end of a file within its last page read as zero and raise nothing:
/// MappedFile::sizeOnDisk tells.
void installTruncationHandler();

} // namespace ftc

#endif // FTC_SUPPORT_TRUNCATIONHANDLER_H
