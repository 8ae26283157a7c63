//===- FakeCode.h - an ELF header without code -----------------------------===//
// Enough for the verifier, which looks no further.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_UNIT_PACKAGE_FAKECODE_H
#define FTC_TEST_UNIT_PACKAGE_FAKECODE_H

#include <cstdint>
#include <cstring>
#include <elf.h>
#include <vector>

namespace ftc::test {

inline std::vector<uint8_t> fakeCode() {
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  const auto *bytes = reinterpret_cast<const uint8_t *>(&header);
  return {bytes, bytes + sizeof header};
}

} // namespace ftc::test

#endif // FTC_TEST_UNIT_PACKAGE_FAKECODE_H
