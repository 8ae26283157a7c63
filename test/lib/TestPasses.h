//===- TestPasses.h - passes that are wrong on purpose ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_TEST_LIB_TESTPASSES_H
#define FTC_TEST_LIB_TESTPASSES_H

namespace ftc::test {

/// test-crash writes through a null pointer, test-fail fails, test-change doubles the scale of the
/// last ft.linear, test-round stores base weights in bf16 (and says so, unless `silent`; `scales`:
/// it does as test-change besides).
void registerTestPasses();

} // namespace ftc::test

#endif
